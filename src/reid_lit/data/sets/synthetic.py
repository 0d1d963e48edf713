"""The drawn data set: nothing to download. It is made on first use and read like Market-1501."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge
from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.problems import MISSING, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets import market1501
from reid_lit.files.access import is_dir
from reid_lit.records import Shot, Split
from reid_lit.synthetic.plan import plan
from reid_lit.synthetic.write import write

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False, repr=False)
class Synthetic(ReidData):
    """A drawn set of persons, in the folder ``root/<world>-<size>-<draw_seed>``.

    Args:
        root: Folder of the drawn sets.
        world: Which world is drawn.
        size: How large the set is.
        draw_seed: Seed of the drawing; another one draws other persons.
        train_on: ``split``, or ``all`` persons with nothing to test.
    """

    world: str
    size: str
    draw_seed: Annotated[int, Ge(0)]
    train_on: str = "split"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.root = self.root / f"{self.world}-{self.size}-{self.draw_seed}"

    @override
    def prepare_data(self) -> None:  # Lightning calls this on one rank of a machine; write() is atomic besides
        workers = max(1, self.loader.processes(1))
        write(self.root, world=self.world, size=self.size, seed=self.draw_seed, workers=workers, progress=_log_tenths())

    @override
    def read(self, report: Report = stop) -> Split:
        if not is_dir(self.root):
            fact = f"{self.root.resolve()} has not been drawn yet"
            cure = f"a training run with dataset=synthetic dataset.world={self.world} dataset.size={self.size} draws it"
            raise Problem(kind=MISSING, place=self.root, fact=fact, cure=cure).error()
        drawing = f"_{self.draw_seed}" if self.draw_seed else ""  # two of one world differ in their persons
        name = f"synthetic_{self.world}{drawing}"
        split = market1501.read(self.root, name=name, train_on=self.train_on, report=report)
        return split.with_lists(_without_times)

    @override
    def sample(self) -> Sample:
        drawings = plan(self.world, "tiny", self.draw_seed)
        return Sample(images={f"{image.folder}/{image.name}": (image.person_id, image.camera) for image in drawings})


def _without_times(shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
    """The frames in the names of drawn images only tell them apart."""
    return tuple(replace(shot, taken=None) for shot in shots)


def _log_tenths() -> Callable[[int, int], None]:
    logged = 0

    def log(done: int, total: int) -> None:
        nonlocal logged
        if 10 * done // total > logged:
            logged = 10 * done // total
            logger.info("drawing the synthetic set: %d of %d images", done, total)

    return log
