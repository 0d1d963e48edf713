"""Images/s of torch and of exported graphs on a CPU: ``python scripts/bench_export.py``.

Random weights and drawn images: nothing but the speed is measured. All ways of a network take turns, of each the
fastest counts. ``int8`` is quantised by drawn images. ``torch.compile`` is torch's default compiler; its first
pass, which compiles, is timed apart. OMP_WAIT_POLICY=passive helps where other work runs beside.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from reid_lit.export.formats import FORMATS, runner, written
from reid_lit.export.graph import Graph, Input
from reid_lit.memory import keep_freed_memory
from reid_lit.testing.embedder import Embedder

NETWORKS = ("resnet50", "efficientnet_lite0", "osnet_x1_0")
CONF = Path(__file__).resolve().parents[1] / "conf"
FLAGS = {"bf16": "avx512_bf16", "VNNI": "avx512_vnni", "AMX": "amx_tile"}
"""Instruction sets as /proc/cpuinfo calls them."""


def embedder(network: str, size: tuple[int, int]) -> Embedder:
    """A model with random weights."""
    torch.manual_seed(0)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"backbone={network}", "backbone.weights=none", f"transform.size={list(size)}"])
    model = instantiate(config.model, _convert_="all")(persons=2)
    transform = instantiate(config.transform, _convert_="all")
    return Embedder(model=model, transform=transform, batch_size=32, precision="32-true").of_whole_images()


def ways(
    made: Embedder, values: np.ndarray, folder: Path, *, compiled: bool
) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Each way to embed the batch: what computes, its precision, a call."""
    images = torch.from_numpy(values).contiguous(memory_format=torch.channels_last)
    yield "torch, eager", "fp32", lambda: made.model.embed(images)

    def autocast() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return made.model.embed(images)

    yield "torch, eager", "bf16", autocast
    if compiled:
        faster = torch.compile(made.model.embed)
        yield "torch.compile", "fp32", lambda: faster(images)
    graph = Graph(made, images=Input(size=made.transform.test_size, divisor=(1.0, 1.0, 1.0)), unit_length=False)
    ranges = [np.random.default_rng(k).random((8, *values.shape[1:]), dtype=np.float32) for k in range(4)]
    for runtime in ("onnx", "openvino"):
        for precision in ("fp32", "int8"):
            file = folder / f"{precision}{FORMATS[runtime]}"
            written(graph, runtime, file, precision=precision, calibration=ranges)
            run = runner(file, threads=torch.get_num_threads())
            yield {"onnx": "onnxruntime", "openvino": "OpenVINO"}[runtime], precision, lambda run=run: run(values)


def machine() -> str:
    """The processor and which of the instruction sets it has."""
    text = Path("/proc/cpuinfo").read_text()
    name = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "?")
    flags = set(next((line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")), "").split())
    sets = ", ".join(f"{what} {'yes' if flag in flags else 'no'}" for what, flag in FLAGS.items())
    return f"{torch.get_num_threads()} threads of {name}; {sets}; torch {torch.__version__}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help="options of backbone=")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 128), help="height and width")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out; it compiles for a minute")
    asked = parser.parse_args()
    keep_freed_memory()  # as every command does
    print(f"{machine()}; {asked.batch} images of {asked.size[0]}×{asked.size[1]} at once")
    print("| network | by | precision | images/s | × torch, eager | first pass, s |\n|---|---|---|---|---|---|")
    for network in asked.networks:
        measure(network, asked)


@torch.no_grad()
def measure(network: str, asked: argparse.Namespace) -> None:
    """The rows of a network."""
    made = embedder(network, tuple(asked.size))
    values = np.random.default_rng(0).random((asked.batch, 3, *asked.size), dtype=np.float32)
    first: dict[tuple[str, str], float] = {}
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for by, precision, call in ways(made, values, Path(folder), compiled=not asked.no_compile):
            start = time.perf_counter()
            call()
            first[by, precision], calls[by, precision] = time.perf_counter() - start, call
        seconds: dict[tuple[str, str], list[float]] = {way: [] for way in calls}
        for _ in range(asked.turns):
            for way, call in calls.items():
                start = time.perf_counter()
                call()
                seconds[way].append(time.perf_counter() - start)
    usual = min(seconds["torch, eager", "fp32"])
    for way, took in seconds.items():
        rate, ratio = asked.batch / min(took), usual / min(took)
        print(f"| {network} | {way[0]} | {way[1]} | {rate:.1f} | {ratio:.2f} | {first[way]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
