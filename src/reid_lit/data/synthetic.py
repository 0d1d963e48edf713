"""The drawn data set: nothing to download. It is made on first use and read like Market-1501."""

import logging
from collections.abc import Callable
from pathlib import Path

from typing_extensions import override

from reid_lit.data import market1501
from reid_lit.data.base import ReidData
from reid_lit.data.loading import Loader
from reid_lit.data.samplers import EpochSampler
from reid_lit.data.transforms import Transform
from reid_lit.records import Split
from reid_lit.synthetic.write import write

logger = logging.getLogger(__name__)


class Synthetic(ReidData):
    """A drawn set of persons, in the folder ``root/<world>-<size>-<draw_seed>``.

    Args:
        root: Folder of the drawn sets.
        world: Which world is drawn.
        size: How large the set is.
        draw_seed: Seed of the drawing; another one draws other persons.
        transform: What happens to the images.
        sampler: Makes the training sampler from ``labels, batch_size, rank, world, seed``.
        loader: Batch sizes and workers.
        val_persons: Training persons held out for validation.
        split_seed: Seed of the choice of those persons.
        seed: Seed of the order of images and of their augmentation.
    """

    name = "synthetic"

    def __init__(
        self,
        *,
        root: str | Path,
        world: str,
        size: str,
        draw_seed: int,
        transform: Transform,
        sampler: Callable[..., EpochSampler],
        loader: Loader,
        val_persons: int = 0,
        split_seed: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=Path(root).expanduser() / f"{world}-{size}-{draw_seed}",
            transform=transform,
            sampler=sampler,
            loader=loader,
            val_persons=val_persons,
            split_seed=split_seed,
            seed=seed,
        )
        self.world = world
        self.size = size
        self.draw_seed = draw_seed
        self.name = f"synthetic_{world}"

    @override
    def prepare_data(self) -> None:  # Lightning calls this on one rank of a machine; write() is atomic besides
        workers = max(1, self.loader.processes(1))
        write(self.root, world=self.world, size=self.size, seed=self.draw_seed, workers=workers, progress=_log_tenths())

    @override
    def read(self) -> Split:
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root.resolve()} has not been drawn yet; call prepare_data() before setup()")
        return market1501.read(self.root, name=self.name)


def _log_tenths() -> Callable[[int, int], None]:
    logged = 0

    def log(done: int, total: int) -> None:
        nonlocal logged
        if 10 * done // total > logged:
            logged = 10 * done // total
            logger.info("drawing the synthetic set: %d of %d images", done, total)

    return log
