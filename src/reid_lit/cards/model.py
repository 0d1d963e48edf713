"""What a model is: what its config says, and what is measured by building it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reid_lit.backbones.checkpoint import weights_file
from reid_lit.cards.history import plain


def described(config: DictConfig) -> dict[str, Any]:
    """The parts of a model by the config of its run."""
    neck = OmegaConf.select(config, "model.neck._target_", default=None)
    loss = plain(OmegaConf.select(config, "model.criterion.terms", default=None))
    return {
        "kind": _name(OmegaConf.select(config, "model._target_", default=None)),
        "backbone": OmegaConf.select(config, "backbone.name", default=None),
        "pool": _name(OmegaConf.select(config, "model.pool._target_", default=None)),
        "neck": _name(neck),
        "losses": {name: term.get("weight") for name, term in loss.items() if isinstance(term, Mapping)},
        "image_size": list(OmegaConf.select(config, "transform.size", default=None) or []),
        "colours": "RGB",
        "distance": OmegaConf.select(config, "evaluation.distance", default=None),
    }


def _name(target: str | None) -> str | None:
    return target and target.rpartition(".")[2]


def measured(folder: Path, *, trust: bool) -> dict[str, Any]:
    """What only the model itself tells, built from its run: dimension, parameters, how images come in, hash of weights.

    Args:
        folder: Of the run.
        trust: Whether parts that are none of ours are built.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: it is damaged, or the run names parts that are none of ours.
    """
    import numpy as np

    from reid_lit.testing.load import load  # it imports torch, which a card is made without otherwise

    embedder = load(folder, device="cpu", precision="32-true", trust=trust)
    origin = embedder.origin
    blank = np.zeros((*origin.size, 3), dtype=np.uint8)
    return {
        "dimension": int(embedder(blank, color="rgb").shape[-1]),
        "parameters": sum(parameter.numel() for parameter in embedder.model.parameters()),
        "feature": origin.feature,
        "flip": origin.flip,
        "image_size": list(origin.size),
        "mean": [round(value, 6) for value in origin.mean],
        "std": [round(value, 6) for value in origin.std],
        "interpolation": origin.interpolation,
        "sha256": origin.model,
    }


def weights_of(folder: Path) -> dict[str, Any] | None:
    """The checkpoint of a run: name, bytes and SHA-256 of the file; None where there is none."""
    file = weights_file(folder)
    if not file.is_file():
        return None
    return {
        "file": file.relative_to(folder).as_posix(),
        "bytes": file.stat().st_size,
        "sha256": sha256(file),
    }


def sha256(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
