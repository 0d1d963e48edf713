"""Words of a command line that Hydra's grammar cannot read, or reads otherwise than they look."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from reid_lit.errors import InputError
from reid_lit.overrides import assignment

_SWEEPS = ("-m", "--multirun", "hydra.mode=MULTIRUN", "+sweeps=", "+table=", "+chain=")
_COMMA = re.compile(r"(?P<whole>[+-]?\d+),(?P<part>\d+)(?P<power>[eE][+-]?\d+)?")


def check_words(words: Sequence[str], *, default: Callable[[str], Any] = lambda _: None) -> None:
    """Raise InputError for words that Hydra's grammar does not take as they are meant, with the spelling that it takes.

    Args:
        words: Of a command line, without the program.
        default: Gives the value that a key has without them; asked only for what may be a decimal comma in a sweep.

    Raises:
        InputError: a line for each such word.
    """
    sweeps = any(word.startswith(_SWEEPS) for word in words)
    if any(word.startswith("-") and word not in _SWEEPS for word in words):  # a flag such as --cfg takes a word
        words = [word for word in words if "=" in word]
    lines = [line for word in words if not word.startswith("-") for line in _complaints(word, sweeps, default)]
    if lines:
        raise InputError("\n".join(lines))


def _complaints(word: str, sweeps: bool, default: Callable[[str], Any]) -> Iterator[str]:
    key, sign, value = word.partition("=")
    if not sign and not word.startswith("~"):
        yield f"{word}: no key=value; every word is one, such as seed=1 or +experiment=synthetic_softmax"
        return
    comma = _COMMA.fullmatch(value)
    if comma and _is_decimal(comma, lambda: default(key.lstrip("+"))):
        number = f"{comma['whole']}.{comma['part']}{comma['power'] or ''}"
        two = f", or -m {key}={comma['whole']}.0,{comma['part']}.0 for two runs"
        several = "" if comma["power"] or comma["part"].startswith("0") else two
        yield f"{word}: a comma parts values; write {key}={number} for one number{several}"
        return
    parsed = _parsed(word)
    if isinstance(parsed, str):
        yield _with_spelling(word, parsed)
    elif parsed.is_sweep_override() and not sweeps and parsed.is_choice_sweep():
        if value.startswith("choice("):
            yield f"{word}: several runs; add -m for a run of each"
            return
        lists = f"{key}=[{value}]"
        yield (
            f"{word}: commas part the values of several runs; write {spelt(key, value)} for one text,"
            f" {shlex.quote(lists)} for a list, or add -m for a run of each"
        )


def _is_decimal(comma: re.Match[str], default: Callable[[], Any]) -> bool:
    """Whether ``0,03`` is one number: no whole number is written 03, and a key of fractions gets no two whole ones."""
    return (len(comma["part"]) > 1 and comma["part"].startswith("0")) or isinstance(default(), float)


def _parsed(word: str) -> Override | str:
    """The override; why there is none."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as error:
        return str(error).strip().partition("\n")[0]


def _with_spelling(word: str, reason: str) -> str:
    key, _, value = word.partition("=")
    quoted = _parsed(assignment(key, value))
    if isinstance(quoted, str) or not isinstance(quoted.value(), str | QuotedString) or value[:1] in "[{\"'":
        if isinstance(_parsed(f"{key}=1"), str):
            return f"{word}: no key that Hydra's grammar can read ({reason}); a key is made of names with dots between"
        inside = "a text with other characters than letters, digits and _ - / . stands in quotation marks"
        return f"{word}: Hydra's grammar cannot read it ({reason}); {inside}, as in 'key={{root: \"my crops (1)\"}}'"
    return f"{word}: Hydra's grammar reads this as more than a text; write {spelt(key, value)}"


def spelt(key: str, value: str) -> str:
    r"""``key=value`` as a shell and then Hydra take it, whatever the text is.

    >>> spelt("dataset.root", "/data/my crops (1)")
    '\'dataset.root="/data/my crops (1)"\''
    """
    return shlex.quote(assignment(key, value))
