"""What Hydra finds wrong with the words of a command line, in ours: one line for each, with its cure."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from hydra._internal import utils as hydras
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from reid_lit.command.refusals import of_disk
from reid_lit.errors import UserError
from reid_lit.overrides import key_of
from reid_lit.run.near_names import near_names

_PLUGINS = {
    "hydra/launcher": {
        "joblib": "hydra-joblib-launcher",
        "ray": "hydra-ray-launcher",
        "ray_aws": "hydra-ray-launcher",
        "rq": "hydra-rq-launcher",
        "submitit_local": "hydra-submitit-launcher",
        "submitit_slurm": "hydra-submitit-launcher",
    },
    "hydra/sweeper": {
        "ax": "hydra-ax-sweeper",
        "nevergrad": "hydra-nevergrad-sweeper",
        "optuna": "hydra-optuna-sweeper",
    },
}
_OURS = {
    "hydra/launcher": "process, which is there, runs hydra.launcher.at_once=<number> jobs at once, a GPU each",
    "hydra/sweeper": "study, which is there, lets Optuna choose",
}
_MISSING = re.compile(r"Could not find '(?P<group>.+)/(?P<option>[^/']*)'")
_REPLACED = re.compile(r"Could not override '(?P<key>[^']+)'\. No match in the defaults list")
_ADDED = re.compile(
    r"Could not append (?:to config\. An item is already at )?'(?P<key>[^'=]+)|Multiple values for (?P<group>\S+)\."
)
_GROUP = re.compile(r"Config group override must be a string or a list")
_OVERRIDE = re.compile(r"Could not override '(?P<key>[^']+)'\.")
_ADVICE = re.compile(r"\n\s*(?:To append to your config use|full_key:|object_type=|reference_type=).*")


@contextmanager
def reported(words: Sequence[str], *, config_name: str) -> Iterator[None]:
    """Within it, what Hydra finds wrong while it composes a config or runs a sweep ends the process with our words.

    Hydra prints its own words, its advice and, for what it does not expect, a traceback, and has no public place where
    another text could be given. HYDRA_FULL_ERROR=1 leaves it all to Hydra.
    """
    before = hydras.run_and_report

    def report(func: Any) -> Any:
        try:
            return func()
        except BrokenPipeError:
            raise
        except Exception as error:
            cause = error
            GlobalHydra.instance().clear()
            if os.environ.get("HYDRA_FULL_ERROR") != "1" and (text := explained(cause, words, config_name=config_name)):
                sys.exit(text)

        def again() -> NoReturn:
            raise cause

        return before(again)

    hydras.run_and_report = report
    try:
        yield
    finally:
        hydras.run_and_report = before


def explained(error: Exception, words: Sequence[str], *, config_name: str) -> str | None:
    """Why a command line cannot be composed, and what to write; None for an error that may be a bug.

    Args:
        error: What Hydra raised.
        words: The command line.
        config_name: The primary config in ``conf/``.
    """
    if isinstance(error, UserError):
        return str(error)
    if text := of_disk(error, ""):
        return text
    if not isinstance(error, HydraException) and not _GROUP.match(str(error)):
        return None
    return _known(str(error), words) or "\n".join(near_names([*words], config_name=config_name)) or _plain(error)


def _known(text: str, words: Sequence[str]) -> str | None:
    if missing := _MISSING.search(text):
        group, option = missing["group"], missing["option"]
        if package := _PLUGINS.get(group, {}).get(option):
            return f"{group}={option}: it is not installed; pip install {package} brings it; {_OURS[group]}"
    if replaced := _REPLACED.search(text):
        return (
            f"{_word_of(replaced['key'], words)}: there is none to replace; write +{_word_of(replaced['key'], words)}"
        )
    if added := _ADDED.search(text):
        word = _word_of(added["key"] or added["group"], words)
        return f"{word}: there is one already; write {word.lstrip('+')} to replace it"
    return None


def _word_of(key: str, words: Sequence[str]) -> str:
    """The word of a key, as it was typed."""
    return next((word for word in words if key_of(word) == key), key)


def _plain(error: Exception) -> str:
    """Hydra's text and its cause's, without advice that is about its own config files."""
    if override := _OVERRIDE.match(str(error)):
        key = override["key"]
        return (
            f"{key}: this config has no such key; options bring keys of their own (loss=…, +experiment=…), --cfg job"
            f" prints those that there are, and +{key}=… adds one"
        )
    texts = [str(error), *([str(error.__cause__)] if isinstance(error.__cause__, OmegaConfBaseException) else [])]
    kept = [_ADVICE.sub("", f"\n{text.partition('Config search path:')[0]}").strip() for text in texts]
    return "\n".join(filter(None, kept))
