"""A folder that Roboflow's ``reid`` loads: a network of timm by its name, and its weights.

Its loader builds the network and knows no neck, no pooling but timm's, no stride but the network's own, and no mirror
image. A model that needs one of them is refused: its features would differ in silence.
"""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file, save_file

from reid_lit.backbones.timm import Maps
from reid_lit.errors import InputError
from reid_lit.export.graph import Graph, Input
from reid_lit.testing.embedder import Embedder

CONFIG = "reid_config.json"
_SAME = 0.9999
"""The least cosine of the network's features to the run's."""


def without_views(embedder: Embedder) -> Embedder:
    """A copy that embeds the image alone, neither its mirror image nor crops of it."""
    copied = copy.deepcopy(embedder)
    copied.model.evaluation = dataclasses.replace(embedder.model.evaluation, flip=False, crops=None)
    return copied


def normalised_input(embedder: Embedder) -> Input:
    """What Roboflow's loader makes of crops: RGB, normalised as the weights were trained."""
    mean, std = (each.flatten().tolist() for each in (embedder.model.backbone.mean, embedder.model.backbone.std))
    divisor = (1 / std[0], 1 / std[1], 1 / std[2])
    return Input(size=embedder.transform.test_size, divisor=divisor, shift=(mean[0], mean[1], mean[2]))


def write_weights(graph: Graph, _: str, path: Path, *, precision: str, batch: int | None, **__: Any) -> list[Path]:
    """Write ``weights.safetensors``; called as :func:`reid_lit.export.formats.written` is.

    Raises:
        ValueError: a precision or a number of images is asked for, or the backbone is no network of timm.
    """
    for key, value, only in (("precision", precision, "fp32"), ("batch", batch, None)):
        if value != only:
            raise InputError(f"{key}={value}: preset=roboflow holds weights alone, in fp32; leave it out")
    state = {name: value.detach().contiguous() for name, value in _network(graph).state_dict().items()}
    save_file(state, path)
    return [path]


def write_config(path: Path, graph: Graph, embedder: Embedder) -> list[Path]:
    """Write ``reid_config.json`` beside the weights.

    Raises:
        ValueError: the features are not those of a network of timm alone.
    """
    images = graph.input
    content = {
        "architecture": f"timm:{_network(graph).pretrained_cfg['architecture']}",
        "preprocessing": {
            "input_size": list(images.size),
            "mean": list(images.shift),
            "std": [1 / each for each in images.divisor],
            "interpolation": embedder.transform.interpolation,
            "to_rgb": True,
            "resize_mode": "stretch",
            "pad_value": 114,
        },
    }
    file = path.with_name(CONFIG)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _check_same(graph, path)
    return [file]


def named_network(path: Path) -> Any:
    """The network of a file of weights as the loader builds it: by the name beside it, with every weight.

    Raises:
        RuntimeError: the weights are those of another network.
    """
    content = json.loads(path.with_name(CONFIG).read_text(encoding="utf-8"))
    network = timm.create_model(content["architecture"].removeprefix("timm:"), pretrained=False, num_classes=0)
    network.load_state_dict(load_file(path))
    return network.eval()


def _network(graph: Graph) -> Any:
    """The network of timm in a model.

    Raises:
        ValueError: the backbone is none.
    """
    body = graph.model.backbone.body
    if not isinstance(body, Maps):
        raise InputError(f"preset=roboflow: its loader knows timm's networks, and this backbone is none; {_INSTEAD}")
    return body.model


@torch.no_grad()
def _check_same(graph: Graph, path: Path) -> None:
    """Raise InputError unless the network alone gives the features of the model.

    Raises:
        ValueError: it does not, or cannot be built by its name.
    """
    images = torch.randn(2, 3, *graph.input.size, generator=torch.Generator().manual_seed(0))
    expected = graph(images)
    try:
        found = named_network(path)(images)
    except RuntimeError as error:  # weights of other names or shapes
        found, reason = expected, str(error).partition("\n")[0]
    else:
        reason = f"{found.shape[1]} numbers instead of {expected.shape[1]}" if found.shape != expected.shape else ""
    if not reason:
        cosine = torch.cosine_similarity(found, expected).min().item()
        reason = f"a cosine of {cosine:.4f} to the run's" if cosine < _SAME else ""
    if reason:
        raise InputError(
            f"preset=roboflow: its loader builds timm's network with its own stride and pooling and without a neck,"
            f" which is not this run's ({reason}); train with backbone.last_stride=2 neck=neck3, or {_INSTEAD}"
        )


_INSTEAD = "give preset=supervision, whose embedder has the same extract_embeddings(detections, frame)"
