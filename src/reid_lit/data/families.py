"""Data sets that show the same persons on other images: who is on an image, by its path.

Files of one content are found by their bytes; the crops here differ. CUHK03's persons are cut out by a detector and by
hand, and numbered 1 … 1467 in the order of camera pair and number in the pair, as in CUHK03-NP. MSMT17 shows its
persons with their faces and, in version 2, without. The persons of CUHK02's pair P1 are those of CUHK01, under other
numbers; its other pairs show others. Layouts: the readers in :mod:`.sets`.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reid_lit.files.copies import copies
from reid_lit.records import common_images

_PATHS = re.compile(
    r"/images_(?:detected|labeled)/(?P<cuhk03_pair>[1-5])_(?P<cuhk03>\d{3})_[12]_\d{2}\.(?:png|jpg)$"
    r"|/(?:detected|labeled)/(?:bounding_box_train|bounding_box_test|query)/(?P<cuhk03_np>\d{4})_c[12]_\d+\.(?:png|jpg)$"
    r"|/(?:mask_)?(?P<msmt17_part>train|test)(?:_v2)?/(?:\w+/)*(?P<msmt17>\d{4})_\d{3}_(?:0[1-9]|1[0-5])_\w+\.jpg$"
    r"|/campus/(?P<cuhk01>\d{4})00[1-4]\.png$"
    r"|/P1/cam[12]/(?P<cuhk02>\d{1,4})_\d+\.png$",
    re.ASCII,
)
CUHK03_PAIRS = (843, 440, 77, 58, 49)
"""Persons of each camera pair."""
UNKEYED = "CUHK01"
"""The family whose data sets number their persons apart, with no key from one to the other."""


class Member(NamedTuple):
    """Who is on an image.

    Attributes:
        family: The name of data sets that show the same persons.
        numbering: Which of their numberings the person's number is of.
        number: The person.
    """

    family: str
    numbering: str
    number: int


def member(path: str) -> Member | None:
    """Who is on an image of a family, by its path; None for all others.

    >>> member("/data/cuhk03/images_labeled/2_001_1_01.png")
    Member(family='CUHK03', numbering='CUHK03', number=844)
    >>> member("/data/cuhk03-np/detected/query/0844_c1_3.png") == member("/data/cuhk03/images_labeled/2_001_1_01.png")
    True
    """
    match = _PATHS.search(path)
    if match is None:
        return None
    kind = match.lastgroup or ""
    number = int(match[kind])
    if kind == "cuhk03":
        return Member("CUHK03", "CUHK03", sum(CUHK03_PAIRS[: int(match["cuhk03_pair"]) - 1]) + number)
    if kind == "cuhk03_np":
        return Member("CUHK03", "CUHK03", number)
    if kind == "msmt17":
        return Member("MSMT17", match["msmt17_part"], number)
    return Member(UNKEYED, "CUHK02's pair P1" if kind == "cuhk02" else "CUHK01", number)


def shown_among(images: frozenset[str], learnt: frozenset[str]) -> tuple[list[str], str]:
    """The images that are among learnt ones, by name or content; else those of their persons, and of whom they are.

    Args:
        images: Paths; those that are given back, sorted.
        learnt: Paths of the images whose persons are known.
    """
    same = common_images(images, learnt) or copies(images, learnt)
    return (same, "") if same else of_known_persons(images, learnt)


def of_known_persons(images: Iterable[str], learnt: frozenset[str]) -> tuple[list[str], str]:
    """The images that show persons of learnt images, and of whom they are, in words; empty where there are none.

    Where two numberings have no key to each other, as those of CUHK01 and CUHK02, every person is taken for known.

    Args:
        images: Paths; those that are given back, sorted.
        learnt: Paths of the images whose persons are known.
    """
    members = {path: who for path in images if (who := member(path))}
    known = _members(learnt) if members else {}
    seen = sorted(path for path, who in members.items() if _is_known(who, known))
    if not seen:
        return [], ""
    who = members[seen[0]]
    others = sorted(_unkeyed(who, known))
    return seen, f"{who.family}, which {others[0]} numbers otherwise" if others else who.family


def _is_known(who: Member, known: Mapping[str, Mapping[str, set[int]]]) -> bool:
    return bool(_unkeyed(who, known)) or who.number in known.get(who.family, {}).get(who.numbering, ())


def _unkeyed(who: Member, known: Mapping[str, Mapping[str, set[int]]]) -> set[str]:
    """The other numberings of what is known of the same persons, where no key leads from one to the other."""
    return set(known.get(who.family, ())) - {who.numbering} if who.family == UNKEYED else set()


@functools.lru_cache(maxsize=2)  # the tests of a run ask for the same images
def _members(paths: frozenset[str]) -> dict[str, dict[str, set[int]]]:
    """The numbers of the persons on images, by family and numbering."""
    found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for path in paths:
        if who := member(path):
            found[who.family][who.numbering].add(who.number)
    return found
