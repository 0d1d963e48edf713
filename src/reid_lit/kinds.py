"""What a data set shows: messages are written of persons, and say vehicles where it shows those."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What the identities of a data set are.

    Attributes:
        one: What one of them is called.
        several: What several are called.
    """

    one: str
    several: str


PERSON = Kind("person", "persons")
VEHICLE = Kind("vehicle", "vehicles")
OBJECT = Kind("object", "objects")
"""What is said where data sets of several kinds come together."""

_IRREGULAR = {"person": "persons", "mouse": "mice", "goose": "geese", "ox": "oxen", "calf": "calves", "wolf": "wolves"}
_IRREGULAR |= {"bus": "buses", "lens": "lenses", "gas": "gases"}
_UNCHANGED = ("fish", "sheep", "deer", "bison", "aircraft", "cattle", "species", "series")
_WORD = re.compile(
    r"(?P<quote>[\"'`]?)(?<![\w./:=<>{?\\])(?P<article>\b[Aa] )?\b(?P<noun>persons?)\b(?P<who> who\b)?"
    r"(?![\w=/>]|\.\w|\(s\))(?P<end>[\"'`]?)",
    re.IGNORECASE,
)


class _Spoken:
    """The kind that this process speaks of; None: none was read, so it speaks of persons."""

    kind: Kind | None = None


def kind_of(name: str) -> Kind:
    """A kind by its name, or by singular and plural, as ``mouse/mice``.

    >>> kind_of("vehicle") == VEHICLE, kind_of("Sheep").several, kind_of("fox").several, kind_of("lady").several
    (True, 'sheep', 'foxes', 'ladies')
    >>> kind_of("Vehicles") == VEHICLE, kind_of("mice").one, kind_of("boxes").one, kind_of("ladies").one
    (True, 'mouse', 'box', 'lady')
    >>> kind_of("ibex / ibexes")
    Kind(one='ibex', several='ibexes')
    """
    one, _, several = (part.strip().lower() for part in name.partition("/"))
    if several:
        return Kind(one, several)
    one = _singular(one)
    if one in _UNCHANGED:
        return Kind(one, one)
    if one in _IRREGULAR:
        return Kind(one, _IRREGULAR[one])
    if re.search(r"(s|x|z|ch|sh)$", one):
        return Kind(one, f"{one}es")
    return Kind(one, f"{one[:-1]}ies" if re.search(r"[^aeiou]y$", one) else f"{one}s")


def _singular(name: str) -> str:
    """The name of one, where it is that of several."""
    if name in _IRREGULAR or name in _UNCHANGED:
        return name
    for one, several in _IRREGULAR.items():
        if name == several:
            return one
    if re.search(r"(x|z|ch|sh|ss)es$", name):
        return name[:-2]
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name[:-1] if re.search(r"[^siu]s$", name) else name


def common(kinds: Iterable[Kind]) -> Kind:
    """The one kind of several data sets; :data:`OBJECT` where they differ, and persons where there is none."""
    different = set(kinds)
    return OBJECT if len(different) > 1 else next(iter(different), PERSON)


def speak_of(kind: Kind) -> None:
    """Say this kind in messages from now on; of data sets of several kinds, this process says objects."""
    _Spoken.kind = kind if _Spoken.kind is None else common((_Spoken.kind, kind))


def read_kind(value: Any) -> Kind:
    """The kind that a file of results says; persons where it says none."""
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, str) for part in value)
    return Kind(*value) if is_pair else PERSON


def kind_of_stamps(stamps: Iterable[Mapping[str, Any]]) -> Kind:
    """What the tests of a run show, by their protocol stamps."""
    return common(read_kind(stamp.get("kind")) for stamp in stamps)


def said(text: str, kind: Kind | None = None) -> str:
    """A text of persons, said of a kind. Words in quotes, names of keys and parts of paths stay.

    >>> said("a person who is in 2 lists of persons; dataset.val_persons=3", kind_of("animal"))
    'an animal that is in 2 lists of animals; dataset.val_persons=3'
    >>> said("Person re-identification by the column 'person'", kind_of("vehicle"))
    "Vehicle re-identification by the column 'person'"

    Args:
        text: The text.
        kind: None: the kind of what this process has read.
    """
    spoken = kind or _Spoken.kind or PERSON
    return text if spoken == PERSON else _WORD.sub(lambda match: _renamed(match, spoken), text)


def _renamed(match: re.Match[str], kind: Kind) -> str:
    if match["quote"] and match["end"]:
        return match[0]
    noun = kind.one if match["noun"].lower() == "person" else kind.several
    noun = noun.capitalize() if match["noun"][0].isupper() else noun
    article = match["article"] or ""
    if article and noun[0] in "aeiou":
        article = f"{article[0]}n "
    return f"{match['quote']}{article}{noun}{' that' if match['who'] else ''}{match['end']}"
