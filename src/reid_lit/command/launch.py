"""The start of every command: overrides of an earlier run, Hydra, errors in plain words, near names."""

import contextlib
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit.command.composition import reported
from reid_lit.command.groups import listed
from reid_lit.command.refusals import refusal
from reid_lit.command.replay import is_trusted, repeats_nothing, replayed
from reid_lit.command.signals import Running, Stopped, stopping
from reid_lit.command.torchrun import of_one_run
from reid_lit.errors import InputError, UserError
from reid_lit.memory import keep_freed_memory
from reid_lit.overrides import key_of, unquoted, value_of
from reid_lit.paths import packaged
from reid_lit.run.grammar import check_words
from reid_lit.run.moved_keys import typed
from reid_lit.run.near_names import default_of

_SWEEP = ("-m", "--multirun")


def launch(
    task: Callable[[DictConfig], Any],
    *,
    config_name: str,
    replay: bool = True,
    first: Callable[[Mapping[str, Any]], object] | None = None,
    reword: Callable[[list[str]], list[str]] = list,
) -> None:
    """Run ``task`` with what Hydra composes from the command line.

    Args:
        task: What to do with the config.
        config_name: The primary config in ``conf/``.
        replay: Whether ``run=<folder>`` stands for all overrides of that run, and not for its folder alone.
        first: Refuses words of the command line, before Hydra makes a folder.
        reword: Turns the words of the command line into those that Hydra composes.
    """
    with stopping() as running:
        _launch(task, config_name, replay, first, reword, running)


def _launch(
    task: Callable[[DictConfig], Any],
    config_name: str,
    replay: bool,
    first: Callable[[Mapping[str, Any]], object] | None,
    reword: Callable[[list[str]], list[str]],
    running: Running,
) -> None:
    _quiet()
    keep_freed_memory()
    try:
        if first is not None and not any(word.startswith("-") for word in sys.argv[1:]):  # such as --help
            first(_words(sys.argv[1:]))
        if "${" in str(Path.cwd()):
            raise InputError(f"{Path.cwd()}: ${{ in a folder's name is read as the name of a key; start elsewhere")
        words = reword(typed(_flags_first(sys.argv[1:])))
        sys.argv[1:] = replayed(words) if replay else words
        own = sys.argv[1:] == words or is_trusted(words) or repeats_nothing(words)
        untrusted = None if own else words
        check_words(
            sys.argv[1:], default=functools.partial(default_of, arguments=sys.argv[1:], config_name=config_name)
        )
        sys.argv[1:] = of_one_run(sys.argv[1:])
        if config_name in ("train", "evaluate"):
            sys.argv[1:] = _in_one_folder(sys.argv[1:])
        if config_name == "train":
            sys.argv[1:] = _checked_words(words, sys.argv[1:])
    except UserError as error:
        sys.exit(str(error))

    def plain(config: DictConfig) -> Any:
        if config_name == "train":
            running.folder = Path(str(config.run_dir))
        return _without_traceback(_checked(task, untrusted), config, running.asked)

    plain = functools.wraps(task)(plain)
    command = hydra.main(version_base="1.3", config_path=str(packaged("conf")), config_name=config_name)(plain)
    with _answering(sys.argv[1:]), listed(), reported(sys.argv[1:], config_name=config_name):
        command()


@contextlib.contextmanager
def _answering(arguments: list[str]) -> Iterator[None]:
    """Within it ``--help`` and ``--cfg job`` end without a traceback once their reader, such as ``head``, has gone."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not any(word.startswith("-") for word in arguments if word not in _SWEEP):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python writes what is left, as it ends
        sys.exit(1)


def _flags_first(words: list[str]) -> list[str]:
    """The words of a command line, its flag for a sweep first: Hydra takes none between two others."""
    flags = [word for word in words if word in _SWEEP]
    return [*flags, *(word for word in words if word not in flags)]


def _in_one_folder(arguments: list[str]) -> list[str]:
    """The words of a run, which Hydra writes into the folder that ``run_dir=`` names: without them it is no run's."""
    values = {key_of(argument): value_of(argument) for argument in arguments}
    if "run_dir" not in values or "hydra.run.dir" in values or {*_SWEEP} & set(arguments):
        return arguments
    return [*arguments, f"hydra.run.dir={values['run_dir']}"]


def _checked_words(typed: list[str], arguments: list[str]) -> list[str]:
    """The words of a training; refused where its folder holds another one, before Hydra writes into it.

    Of a run that is resumed, Hydra writes no words: the run does, once it goes on.
    """
    values = {key_of(argument): value_of(argument) for argument in arguments}
    if values.get("resume", "null") not in ("", "null"):
        from reid_lit.command.resuming import check_resumed

        check_resumed(typed, arguments)
        return [*arguments, "hydra.output_subdir=null"]
    folder = unquoted(values.get("hydra.run.dir", ""))
    if folder:
        from reid_lit.run.claim import check_free

        check_free(Path(folder))
    return arguments


def _checked(task: Callable[[DictConfig], Any], untrusted: list[str] | None) -> Callable[[DictConfig], Any]:
    """``task``, which first looks at what an earlier run's words ask for.

    Args:
        task: What to do with the config.
        untrusted: The words that were typed, where others were put before them; None: all are the user's own.
    """
    if untrusted is None:
        return task

    def checked(config: DictConfig) -> Any:
        from reid_lit.run.trust import check_parts

        check_parts(config, source="the run's words", typed=untrusted)
        return task(config)

    return checked


def _words(arguments: list[str]) -> dict[str, str | None]:
    """The values of a command line, before anything is composed."""
    pairs = ((key_of(argument), argument.partition("=")[2]) for argument in arguments)
    return {key: None if value in ("", "null") else value for key, value in pairs}


def _without_traceback(task: Callable[[DictConfig], Any], config: DictConfig, asked: list[int]) -> Any:
    """Run ``task``; end with the words of an error that a user can act on, without a traceback."""
    try:
        return task(config)
    except Exception as error:
        if asked:  # what ends with it, such as a process that loads images
            raise Stopped(asked[0]) from None
        text = refusal(error, config)
        if text is None or HydraConfig.get().mode == RunMode.MULTIRUN:
            raise  # a bug stays visible; Hydra goes on with the other jobs of a multirun
        _end_bars()
        sys.exit(text)


def _end_bars() -> None:
    """Let a message begin on a line of its own, where a bar of progress stands."""
    if (tqdm := sys.modules.get("tqdm")) is not None:
        for bar in list(getattr(tqdm.tqdm, "_instances", ())):
            bar.close()


def _quiet() -> None:
    """Keep what a user can act on; Lightning's hints are none of it."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # inside Lightning
        "Total length of `list` across ranks is zero",  # no persons held out for validation
        "The number of training batches .* is smaller than the logging interval",
        "Checkpoint directory .* exists and is not empty",  # a resumed run
        "The '.*_dataloader' does not have many workers",  # one for each core is what machine.workers=auto takes
    ):
        warnings.filterwarnings("ignore", message)
