"""Several data sets trained on as one, and tested on one by one."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.fakes import refuse_fakes
from reid_lit.data.feeding.samplers import EpochSampler
from reid_lit.data.feeding.shares import SharesSampler
from reid_lit.data.feeding.switching import SwitchingSampler
from reid_lit.data.problems import Report, stop
from reid_lit.data.splits import refuse_held_out
from reid_lit.errors import InputError
from reid_lit.kinds import common
from reid_lit.records import JUNK, Rules, Shot, Split


def join(splits: Sequence[Split]) -> Split:
    """Join the training lists, without shared persons and cameras, and keep the tests of every set as they are.

    The training persons and cameras of a set are numbered after those of the sets before it. A camera rule that all
    sets prescribe is prescribed by the joint set, for persons that are held out of it.

    Raises:
        ValueError: fewer than two sets, or one of them twice.
    """
    names = [split.name for split in splits]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"members={names}: a joint data set needs two members or more, each once")
    train: list[Shot] = []
    notes: list[str] = []
    person = camera = 0
    for split in splits:
        train += [_moved(shot, person, camera) for shot in split.train]
        cameras = {shot.camera_id for shot in split.shots}
        notes.append(
            f"{split.name}: {len(split.train)} training images; persons from {person}, cameras from {camera + 1}"
        )
        notes += [f"{split.name}: {note}" for note in split.notes]
        person += 1 + max(shot.person_id for shot in split.shots)
        camera += 1 + max(cameras)
    tests = tuple(
        dataclasses.replace(test, train=(), average=split.average, kind=split.kind)
        for split in splits
        for test in split.tested
        if test.query
    )
    rules = {split.rules.camera_rule for split in splits}
    rule = rules.pop() if len(rules) == 1 else None
    joint = Split(
        name="_".join(names),
        train=tuple(train),
        query=(),
        gallery=(),
        notes=tuple(notes),
        rules=Rules(camera_rule=rule),
        tests=tests,
    )
    return dataclasses.replace(joint, kind=common(split.kind for split in splits))


def _moved(shot: Shot, person: int, camera: int) -> Shot:
    moved = shot.person_id if shot.person_id == JUNK else shot.person_id + person
    return dataclasses.replace(shot, person_id=moved, camera_id=shot.camera_id + camera)


@dataclass(kw_only=True, eq=False, repr=False)
class Joint(ReidData):
    """Several data sets at once.

    Args:
        members: The data sets; only their settings of what is read have an effect.
        switching: Whether each batch is of one member; see :class:`~reid_lit.data.feeding.switching.SwitchingSampler`.
        shares: The parts of each batch that are of each member, relative to each other; see
            :class:`~reid_lit.data.feeding.shares.SharesSampler`. None: a member comes as often as its images ask for.
    """

    root: Path = Path()
    members: Sequence[ReidData]
    switching: bool = False
    shares: Sequence[int] | None = None

    tests_by_training_cameras: ClassVar[bool] = False

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_fakes(self.fakes, *(member.fakes for member in self.members))
        held = (member.val_persons for member in self.members)
        refuse_held_out(
            *held, cure="set dataset.val_persons, which draws from the persons of all, and leave a member's out"
        )
        self._member_of: dict[Path, int] = {}
        if self.shares is not None and self.switching:
            raise InputError(
                f"shares={list(self.shares)}: with switching=true each batch is of one member; set switching=false, or"
                " shares=null"
            )

    @property
    @override
    def draws_by_member(self) -> bool:
        return self.switching

    @functools.cached_property
    @override
    def domains(self) -> Int[Tensor, " images"]:
        return torch.tensor([self._member_of[shot.path] for shot in self.split.train], dtype=torch.int64)

    @override
    def prepare_data(self) -> None:
        for member in self.members:
            member.prepare_data()

    @override
    def read(self, report: Report = stop) -> Split:
        return self._joined([member.listed(report) for member in self.members])

    @override
    def read_sound(self, on_bad_image: str) -> Split:
        return self._joined([member.read_sound(on_bad_image) for member in self.members])

    def _joined(self, splits: Sequence[Split]) -> Split:
        self._member_of = {shot.path: number for number, split in enumerate(splits) for shot in split.train}
        return join(splits)

    @override
    def _sampler(self, rank: int, world: int) -> EpochSampler:
        if not self.switching and self.shares is None:
            return super()._sampler(rank, world)
        sets, size = self.domains.tolist(), self.loader.batch_size
        labels, place = self._labels or [], {"rank": rank, "world": world, "seed": self.seed}
        if self.shares is None:
            return SwitchingSampler(sampler=self.sampler, sets=sets, labels=labels, batch_size=size, **place)
        cameras = [shot.camera_id for shot in self.split.train]
        return SharesSampler(
            sampler=self.sampler,
            shares=self.shares,
            sets=sets,
            labels=labels,
            cameras=cameras,
            batch_size=size,
            **place,
        )
