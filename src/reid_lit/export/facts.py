"""What a file says of itself: how it is used, how well it does, what it learnt from and by which terms."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reid_lit.cards.card import card_of
from reid_lit.errors import InputError, UserError
from reid_lit.export.gate import Figure, Promise
from reid_lit.export.graph import Graph, Input
from reid_lit.testing.embedder import Embedder

FORMAT, VERSION = "reid_lit export", 1
_PACKAGES = {
    "onnx": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "openvino": ("torch", "onnx", "onnxscript", "openvino"),
    "torchscript": ("torch",),
    "torch_export": ("torch",),
    "timm": ("torch", "timm", "safetensors"),
}


def use_of(graph: Graph, embedder: Embedder, dimension: int, *, batch: int | None) -> dict[str, Any]:
    """How a file is used: what it takes, what it does inside, what it gives."""
    origin, given = embedder.origin, graph.input
    return {
        "input": {
            "layout": "batch, channel, row, column",
            "size": list(given.size),
            "color": given.color,
            "dtype": given.dtype,
            "divisor": list(given.divisor),
            "shift": list(given.shift),
            "batch": batch,
            "interpolation": origin.interpolation,
        },
        "inside": {
            "size": list(origin.size),
            "mean": [round(value, 6) for value in origin.mean],
            "deviation": [round(value, 6) for value in origin.std],
            "flip": origin.flip,
            "crops": list(origin.crops) if origin.crops else None,
        },
        "output": {
            "feature": origin.feature,
            "dimension": dimension,
            "unit_length": graph.unit_length,
            "distance": embedder.model.evaluation.distance,
        },
        "weights": {"sha256": origin.model},
    }


def promise_of(content: Mapping[str, Any]) -> Promise:
    """The promise of the content of a file's JSON.

    Raises:
        ValueError: it is no export of this version.
    """
    try:
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise InputError(f"no export of this version ({content['format']} {content['version']}); export it anew")
        given = content["input"]
        return Promise(
            input=Input(
                size=(given["size"][0], given["size"][1]),
                color=given["color"],
                divisor=tuple(given["divisor"]),
                shift=tuple(given["shift"]),
                dtype=given["dtype"],
            ),
            unit_length=content["output"]["unit_length"],
            batch=given["batch"],
            precision=content["precision"],
            weights=content["weights"]["sha256"],
        )
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"no export of reid_lit: {error} is missing or another thing; export it anew") from error


def made_by(format: str, precision: str, opset: int | None) -> dict[str, Any]:  # noqa: A002
    """By what a file was made."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES[format]}
    made = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"format": FORMAT, "version": VERSION, "made": made, "file_format": format, "precision": precision}
    return head | {"opset": opset, "packages": versions}


def history_of(folder: Path | None, *, licence: str | None, contact: str | None) -> dict[str, Any]:
    """What a run learnt from and by which terms, its scores and their protocols, and the licence of its weights.

    Args:
        folder: Of the run; None: the weights come without one.
        licence: By which the weights are given; None: as the run's card says it.
        contact: Who answers for the model; None: likewise.
    """
    said: dict[str, Any] = {"licence": licence, "contact": contact}
    if folder is None:
        return {"model": None, "said": said, "scores": [], "data": [], "note": "weights without a run"}
    try:
        card = card_of(folder).content
    except UserError as error:
        return {"model": None, "said": said, "scores": [], "data": [], "note": str(error)}
    kept = card["said"]
    said = {key: value or kept.get(key) for key, value in said.items()}
    scores = [
        {
            "test": test["dataset"],
            "folder": test["folder"],
            "scores": {key: test["scores"][key] for key in ("rank1", "mAP") if key in test["scores"]},
            "protocol": test.get("stamp", {}),
        }
        for test in card["tests"]
    ]
    data = [{key: entry[key] for key in ("title", "roles", "status", "terms", "note")} for entry in card["data"]]
    return {
        "model": {"name": card["name"]} | dict(card["model"]),
        "said": said,
        "scores": scores,
        "data": data,
        "note": None,
    }


def gated(figures: Sequence[Figure], not_tested: str | None) -> dict[str, Any]:
    """What the gate has measured, each figure with its limit; ``scores`` says where they were not tested, and why."""
    listed = [
        {"figure": figure.name, "value": figure.value, "at least" if figure.at_least else "at most": figure.limit}
        for figure in figures
    ]
    return {"gate": {"figures": listed, "scores": "tested" if not_tested is None else f"not tested: {not_tested}"}}
