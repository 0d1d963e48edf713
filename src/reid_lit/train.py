"""``python -m reid_lit.train +experiment=duke_hrnet``: train, test and show a model."""

import functools
from pathlib import Path

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.errors import InputError
from reid_lit.jobs.turn import continued, turn
from reid_lit.tables.command import reword_table


def train(config: DictConfig) -> float | None:
    """Train and test what ``config`` describes, in its run folder.

    Returns:
        The score named by ``objective``, of the first data set tested or of the held-out persons, for sweeps.
    """
    if config.resume is not None and Path(config.resume).resolve() != Path(config.run_dir).resolve():
        raise InputError(f"resume={config.resume} goes on in that folder; leave out hydra.run.dir={config.run_dir}")
    # imported when work starts: torch and Lightning take seconds
    from reid_lit.command.arithmetic import set_arithmetic
    from reid_lit.run.claim import claimed
    from reid_lit.run.folder import Run
    from reid_lit.run.split_rounds import run_rounds
    from reid_lit.run.stages import plan_stages
    from reid_lit.training.once import train_once

    set_arithmetic()
    stages = plan_stages(config)
    resumed = config.resume is not None
    goes_on = functools.cache(functools.partial(Run(Path(config.run_dir)).record_start, config, resumed=True))
    do = functools.partial(train_once, stages=stages, goes_on=goes_on if resumed else None)
    with claimed(Path(config.run_dir), resumed=resumed):
        return run_rounds(config, do, begins=not resumed)


if __name__ == "__main__":
    with turn():
        launch(train, config_name="train", reword=lambda words: reword_table(continued(words)))
