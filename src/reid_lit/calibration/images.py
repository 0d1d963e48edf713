"""The labelled images of a data set that a run has not learnt from, embedded."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64, Int64
from omegaconf import DictConfig
from torch import Tensor
from torch.nn import functional as F

from reid_lit.calibration.labelled import Labelled
from reid_lit.data.families import shown_among
from reid_lit.errors import InputError
from reid_lit.records import JUNK, Shot, Split, absolute
from reid_lit.run.datasets import make_data, split_ids
from reid_lit.run.lineage import read_lineage
from reid_lit.run.machine import make_trainer
from reid_lit.run.split_rounds import trained_run
from reid_lit.testing.inference import embedded, provenance_of
from reid_lit.testing.provenance import Provenance
from reid_lit.testing.tests import trained_model
from reid_lit.testing.unseen import learnt_images
from reid_lit.wording import counted

PAIRS = ("auto", "across", "all")


@dataclass(frozen=True, kw_only=True)
class Known:
    """Images that a calibration may use.

    Attributes:
        shots: The images.
        notes: What was left out, in words.
    """

    shots: tuple[Shot, ...]
    notes: tuple[str, ...]


def known_images(split: Split, learnt: frozenset[str], *, root: Path) -> Known:
    """The images of a data set whose persons are known, and which weights have not learnt from.

    A person of a gallery that no query asks for may be several (Market-1501's ``0000``), and is left out.

    Args:
        split: The lists of the data set.
        learnt: Absolute paths of the images that the weights have learnt from.
        root: The folder of the data set, for messages.

    Raises:
        ValueError: an image of a test was learnt from, or nobody is left.
    """
    tests = [replace(test, train=split.train) for test in split.tested]
    tested = tuple(shot for test in tests for shot in (*test.query, *test.gallery))
    seen = sorted({name for test in tests for name in learnt_images(test, learnt)[0]})
    if seen:
        raise InputError(
            f"{split.name} has {counted(len(seen), 'image that the run has', 'images that the run has')} learnt from,"
            f" such as {seen[0]}: scores of them say nothing of other persons; give images of persons that it has not"
            f" seen"
        )
    notes = []
    train = split.train
    if train and shown_among(absolute(train), learnt)[0]:
        notes.append(f"{len(train):,} images of the training list are left out: the run has learnt from it")
        train = ()
    asked = {shot.person_id for test in split.tested for shot in test.query} | {shot.person_id for shot in train}
    every = tuple(dict.fromkeys((*train, *tested)))
    shots = tuple(shot for shot in every if shot.person_id in asked and shot.person_id != JUNK)
    if len(shots) < len(every):
        notes.append(f"{len(every) - len(shots):,} images of persons that no query shows, and junk, are left out")
    if not shots:
        raise InputError(
            f"{split.name} at {root.resolve()} has no images of known persons that the run has not learnt from;"
            f" give labelled images of other persons (dataset=folder, dataset=csv, or a data set of re-identification)"
        )
    return Known(shots=shots, notes=tuple(notes))


def _times(shots: Sequence[Shot]) -> tuple[Int64[Tensor, " shots"], Float64[Tensor, " shots"]]:
    """The number of the clock of each image, -1 where its time is not known; and the seconds on it."""
    names = sorted({shot.taken.clock for shot in shots if shot.taken})
    numbers = {name: number for number, name in enumerate(names)}
    clock = [numbers[shot.taken.clock] if shot.taken else -1 for shot in shots]
    seconds = [shot.taken.seconds if shot.taken else 0.0 for shot in shots]
    return torch.tensor(clock), torch.tensor(seconds, dtype=torch.float64)


def labelled_images(config: DictConfig) -> tuple[Labelled, Provenance, dict[str, Any]]:
    """The images of ``config.dataset`` as the weights of ``config.run`` embed them, how, and what is said of them.

    Raises:
        ValueError: see :func:`known_images`; ``config.pairs`` is an unknown word, or ``config.dataset`` stands for
            several splits.
    """
    if config.pairs not in PAIRS:
        raise InputError(f"pairs={config.pairs}: give one of {', '.join(PAIRS)}")
    if (ids := split_ids(config)) is not None:
        raise InputError(
            f"dataset.split_id={config.dataset.split_id}: each split has weights of its own, and a calibration is of"
            f" one model; choose one split, such as dataset.split_id={ids[0]}"
        )
    run = trained_run(config)
    data = make_data(config)
    data.prepare_data()
    data.setup("test")
    known = known_images(data.split, read_lineage(run.folder).trained, root=data.root)
    model = trained_model(config, run)
    model.leave_out_stripes()  # a score is the cosine of two vectors
    trainer = make_trainer(config)
    view = copy.copy(data)
    view.split = replace(data.split, query=(), gallery=known.shots, train=(), tests=(), validation=None)
    embedding = embedded(trainer, model, view)
    person = torch.tensor([shot.person_id for shot in known.shots])
    camera = torch.tensor([shot.camera_id for shot in known.shots])
    cameras = len(camera.unique())
    across = config.pairs == "across" or (config.pairs == "auto" and cameras > 1)
    clock, seconds = _times(known.shots)
    images = Labelled(
        embedding=F.normalize(embedding.float()),
        person=person,
        camera=camera,
        across=across,
        clock=clock,
        seconds=seconds,
    )
    facts = {
        "name": data.split.name,
        "kind": list(data.split.kind),
        "images": len(known.shots),
        "cameras": cameras,
        "pairs": "of two cameras" if across else "all",
        "notes": list(known.notes),
    }
    return images, provenance_of(model, data.transform, str(trainer.precision)), facts
