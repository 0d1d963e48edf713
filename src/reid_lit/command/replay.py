"""The command line of an earlier run, repeated: its overrides, then those of this command line."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from reid_lit.overrides import assignment, key_of, unquoted, value_of, without
from reid_lit.run.additions import with_additions
from reid_lit.run.evaluated import Evaluated
from reid_lit.run.folder import Run
from reid_lit.run.started_from import started_from
from reid_lit.run.trust import kept_words

_log = logging.getLogger(__name__)

_OWN = frozenset({"resume", "run", "run_dir", "hydra.run.dir", "repeat", "trust"})
"""Keys that name a folder of the run itself: another command repeats none of them, or it would write there."""

_LOGGED = "logger"
"""The group of what is logged where: a test of a run is logged where its own command says."""


def is_trusted(arguments: Sequence[str]) -> bool:
    """Whether a command line says ``trust=true``."""
    return any(key_of(argument) == "trust" and value_of(argument) == "true" for argument in arguments)


def repeats_nothing(arguments: Sequence[str]) -> bool:
    """Whether the words of a command line are all: ``repeat=false``, as jobs say it, whose words choose everything.

    The run that such a job goes on with, or tests, may have been started by a job of another table or machine.
    """
    return any(key_of(argument) == "repeat" and value_of(argument).lower() == "false" for argument in arguments)


def replayed(arguments: list[str]) -> list[str]:
    """The arguments of a command line, after those of the earlier run that it names.

    ``resume=<folder>`` goes on in that folder. ``run=<folder>`` tests the weights in that folder, which may be that of
    one split, ``<run>/split_0``. ``embeddings=<file>``
    alone tests what such a run has embedded. An argument of this command line replaces the run's own. A data set that
    is given next to ``run`` is tested on, in place of the run's ``test_on``. An evaluation option that adds to a test
    (``evaluation=verification``) keeps the run's way of scoring. ``repeat=false`` repeats nothing.

    Raises:
        FileNotFoundError: the folder is no run's folder, or there is no such file.
        ValueError: the file holds no embeddings.
    """
    for place, argument in enumerate(arguments):
        key, _, value = argument.partition("=")
        if key in ("resume", "run") and value not in ("", "null"):
            return _of_run(key, Path(unquoted(value)), arguments, place)
    for argument in [] if repeats_nothing(arguments) else arguments:
        if argument.startswith("embeddings=") and value_of(argument) not in ("", "null"):
            return _of_file(value_of(argument), arguments)
    return arguments


def _of_run(key: str, folder: Path, arguments: list[str], place: int) -> list[str]:
    """The overrides of the run in ``folder``, then ``arguments``; at ``place`` they name the folder."""
    run = Run(folder)
    told = run.started if key == "run" else run
    words = told.overrides()
    if repeats_nothing(arguments):
        return arguments if key == "run" else _in_its_folder(arguments, folder)
    if key == "run":
        word, arguments = arguments[place], with_additions(arguments, partial(run.option, "evaluation"))
        place = arguments.index(word)
    keys = {key_of(argument) for argument in arguments}
    source = f"{key}={folder}"
    words = words if is_trusted(arguments) else kept_words(words, source=source)
    if told != run:  # one of its splits
        words = [*without(words, {"dataset.split_id"}), f"dataset.split_id={run.folder.name.removeprefix('split_')}"]
    words = started_from(told, without(words, keys | _OWN))
    if key == "resume" and not run.checkpoint.is_file():
        words = _without_before_dir(words)
    overrides = words if key == "resume" else [word for word in words if not _is_about(_LOGGED, word)]
    overrides += [*arguments[:place], assignment(key, folder), *arguments[place + 1 :]]
    if key == "run":
        return _with_data_of(arguments, run, overrides)
    return _in_its_folder(overrides, folder)


def _in_its_folder(words: list[str], folder: Path) -> list[str]:
    """The words of a run that goes on, which Hydra writes into its folder."""
    named = any(key_of(word) == "hydra.run.dir" for word in words)
    return words if named else [*words, assignment("hydra.run.dir", folder)]


def _without_before_dir(words: list[str]) -> list[str]:
    """The words of a run whose stages may still be trained; where they are written, this command line alone says."""
    for word in words:
        if key_of(word) == "before_dir":
            _log.warning("%s of the run is not repeated: give it again to train its stages there", word)
    return without(words, {"before_dir"})


def _of_file(files: str, arguments: list[str]) -> list[str]:
    """The overrides of the run that wrote the first of some files of embeddings, then ``arguments``."""
    from reid_lit.testing.embeddings_file import read_metadata  # it imports torch

    first = Path(files.strip("[]").split(",")[0].strip("\"' "))
    evaluated: Evaluated = read_metadata(first)["evaluated"]
    arguments = with_additions(arguments, lambda: evaluated.option)
    keys = {key_of(argument) for argument in arguments}
    own = [word for word in evaluated.words() if not ("evaluation" in keys and _is_about("evaluation", word))]
    return [*without(own, keys), *arguments]


def _is_about(group: str, word: str) -> bool:
    return key_of(word) == group or key_of(word).startswith(f"{group}.")


def _with_data_of(arguments: list[str], run: Run, overrides: list[str]) -> list[str]:
    """``overrides`` without those of the run's data set, where ``arguments`` name another data set.

    Ranks and the jobs of a sweep are started with arguments that were replayed before, and replay them again. Their
    arguments hold the run's experiment, and nothing is left out.
    """
    values = {key_of(argument): value_of(argument) for argument in arguments}
    if "dataset" in values and values["dataset"] != run.option("dataset"):  # its keys are others
        keys = {key_of(override) for override in overrides} - set(values)
        overrides = without(overrides, {key for key in keys if key.startswith("dataset.")})
    is_named = any(key == "dataset" or key.startswith("dataset.") for key in values)
    if not is_named or "test_on" in values or "experiment" in values:
        return overrides
    return [*without(overrides, {"test_on"}), "test_on=[]"]
