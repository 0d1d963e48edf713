"""Names of persons and cameras as a user wrote them: one form for each, and none that means nobody."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from reid_lit.data.problems import NAMES, Problem, Report, stop
from reid_lit.wording import counted

JUNK_NAME = "-1"
"""The person of junk images, as in Market-1501."""

NOBODY = (
    *("unknown", "unkown", "unk", "unidentified", "undefined", "unassigned", "unlabeled", "unlabelled", "unnamed"),
    *("nobody", "noperson", "noid", "notknown", "nan", "na", "none", "null", "nil", "missing", "tbd", "junk"),
    *("background", "inconnu", "desconocido", "unbekannt", "sconosciuto", "неизвестно", "未知", "不明", "无"),
)
"""What people and programs write where a person is not known: compared in small letters, without blanks and marks."""


class Crop(NamedTuple):
    """An image with the names of its person and camera; ``camera`` is empty where it is unknown."""

    person: str
    camera: str
    path: Path


def means_nobody(name: str) -> bool:
    """Whether a name is one that stands for no known person, such as ``unknown``, ``N/A``, ``-2`` or ``?``.

    >>> [name for name in ("Nan", "NaN", "n/a", "?", "-1", "0", "Nancy") if means_nobody(name)]
    ['Nan', 'NaN', 'n/a', '?', '-1']
    """
    bare = re.sub(r"[\W_]", "", name.casefold())
    return not bare or bare in NOBODY or re.fullmatch(r"-\d+(\.0*)?", name.strip()) is not None


def settled(
    lists: Mapping[str, Sequence[Crop]],
    *,
    junk: Iterable[str | int],
    place: Path,
    report: Report = stop,
    key: str = "dataset.junk",
) -> tuple[dict[str, list[Crop]], tuple[str, ...]]:
    """The crops with one form of each name, junk under :data:`JUNK_NAME`; and notes about both.

    Two names that differ only in how Unicode composes their letters are one: both are NFC then.

    Args:
        lists: The crops of each list.
        junk: The names of persons that are junk.
        place: The folder or file that messages name.
        report: Receives what is wrong; by default it raises.
        key: What the command calls ``junk``, for messages.

    Raises:
        ValueError: a person has a name that means nobody, and is not in ``junk``.
    """
    left_out = {_composed(str(name)) for name in junk}
    renamed = {
        word: [Crop(_person(crop.person, left_out), _composed(crop.camera), crop.path) for crop in crops]
        for word, crops in lists.items()
    }
    before, after = ([*chain.from_iterable(each.values())] for each in (lists, renamed))
    _check_nobody(after, place, report, key)
    return renamed, (*_two_forms(before), *_left_out(before, left_out, key))


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _person(name: str, junk: set[str]) -> str:
    composed = _composed(name)
    return JUNK_NAME if composed in junk else composed


def _two_forms(crops: Iterable[Crop]) -> Iterable[str]:
    """A note for persons and one for cameras whose names are written in two forms of Unicode."""
    crops = list(crops)
    for kind, names in (
        ("person", {crop.person for crop in crops}),
        ("camera", {crop.camera for crop in crops}),
    ):
        forms: dict[str, set[str]] = defaultdict(set)
        for name in names:
            forms[_composed(name)].add(name)
        several = sorted(name for name, spelt in forms.items() if len(spelt) > 1)
        if several:
            shown = ", ".join(map(repr, several[:3]))
            yield (
                f"{counted(len(several), f'{kind} name')} in two forms of Unicode (letters composed, and letters with"
                f" marks behind them), taken for one: {shown}"
            )


def _left_out(crops: Iterable[Crop], junk: set[str], key: str) -> Iterable[str]:
    """A note for each name but ``-1`` that is junk; :mod:`.crops` counts all junk."""
    found = Counter(_composed(crop.person) for crop in crops)
    for name in sorted(junk - {JUNK_NAME}):
        if found[name]:
            yield f"junk: {counted(found[name], 'image')} of person {name!r}, which {key} names"


def _check_nobody(crops: Iterable[Crop], place: Path, report: Report, key: str) -> None:
    found = Counter(crop.person for crop in crops if crop.person != JUNK_NAME and means_nobody(crop.person))
    if found:
        listed = [f"{name!r} ({counted(number, 'image')})" for name, number in found.most_common(3)]
        names = ",".join(f'"{name}"' if re.search(r"\W", name) or not name else name for name in sorted(found))
        fact = f"{counted(len(found), 'person')} of {place.resolve()} with a name that means nobody"
        cure = (
            f"{key}=[-1,{names}] takes them for junk, which is not trained on and which no ranking counts; or"
            " remove them, or give the person another name"
        )
        report(Problem(kind=NAMES, place=place, fact=fact, cure=cure, examples=tuple(listed)))
