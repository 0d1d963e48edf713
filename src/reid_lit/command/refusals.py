"""Errors in words: what a user reads of an error that this package raised on purpose, with the key that it is about."""

import errno
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError, OmegaConfBaseException

from reid_lit.data.problems import DataError, MissingDataError
from reid_lit.errors import UserError
from reid_lit.overrides import literal

_ARGUMENT = re.compile(r"(?P<name>[A-Za-z_][\w.]*)=(?P<text>.+)", re.DOTALL)
_OTHERS = (TypeError, ValueError, KeyError, RuntimeError, ImportError)
"""What parts of other libraries raise for arguments that they cannot take."""
_ROOM = "make room, then the same command, or resume=<folder> for a training, goes on"
_RIGHTS = "give a folder that this user may read and write, such as hydra.run.dir=<folder>, or change its rights"
_NO_PATH = "look at that path: something on the way is no folder, is missing, or leads to itself"
_DISK = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS),
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.EEXIST), _NO_PATH
    ),
    errno.EIO: "the disk does not answer as it should; look at it before anything else",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n), or give machine.workers=0",
}
"""What helps for an error of the operating system, by its number."""
_COPY = re.compile(r"\$\{(?P<key>\w[\w.]*)\}")


def refusal(error: BaseException, config: DictConfig) -> str | None:
    """The words of a :class:`~reid_lit.errors.UserError`; None for any other error, and for HYDRA_FULL_ERROR.

    A part names its own argument, ``margin=-1: …``; the key of the part is put before it. Hydra wraps an error that a
    part raises while it is built, and names the part. For any other error the config is searched.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        return None
    if isinstance(error, InterpolationKeyError | InterpolationResolutionError):
        return _of_an_interpolation(error)
    part = ""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        part = str(error).partition("\nfull_key: ")[2] or part
        error = error.__cause__
    if text := of_disk(error, str(config.get("run_dir") or "")):
        return text
    if not isinstance(error, UserError):
        is_lightnings = type(error).__name__ == "MisconfigurationException"  # its import takes seconds
        wrapped = part and (is_lightnings or isinstance(error, _OTHERS))
        return _of_a_part(error, part) if wrapped else None
    if isinstance(error, DataError | MissingDataError):
        return f"{error.problem.kind}: {error}"
    return _with_key(_words(error), part, config)


def of_disk(error: BaseException, folder: str) -> str | None:
    """What the disk or its rights do not allow, with the way on; None for another error.

    Args:
        error: Any error.
        folder: Where the command writes, for an error that names no file.
    """
    if not isinstance(error, OSError) or isinstance(error, UserError) or error.errno not in _DISK:
        return None
    what = " -> ".join(str(name) for name in (error.filename, error.filename2) if name)
    fact = f"{what or folder or Path.cwd()}: {error.strerror}"
    return f"{fact}; {_DISK[error.errno or 0]} (HYDRA_FULL_ERROR=1 shows where)"


def _of_an_interpolation(error: OmegaConfBaseException) -> str:
    """What ``${…}`` of the command line cannot be read as."""
    reason = str(error).strip().partition("\n")[0].removeprefix("KeyError raised while resolving interpolation: ")
    key = f"{error.full_key}: " if error.full_key else ""
    reason = reason.strip('"')
    return f"{key}{reason}; ${{…}} stands for another key, or by ${{oc.env:…}} for a variable that is set"


def _of_a_part(error: BaseException, part: str) -> str:
    """What a part that is none of ours says of its arguments, with the key of the part."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return f"{part}: {reason} (HYDRA_FULL_ERROR=1 shows where)"


def _words(error: UserError) -> str:
    """The message alone: of an error in a process that loads images, torch writes the traceback before it."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return str(error).rpartition(f"\n{kind}: ")[2].rstrip("\n")


def _with_key(message: str, part: str, config: DictConfig) -> str:
    """The message with the key of the argument that it begins with; where there is none, with the key of the part."""
    argument = _ARGUMENT.match(message)
    key = argument and key_of_argument(config, argument["name"], argument["text"], part=part)
    if argument and key:
        return f"{key}={argument['text']}"
    return message if part.rpartition(".")[2] in message else f"{part}: {message}"


def key_of_argument(config: DictConfig, name: str, text: str, *, part: str = "") -> str | None:
    """The one key of the config that ends in ``name`` and whose value ``text`` begins with; None if there is not one.

    A key that is interpolated counts as the key that it copies: ``dataset.transform.size`` is ``transform.size``.

    Args:
        config: As Hydra composed it.
        name: An argument of a part, or several words with dots between, such as ``terms.hard.weight``.
        text: Begins with the value of the argument.
        part: The key of the part that was being built. Its own argument comes first, then those of the parts in it.
    """
    nodes = dict(_nodes(OmegaConf.to_container(config, resolve=False)))
    copies = dict(_copies(nodes))
    part = _original(part, copies)
    own = _original(f"{part}.{name}" if part else name, copies)
    named = {_original(key, copies) for key in nodes if f".{key}".endswith(f".{name}")}
    equal = {key for key in (named | {own}) & set(nodes) if _begins_with(text, config, key)}
    inside = {key for key in equal if part and key.startswith((f"{part}.", f"{part}["))}
    return _only(equal & {own}, equal) or _only(inside, equal) or _only(equal, equal)


def _only(keys: Collection[str], equal: Collection[str]) -> str | None:
    """The one key, as the shortest one that it is a copy of: building a part replaces interpolations by copies."""
    shortest = {min((key, *_ends(key, equal)), key=len) for key in keys}
    return shortest.pop() if len(shortest) == 1 else None


def _ends(key: str, keys: Collection[str]) -> list[str]:
    """Those of the keys of a part that ``key`` ends in: ``transform.size`` for ``dataset.transform.size``."""
    return [end for end in keys if "." in end and key.endswith(f".{end}")]


def _nodes(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a config, as Hydra writes it, with its value."""
    if key:
        yield key, node
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _nodes(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _nodes(value, f"{key}[{place}]")


def _copies(nodes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys that are nothing but an interpolation, with the key that they copy."""
    for key, value in nodes.items():
        copy = _COPY.fullmatch(value) if isinstance(value, str) else None
        if copy:
            yield key, copy["key"]


def _original(key: str, copies: Mapping[str, str]) -> str:
    """The key that ``key`` copies by interpolation; ``key`` itself where it copies none."""
    for _ in copies:
        source = next((copy for copy in copies if re.match(rf"{re.escape(copy)}(?![^.[])", key)), None)
        if source is None:
            break
        key = copies[source] + key[len(source) :]
    return key


def _begins_with(text: str, config: DictConfig, key: str) -> bool:
    """Whether ``text`` begins with the value of ``key``, and the value ends there."""
    try:
        value = OmegaConf.select(config, key, throw_on_missing=True)
    except OmegaConfBaseException:  # its interpolation leads nowhere
        return False
    if isinstance(value, DictConfig | ListConfig):
        value = OmegaConf.to_container(value)
    return any(re.match(rf"{re.escape(written)}(?=$|[\s:,;])", text) for written in _written(value))


def _written(value: Any) -> set[str]:
    """The ways in which a message may write a value."""
    ways = {str(value), repr(value), literal(value)}
    if isinstance(value, list):
        ways.add(str(tuple(value)))
    if isinstance(value, int | float) and not isinstance(value, bool):
        ways |= {str(float(value)), f"{value:g}"}
    if isinstance(value, str):
        ways.add(str(Path(value)))
    return ways - {""}
