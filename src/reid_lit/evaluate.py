"""``python -m reid_lit.evaluate run=<folder>``: test a finished run again, with any data set and evaluation.

``embeddings=<file>`` scores what :mod:`reid_lit.embed` wrote, without a model.
"""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.run.folder import required_run


def evaluate(config: DictConfig) -> float | None:
    """Test the weights of ``config.run``, or score ``config.embeddings``; the results get a folder of their own.

    Returns:
        The score named by ``objective`` on the first data set tested.

    Raises:
        ValueError: neither is given.
    """
    _check_named(config)
    # imported when work starts: torch and Lightning take seconds
    from reid_lit.command.arithmetic import set_arithmetic

    set_arithmetic()
    if config.embeddings is not None:
        from reid_lit.testing.rescoring import evaluate_stored

        return evaluate_stored(config)
    from reid_lit.testing.retesting import evaluate_run

    return evaluate_run(config)


def _check_named(config: Mapping[str, Any] | DictConfig) -> None:
    """Raise ValueError unless there is a run or a file to evaluate."""
    if config.get("embeddings") is None:
        required_run(config, instead="embeddings=<file of reid_lit.embed>")


if __name__ == "__main__":
    launch(evaluate, config_name="evaluate", first=_check_named)
