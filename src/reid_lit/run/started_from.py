"""Relative paths of an earlier run: they begin at the folder that it was started in."""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from reid_lit.overrides import assignment, key_of, literal, unquoted, value_of
from reid_lit.run.folder import Run

_log = logging.getLogger(__name__)

_PATHS = re.compile(r"(?:.*\.)?(?:root|weights)|data_root|before_dir")
"""Keys whose values are paths."""
_ROOT = re.compile(r"""(?P<before>[{,\s]root:\s*)(?P<value>"[^"]*"|'[^']*'|[^\s"',}\]]+)""")
"""A data set's folder within a list or a mapping, such as ``test_on=[{dataset: ward, root: WARD}]``."""


def started_from(run: Run, words: Sequence[str]) -> list[str]:
    """The words of a run as :func:`seen_from_here` gives them; what changed by it is said."""
    kept = seen_from_here(run, words)
    if changed := [word for word in kept if word not in words]:
        _log.warning("the run was started in %s: %s", _start(run), ", ".join(changed))
    return kept


def seen_from_here(run: Run, words: Sequence[str]) -> list[str]:
    """The words of a run, relative paths as seen from the folder that it was started in, where they are there.

    A training that was started without ``data_root``, without ``$REID_DATA``, has its data in ``data`` there.

    Args:
        run: Its folder tells where it was started.
        words: Those of its words that are repeated.
    """
    start = _start(run)
    if start is None or start == Path.cwd():
        return list(words)
    kept = [_absolute(word, start) for word in words]
    if not any(key_of(word) == "data_root" for word in words) and not os.environ.get("REID_DATA"):
        kept += [assignment("data_root", start / "data")] if (start / "data").is_dir() else []
    return kept


def _start(run: Run) -> Path | None:
    """The folder that a run was started in; None where its folder does not tell, or it is not there."""
    told = OmegaConf.select(run.hydra(), "hydra.runtime.cwd")
    return Path(told) if isinstance(told, str) and Path(told).is_dir() else None


def _absolute(word: str, start: Path) -> str:
    """A word with the paths in it as seen from ``start``."""
    key, value = key_of(word), value_of(word)
    if _PATHS.fullmatch(key):
        found = _found(unquoted(value), start)
        return word if found is None else f"{word.partition('=')[0]}={literal(found)}"
    if key.partition(".")[0] in ("test_on", "dataset"):
        return _ROOT.sub(lambda match: match["before"] + _place(match["value"], start), word)
    return word


def _place(value: str, start: Path) -> str:
    found = _found(unquoted(value), start)
    return value if found is None else literal(found)


def _found(value: str, start: Path) -> Path | None:
    """A relative path from ``start``; None for another one, and where nothing is there."""
    if value in ("", "null", "none", "imagenet") or "${" in value or Path(value).expanduser().is_absolute():
        return None
    place = start / value
    return place if place.exists() else None
