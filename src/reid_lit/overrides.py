"""The grammar of Hydra's overrides, ``key=value``: keys, values as words, and which of several wins."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any


def key_of(override: str) -> str:
    """The key of an override, such as ``loader.batch_size`` of ``+loader.batch_size=8``."""
    return override.lstrip("+~").partition("=")[0]


def value_of(override: str) -> str:
    """The value of an override as it stands there, such as ``8`` of ``+loader.batch_size=8``."""
    return override.partition("=")[2]


def literal(value: Any) -> str:
    """A value as Hydra's command line takes it.

    >>> literal({"dataset": "ward", "root": "/data/my WARD", "split_id": 0})
    '{dataset: ward, root: "/data/my WARD", split_id: 0}'
    >>> literal(Path("/data/WARD")), literal(Path("Märkte, neu"))
    ('/data/WARD', '"Märkte, neu"')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(each) for each in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return text if _is_plain(value, text) else _quoted(text)


def _quoted(text: str) -> str:
    """A text in quotation marks; Hydra takes a backslash as one only before a quotation mark."""
    return '"' + re.sub(r'(\\*)("|$)', lambda match: 2 * match[1] + (match[2] and r"\""), text) + '"'


def unquoted(text: str) -> str:
    r"""A value of the command line without the quotation marks that Hydra takes off.

    >>> unquoted('"/data/my \\"WARD\\""'), unquoted("'/a b'"), unquoted("/data/WARD")
    ('/data/my "WARD"', '/a b', '/data/WARD')
    """
    mark = text[:1]
    if mark not in ("'", '"') or len(text) < 2 or text[-1] != mark:
        return text
    return re.sub(rf"(\\+)({mark}|$)", lambda match: match[1][: len(match[1]) // 2] + match[2], text[1:-1])


def _is_plain(value: Any, text: str) -> bool:
    """Whether Hydra reads the text back as the value without quotation marks."""
    if isinstance(value, Path):
        return "/" in text and re.fullmatch(r"[A-Za-z_./][\w./+-]*", text, re.ASCII) is not None
    if not isinstance(value, str):
        return True
    reserved = text.lower() in ("null", "true", "false", "inf", "nan")
    return not reserved and re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) is not None


def assignment(key: str, value: Any) -> str:
    """``key=value`` as Hydra takes it on the command line, whatever the value is called.

    >>> assignment("dataset.root", Path("/data/WARD"))
    'dataset.root=/data/WARD'
    """
    return f"{key}={literal(value)}"


def resume_command(folder: Path) -> str:
    r"""The command line that goes on with the training in a folder, as a shell takes it.

    >>> resume_command(Path("runs/a")), resume_command(Path("my runs/a"))
    ('python -m reid_lit.train resume=runs/a', 'python -m reid_lit.train \'resume="my runs/a"\'')
    """
    return shlex.join(["python", "-m", "reid_lit.train", assignment("resume", folder)])


def merged(overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides, each key once: the last wins, since Hydra refuses two options of a group.

    A removal stays before the addition that puts another value in its place.

    >>> merged(["loss=id", "seed=1", "loss=id_circle", "~dataset.source", "+dataset.source={world: plaza}"])
    ('seed=1', 'loss=id_circle', '~dataset.source', '+dataset.source={world: plaza}')
    """
    last = {key_of(override): override for override in overrides}
    places = {override: place for place, override in enumerate(overrides)}
    kept = []
    for place, override in enumerate(overrides):
        final = last[key_of(override)]
        replaced = override.startswith("~") and re.match(r"\+[^+]", final)
        if places[override] == place and (override == final or replaced):
            kept.append(override)
    return tuple(kept)


def without(overrides: Sequence[str], keys: Collection[str]) -> list[str]:
    """The overrides of all keys but ``keys``."""
    return [override for override in overrides if key_of(override) not in keys]
