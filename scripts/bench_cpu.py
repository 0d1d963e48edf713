"""Ways to train on a CPU, beside each other: ``python scripts/bench_cpu.py`` (a few minutes on two cores).

A bare PyTorch loop (forward, cross-entropy, backward, Adam) at 128 × 64 (``--size``) in batches of 64, float32 in
torch's own memory layout, is 1.00; the others are ratios to it, their steps interleaved with its. The process keeps the
memory that it frees, as every command does; with ``--plain`` it does not.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import timm
import torch
from torch import Tensor, nn

from reid_lit.command.resolvers import cpu_precision
from reid_lit.memory import keep_freed_memory

NETWORKS = {"ResNet-18": "resnet18", "EfficientNet-Lite0": "tf_efficientnet_lite0"}
WAYS = (
    *("contiguous", "channels-last", "channels-last, fused Adam", "channels-last, compiled"),
    *("channels-last, bfloat16", "channels-last, bfloat16, fused Adam"),
)


class Way:
    """One way to train a network, with its own weights and optimizer."""

    def __init__(self, network: nn.Module, name: str) -> None:
        self.layout = torch.contiguous_format if name == "contiguous" else torch.channels_last
        self.bfloat16 = "bfloat16" in name
        self.network = copy.deepcopy(network).train().to(memory_format=self.layout)
        self.forward: Callable[[Tensor], Tensor] = self.network
        if name.endswith("compiled"):
            self.forward = torch.compile(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=3.5e-4, fused=name.endswith("fused Adam"))

    def step(self, image: Tensor, person: Tensor) -> float:
        """One step; its seconds."""
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            loss = nn.functional.cross_entropy(self.forward(image.contiguous(memory_format=self.layout)), person)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - start


def measure(name: str, architecture: str, *, size: list[int], batch: int, steps: int, compiled: bool) -> None:
    """A row of the table for each way."""
    image, person = torch.rand(batch, 3, *size), torch.randint(751, (batch,))
    network = timm.create_model(architecture, num_classes=751)
    left_out = [*([] if compiled else ["compiled"]), *([] if cpu_precision() == "bf16-mixed" else ["bfloat16"])]
    ways = {way: Way(network, way) for way in WAYS if not any(word in way for word in left_out)}
    first = {way: ways[way].step(image, person) for way in ways}  # compiling is in it
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(steps):
        for way in ways:
            seconds[way].append(ways[way].step(image, person))
    bare = statistics.median(seconds["contiguous"])
    for way, times in seconds.items():
        median = statistics.median(times)
        print(f"| {name} | {way} | {batch / median:.0f} | {bare / median:.2f} | {first[way]:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64], help="height and width")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, which takes a minute")
    parser.add_argument("--plain", action="store_true", help="give freed memory back to the system, as Python does")
    arguments = parser.parse_args()
    if not arguments.plain:
        keep_freed_memory()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    print("| network | way | images/s | × the bare loop | first step, s |\n|---|---|---|---|---|")
    for name, architecture in NETWORKS.items():
        measure(
            name,
            architecture,
            size=arguments.size,
            batch=arguments.batch,
            steps=arguments.steps,
            compiled=not arguments.no_compile,
        )


if __name__ == "__main__":
    main()
