"""``python -m reid_lit.matrix sources=[…] targets=[…] methods=[…]``: methods across data sets, as one table."""

import shlex
from collections.abc import Sequence

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.jobs.turn import turn
from reid_lit.overrides import assignment


def matrix(config: DictConfig) -> None:
    """Plan, run, and write the matrix after every job."""
    from reid_lit.tables.matrix.run import run_matrix  # imported when work starts: the help is printed at once

    run_matrix(config)


def reworded(arguments: Sequence[str]) -> list[str]:
    """The command line as Hydra composes it, with the words as they were typed for the results."""
    from reid_lit.tables.matrix.command import reword_matrix

    typed = shlex.join(["python", "-m", "reid_lit.matrix", *arguments])
    return [*reword_matrix(arguments), assignment("command", typed)]


if __name__ == "__main__":
    with turn():
        launch(matrix, config_name="matrix", replay=False, reword=reworded)
