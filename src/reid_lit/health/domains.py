"""The images that an adaptation is watched on: some of the source's and of the target's training images."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.decode import decode_shots
from reid_lit.files.access import is_file
from reid_lit.records import JUNK, Shot, absolute
from reid_lit.run.lineage import lineage_of
from reid_lit.wording import counted

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedImages:
    """Images of a source or of a target, without their persons.

    Attributes:
        image: On the CPU.
        camera: As in training; None for images that are not trained on.
    """

    image: UInt8[Tensor, "images 3 height width"]
    camera: Int64[Tensor, " images"] | None


def earlier_images(weights: str | None, *, images: int, seed: int) -> list[str]:
    """Some of the images whose persons an earlier run has learnt; none if it kept no list.

    Args:
        weights: The run that training starts from, or its checkpoint; None: it starts from none.
        images: At most.
        seed: Of the choice.
    """
    if weights is None:
        return []
    paths = sorted(lineage_of(weights).labelled)
    return [paths[k] for k in _draw(len(paths), images, seed)]


def watched_images(data: ReidData, earlier: Sequence[str], *, images: int, seed: int) -> dict[str, WatchedImages]:
    """Images of ``source`` and of ``target``, always the same ones.

    Data of two domains have both. Other data are the target, and the source is what an earlier run was trained on;
    where these are the same images, they are the source, and there is no target yet.

    Args:
        data: The training data.
        earlier: Images of an earlier run, as :func:`earlier_images` gives them.
        images: Of each domain, at most.
        seed: Of the choice.
    """
    shots = data.split.train
    domains: dict[str, Sequence[Shot]] = {"target": shots}
    if data.two_domains:
        domains = {
            "source": [shot for shot in shots if shot.person_id != JUNK],
            "target": [shot for shot in shots if shot.person_id == JUNK],
        }
        earlier = ()
    elif absolute(shots) & set(earlier):
        domains, earlier = {"source": shots}, ()
    watched = _of_earlier_run([Path(path) for path in earlier], data)
    for name, listed in domains.items():
        chosen = [listed[place] for place in _draw(len(listed), images, seed)]
        camera = torch.tensor([shot.camera_id for shot in chosen])
        unnamed = [Shot(shot.path, JUNK, shot.camera_id, shot.value_range) for shot in chosen]
        watched[name] = WatchedImages(image=_read(unnamed, data), camera=camera)
    return watched


def _draw(count: int, images: int, seed: int) -> list[int]:
    """At most ``images`` of ``count`` positions, rising."""
    return sorted(random.Random(f"health {seed}").sample(range(count), min(images, count)))


def _of_earlier_run(paths: Sequence[Path], data: ReidData) -> dict[str, WatchedImages]:
    """The source of an earlier run; empty without one, or where its images are gone."""
    missing = [path for path in paths if not is_file(path)]
    if missing:
        _log.warning(
            "health: %s gone, such as %s: the domains are not compared",
            counted(len(missing), "image of the source is", "images of the source are"),
            missing[0],
        )
    value_range = next((shot.value_range for shot in data.split.train), None)  # of the source nothing else is kept
    shots = [Shot(path, JUNK, 0, value_range) for path in paths]
    return {} if missing or not paths else {"source": WatchedImages(image=_read(shots, data), camera=None)}


def _read(shots: Sequence[Shot], data: ReidData) -> UInt8[Tensor, "images 3 height width"]:
    return decode_shots(shots, size=data.transform.size, interpolation=data.transform.interpolation)
