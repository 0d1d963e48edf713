"""The images by which an adaptation is watched: some of the source's and of the target's training images."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.decode import decode_batch
from reid_lit.data.sets.transfer import Transfer
from reid_lit.records import JUNK, absolute
from reid_lit.run.lineage import lineage_of
from reid_lit.wording import counted

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Images of a source or of a target; whose persons they show is not kept.

    Attributes:
        image: On the CPU.
        camera: As in training; None of images that are not trained on.
    """

    image: UInt8[Tensor, "images 3 height width"]
    camera: Int64[Tensor, " images"] | None


def trained_before(weights: str | None, *, images: int, seed: int) -> list[str]:
    """Some of the images whose persons an earlier run has learnt; none where it kept no list.

    Args:
        weights: The run, or its checkpoint, from which a model goes on; None where it goes on from none.
        images: At most.
        seed: Of the choice.
    """
    if weights is None:
        return []
    paths = sorted(lineage_of(weights).labelled)
    return [paths[k] for k in _draw(len(paths), images, seed)]


def looked_at(data: ReidData, before: Sequence[str], *, images: int, seed: int) -> dict[str, Domain]:
    """Images of ``source`` and of ``target``, always the same ones.

    A transfer has both. Other data are the target, and the source is what was trained on before; where these are the
    same images, they are the source, and there is no target yet.

    Args:
        data: What is trained on.
        before: Images that the model was trained on before, as :func:`trained_before` gives them.
        images: Of each domain, at most.
        seed: Of the choice.
    """
    shots = data.split.train
    own: dict[str, Sequence[int]] = {"target": range(len(shots))}
    if isinstance(data, Transfer):
        own = {
            "source": [place for place, shot in enumerate(shots) if shot.person_id != JUNK],
            "target": [place for place, shot in enumerate(shots) if shot.person_id == JUNK],
        }
        before = ()
    elif absolute(shots) & set(before):
        own, before = {"source": own["target"]}, ()
    found = {}
    for name, places in own.items():
        chosen = [shots[places[k]] for k in _draw(len(places), images, seed)]
        camera = torch.tensor([shot.camera_id for shot in chosen])
        found[name] = Domain(image=_read([shot.path for shot in chosen], data), camera=camera)
    return _of_before([Path(path) for path in before], data) | found


def _draw(count: int, images: int, seed: int) -> list[int]:
    """At most ``images`` of ``count`` positions, rising."""
    return sorted(random.Random(f"health {seed}").sample(range(count), min(images, count)))


def _of_before(paths: Sequence[Path], data: ReidData) -> dict[str, Domain]:
    """The source of an earlier run; nothing where there was none, or its images are gone."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        _log.warning(
            "health: %s gone, such as %s: the domains are not compared",
            counted(len(missing), "image of the source is", "images of the source are"),
            missing[0],
        )
    return {} if missing or not paths else {"source": Domain(image=_read(paths, data), camera=None)}


def _read(paths: Sequence[Path], data: ReidData) -> UInt8[Tensor, "images 3 height width"]:
    return decode_batch(paths, size=data.transform.size, interpolation=data.transform.interpolation)
