"""The gate of every backbone in every format, and of every model of parts: small images, random weights.

``python scripts/try_exports.py`` prints a row for each backbone and model; ``--only resnet50 pcb`` some of them. A cell
is the least cosine over batches of 1, 3 and 8, or the line that says why the file is not written. Weights are random
and the statistics of batch norms those of the images, so that a feature depends on its image.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hydra
import torch
from hydra.utils import instantiate
from torch import nn

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit.errors import UserError
from reid_lit.export.formats import FORMATS, as_openvino, runner, written
from reid_lit.export.gate import Promise, compared
from reid_lit.export.graph import Graph, Input
from reid_lit.paths import options, packaged
from reid_lit.testing.embedder import Embedder

SIZE = (96, 32)
"""Of the images: six rows of a map with a last stride of 1, which PCB cuts."""
PARTS = {
    "pcb": ("+experiment=market_pcb", "backbone=resnet18_scratch"),
    "pcb_rpp": ("+experiment=market_pcb_rpp", "backbone=resnet18_scratch"),
    "mgn": ("+experiment=market_mgn", "backbone=resnet18_scratch"),
    "alignedreid": ("+experiment=market_alignedreid", "backbone=resnet18_scratch"),
}
TIMM = "mobilenetv3_small_100"
"""The network of ``backbone=timm``, which takes any name."""


def embedders(only: list[str]) -> Iterator[tuple[str, Embedder]]:
    """Each backbone under the strong baseline, then each model of parts, by name."""
    words = {name: ("+experiment=market_strong", f"backbone={name}") for name in options("backbone")}
    words["timm"] = (*words["timm"], f"backbone.name={TIMM}")
    for name, chosen in (words | PARTS).items():
        if only and name not in only:
            continue
        torch.manual_seed(0)
        size = f"transform.size=[{SIZE[0]},{SIZE[1]}]"
        config = hydra.compose("train", overrides=[*chosen, size, "backbone.weights=none"])
        model = instantiate(config.model, _convert_="all")(persons=4)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = None  # the mean over the batches seen
        with torch.no_grad():
            model.train()(images(16, seed=1) / 255)
        transform = instantiate(config.transform, _convert_="all")
        yield name, Embedder(model=model, transform=transform, batch_size=24, precision="32-true").of_whole_images()


def images(count: int, *, seed: int) -> torch.Tensor:
    """Coloured clouds, 0 … 255."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 3, 12, 4), generator=generator).float()
    return nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 255).round()


def cell(ours: Embedder, kind: str, folder: Path) -> str:
    """The gate of one file, or why there is none."""
    path = folder / f"file{FORMATS[kind]}"
    try:
        if kind == "openvino" and path.with_suffix(".onnx").is_file():
            as_openvino(path.with_suffix(".onnx"), path, halved=False)  # as it is made, without writing ONNX again
        else:
            written(Graph(ours, unit_length=True), kind, path)
    except UserError as error:
        return str(error)
    promise = Promise(input=Input(size=SIZE), unit_length=True, batch=None, precision="fp32", weights=ours.origin.model)
    figures = compared(runner(path, threads=1), promise, ours, images(24, seed=2).byte().numpy())
    broken = [str(figure) for figure in figures if not figure.holds]
    if broken:
        return "; ".join(broken)
    return f"{min(figure.value for figure in figures if figure.at_least and figure.value is not None):.7f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="backbones and models")
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=list(FORMATS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| model | dim | spread | {' | '.join(given.formats)} | seconds |")
    print("|---" * (len(given.formats) + 4) + "|")
    with (
        hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"),
        tempfile.TemporaryDirectory() as folder,
    ):
        for name, ours in embedders(given.only):
            start = time.perf_counter()
            features = ours(list(images(24, seed=2).byte().permute(0, 2, 3, 1).numpy()), color="rgb", normalize=True)
            spread = float((features @ features.T).min())  # 1 would let any file through
            Path(folder, "file.onnx").unlink(missing_ok=True)
            cells = [cell(ours, kind, Path(folder)) for kind in given.formats]
            seconds = time.perf_counter() - start
            print(f"| {name} | {features.shape[1]} | {spread:.2f} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
