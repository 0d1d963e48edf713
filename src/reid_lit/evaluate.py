"""``python -m reid_lit.evaluate run=<folder>``: test a finished run again, with any data set and evaluation.

``embeddings=<file>`` scores what :mod:`reid_lit.embed` wrote, without a model. ``weights=<file> as=<project>/<recipe>``
tests a model that another project has published as it was tested there, see ``run/published.yaml``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.overrides import key_of, unquoted, value_of, without
from reid_lit.run.additions import with_additions
from reid_lit.run.folder import required_run
from reid_lit.run.published import check_published, published


def evaluate(config: DictConfig) -> float | None:
    """Test the weights of ``config.run`` or ``config.weights``, or score ``config.embeddings``; in a folder of its own.

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
    if config.get("embeddings") is None and not config.get("weights") and not config.get("as"):
        required_run(config, instead="embeddings=<file of reid_lit.embed>, or weights=<file> as=<project>/<recipe>")


def _reword(words: list[str]) -> list[str]:
    """The words of a published model's recipe, then those that were typed, which win."""
    values = {key_of(word): unquoted(value_of(word)) for word in words}
    if not check_published({key: None if value in ("", "null") else value for key, value in values.items()}):
        return words
    own = published(values["as"]).words(Path(values["weights"]).expanduser())
    options = {key_of(word): value_of(word) for word in own}
    words = with_additions(words, lambda: options["evaluation"])
    return [*without(own, {key_of(word) for word in words}), *words]


if __name__ == "__main__":
    launch(evaluate, config_name="evaluate", first=_check_named, reword=_reword)
