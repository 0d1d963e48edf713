"""Peak memory and time of a training step by ``trainer=low_memory`` and by what it is made of.

    python scripts/bench_memory.py                        ResNet-50, P16 × K4, 256 × 128: some ten minutes on two cores
    python scripts/bench_memory.py --gradients --backbone efficientnet_lite0 --weights imagenet --height 128 --width 64
                                                          how far bfloat16 takes the gradient from float32's

Each way is measured in a process of its own, which takes steps of the Strong Baseline (ID, triplet, BNNeck, Adam) on
drawn images. On a GPU the peak is that of torch's allocator, on a CPU the resident memory of the process above what
it had once network and optimizer were there; the first step is not timed.
"""

import argparse
import copy
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.utils import instantiate
from torch import Tensor

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit.models.supervised import Supervised
from reid_lit.paths import packaged
from reid_lit.records import Batch

WAYS: dict[str, dict[str, Any]] = {
    "contiguous": {"channels_last": False},
    "channels-last (the default)": {},
    "bfloat16 (trainer.precision=bf16-mixed)": {"bfloat16": True},
    "checkpointing": {"checkpointing": True},
    "two passes": {"chunk": True},
    "two passes, checkpointing": {"chunk": True, "checkpointing": True},
    "bfloat16, two passes": {"chunk": True, "bfloat16": True},
    "all (trainer=low_memory)": {"chunk": True, "checkpointing": True, "bfloat16": True},
}
GIGABYTE = 1e9
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def built(arguments: argparse.Namespace, *, channels_last: bool = True) -> Supervised:
    """The Strong Baseline, in training, with the same weights each time."""
    torch.manual_seed(0)
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        config = hydra.compose(
            "train",
            ["+experiment=market_strong", f"backbone={arguments.backbone}", f"backbone.weights={arguments.weights}",
             "loss=id_triplet", f"model.recipe.channels_last={str(channels_last).lower()}"],
        )  # fmt: skip
    model: Any = instantiate(config.model, _convert_="all")(persons=751)
    model.log = model.log_dict = lambda *_, **__: None
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return torch.nn.Module.to(model, DEVICE, memory_format=layout).train()


def drawn(arguments: argparse.Namespace) -> Batch:
    """P × K images: fields of colour, other ones for each person, under noise."""
    generator = torch.Generator().manual_seed(1)
    count, size = arguments.persons * arguments.images, (arguments.height, arguments.width)
    fields = torch.rand(arguments.persons, 3, 8, 4, generator=generator).repeat_interleave(arguments.images, 0)
    noise = torch.rand(count, 3, *size, generator=generator)
    image = 0.7 * torch.nn.functional.interpolate(fields, size) + 0.3 * noise
    index = torch.arange(count, device=DEVICE)
    return Batch(image.to(DEVICE), index // arguments.images, index % 2, index)


def peak() -> float:
    """The most memory so far, in bytes."""
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident() -> float:
    """The memory now, in bytes."""
    if DEVICE == "cuda":
        return torch.cuda.memory_allocated()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def backward(model: Supervised, batch: Batch, *, bfloat16: bool) -> Tensor:
    """The loss of a step, whose gradient is computed."""
    with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
        loss = model.training_step(batch, 0)
    loss.backward()
    return loss.detach()


def measure(name: str, arguments: argparse.Namespace) -> None:
    """A row of the table."""
    way = WAYS[name]
    model, batch = built(arguments, channels_last=way.get("channels_last", True)), drawn(arguments)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3.5e-4)
    for value in model.parameters():  # gradients and the optimizer's moments are there before the first step, too
        value.grad = torch.zeros_like(value)
    optimizer.step()
    before, seconds = resident(), []
    chunk = arguments.chunk if way.get("chunk") else None
    with model.saving_memory(chunk=chunk, checkpointing=way.get("checkpointing", False)):
        for _ in range(1 + arguments.steps):
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=False)
            loss = backward(model, batch, bfloat16=way.get("bfloat16", False))
            optimizer.step()
            loss.item()
            seconds.append(time.perf_counter() - start)
    above, whole = (peak() - before) / GIGABYTE, peak() / GIGABYTE
    print(f"| {name} | {above:.2f} | {whole:.2f} | {statistics.median(seconds[1:]):.1f} |", flush=True)


def gradients(arguments: argparse.Namespace) -> None:
    """How far gradients lie from each other: the first of each row from the second."""
    model, batch = built(arguments), drawn(arguments)
    count = math.ceil(len(batch.image) / arguments.chunk)
    places = torch.arange(len(batch.image), device=DEVICE)
    every = [places[first::count] for first in range(count)]  # as trainer=low_memory cuts a batch

    def found(chunks: Sequence[Tensor] | None, *, bfloat16: bool = False, two_passes: bool = False) -> Tensor:
        one = copy.deepcopy(model)
        if chunks is not None and not two_passes:
            cut = [batch.image[chunk].contiguous(memory_format=torch.channels_last) for chunk in chunks]
            back = torch.cat([*chunks]).argsort()
            vars(one)["by_chunks"] = lambda _: (torch.cat([one.trunk(chunk)[0] for chunk in cut])[back],)
        with one.saving_memory(chunk=arguments.chunk if two_passes else None, checkpointing=two_passes):
            backward(one, batch, bfloat16=bfloat16)
        return flat(one)

    print("| gradient | beside that of | ‖g − g₀‖ / ‖g₀‖ | cosine |\n|---|---|---|---|", flush=True)
    two, rounded = (found(every, bfloat16=bfloat16, two_passes=True) for bfloat16 in (False, True))
    row("float32, two passes", "the same chunks, all activations kept", two, found(every))
    row("bfloat16, two passes", "the same chunks, all activations kept", rounded, found(every, bfloat16=True))
    row("bfloat16, two passes", "float32, two passes", rounded, two)
    whole = found(None)
    row("bfloat16, one pass", "float32, one pass", found(None, bfloat16=True), whole)
    row("float32, two passes", "float32, one pass: batch norms see all images", two, whole)
    row("float32, chunks of neighbours", "float32, one pass", found(places.split(arguments.chunk)), whole)


def row(name: str, other: str, found: Tensor, expected: Tensor) -> None:
    """A row of the table of gradients."""
    relative = (found - expected).norm() / expected.norm()
    cosine = torch.cosine_similarity(found, expected, dim=0)
    print(f"| {name} | {other} | {relative:.1e} | {cosine:.4f} |", flush=True)


def flat(model: Supervised) -> Tensor:
    """The gradient as one vector, in float64."""
    return torch.cat([p.grad.double().flatten() for p in model.parameters() if p.grad is not None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--weights", default="none", help="of the backbone, such as imagenet")
    for name, default in (("persons", 16), ("images", 4), ("height", 256), ("width", 128), ("chunk", 16), ("steps", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=WAYS)
    parser.add_argument("--gradients", action="store_true")
    arguments = parser.parse_args()
    if arguments.only:
        measure(arguments.only, arguments)
    elif arguments.gradients:
        gradients(arguments)
    else:
        processor = torch.backends.cpu.get_cpu_capability()
        print(f"{DEVICE}, {torch.get_num_threads()} threads, torch {torch.__version__}, {processor}")
        print("| way | peak of a step, GB | peak in all, GB | s a step |\n|---|---|---|---|", flush=True)
        for name in WAYS:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", name], check=True)


if __name__ == "__main__":
    main()
