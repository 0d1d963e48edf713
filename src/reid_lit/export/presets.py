"""What other programs want of a model's file: one row each, see ``docs/export.md``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from reid_lit.errors import InputError
from reid_lit.export.exporting import Wanted
from reid_lit.export.formats import NAMES
from reid_lit.export.graph import Graph, Input
from reid_lit.export.preset_files import NET_SCALE_FACTOR, boxmot_metadata, copied_embedder, deepstream_config
from reid_lit.export.preset_graphs import EnlargedGraph, FoldedGraph
from reid_lit.export.roboflow import normalised_input, without_views, write_config, write_weights
from reid_lit.testing.embedder import Embedder

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""Mean and standard deviation of ImageNet, for red, green, blue in [0, 1]; BoxMOT has no others."""


def _as_ours(embedder: Embedder) -> Input:
    return Input(size=embedder.transform.test_size)


def _boxmot(_: Embedder) -> Input:
    red, green, blue = _IMAGENET["std"]
    return Input(size=(256, 128), divisor=(1 / red, 1 / green, 1 / blue), shift=_IMAGENET["mean"])


def _square(embedder: Embedder) -> Input:
    side = max(embedder.transform.test_size)
    return Input(size=(side, side), divisor=(1.0, 1.0, 1.0))


def _deepstream(embedder: Embedder) -> Input:
    red, green, blue = embedder.model.backbone.mean.flatten().tolist()
    scaled = 255 * NET_SCALE_FACTOR
    return Input(size=embedder.transform.test_size, divisor=(scaled, scaled, scaled), shift=(red, green, blue))


def _openvino(embedder: Embedder) -> Input:
    return Input(size=embedder.transform.test_size, color="bgr")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A consumer of models.

    Attributes:
        format: Of the file.
        file: Its name.
        names: Of input and output.
        images: What the consumer makes of crops of a model.
        unit_length: Whether each feature has length 1.
        graph: Makes the graph.
        model: The model as the consumer can have it.
        write: Writes the file, and ``beside`` what the consumer reads beside it, see
            :class:`reid_lit.export.exporting.Wanted`.
    """

    format: str = "onnx"
    file: str = "reid_lit.onnx"
    names: tuple[str, str] = NAMES
    images: Callable[[Embedder], Input]
    unit_length: bool = True
    graph: type[Graph] = EnlargedGraph
    model: Callable[[Embedder], Embedder] = lambda embedder: embedder
    write: Callable[..., list[Path]] | None = None
    beside: Callable[[Path, Graph, Embedder], list[Path]] = lambda *_: []


PRESETS = {
    "boxmot": Preset(
        file="osnet_x0_25_reid_lit.onnx",  # before release 25 BoxMOT takes the name of a network from the file's
        names=("images", "output0"),
        images=_boxmot,
        beside=boxmot_metadata,
    ),
    "ultralytics": Preset(names=("images", "output0"), images=_square),
    "deepstream": Preset(images=_deepstream, graph=FoldedGraph, beside=deepstream_config),
    "openvino": Preset(format="openvino", file="reid_lit.xml", names=("data", "reid_embedding"), images=_openvino),
    "roboflow": Preset(
        format="timm",
        file="weights.safetensors",
        images=normalised_input,
        unit_length=False,
        graph=Graph,
        model=without_views,
        write=write_weights,
        beside=write_config,
    ),
    "fiftyone": Preset(images=_as_ours, beside=copied_embedder),
    "supervision": Preset(images=_as_ours, beside=copied_embedder),
}

_DECIDED = {"format": "onnx", "color": "rgb", "range": 255, "dtype": "float32", "unit_length": False}
"""The keys that a preset decides, and their values where none is given."""


def chosen(config: DictConfig) -> Preset | None:
    """The preset of a config; None: it has none.

    Raises:
        ValueError: it is none of these, or the config decides something that it decides.
    """
    if config.preset is None:
        if config.input_size is not None:
            raise InputError(f"input_size={config.input_size}: it is for preset=; leave it out")
        return None
    if config.preset not in PRESETS:
        raise InputError(f"preset={config.preset}: unknown; give one of {', '.join(PRESETS)}")
    if config.input_size not in (None, "own"):
        raise InputError(f"input_size={config.input_size}: give own (the run's size), or leave it out (the preset's)")
    preset = PRESETS[config.preset]
    for key, value in _DECIDED.items():
        if config[key] != value and (key, config[key]) != ("format", preset.format):
            raise InputError(f"{key}={config[key]}: preset={config.preset} decides it; leave one of them out")
    return preset


def wanted_by(preset: Preset, config: DictConfig, embedder: Embedder) -> Wanted:
    """What a preset asks for, in the precision, opset and number of images of a config."""
    images = preset.images(embedder)
    if config.input_size == "own":
        images = replace(images, size=embedder.transform.test_size)
    return Wanted(
        input=images,
        unit_length=preset.unit_length,
        format=preset.format,
        precision=config.precision,
        opset=config.opset,
        batch=config.batch,
        names=preset.names,
        graph=preset.graph,
        write=preset.write,
        beside=preset.beside,
    )
