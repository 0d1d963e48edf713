"""How many cameras see each person, and which queries have no match."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from reid_lit.checkup.counts import common_folder
from reid_lit.checkup.diagnosis import Fact, below
from reid_lit.data.problems import Problem
from reid_lit.evaluation.checks import check_marks
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranking import ABSENT, CLOTHES, FOUND, SAME_CAMERA
from reid_lit.evaluation.scores import causes
from reid_lit.records import JUNK, Shot, Split
from reid_lit.wording import counted

MATCHES = "queries without match"

_ABSENT = "the person is absent from the gallery"
_CAMERA = "the person is there only under the query's own camera"
_JUNK = "the query is junk itself (person -1)"
_CLOTHES = "the person is there only in clothes that the rule removes"
_REASONS = {ABSENT: _ABSENT, SAME_CAMERA: _CAMERA, CLOTHES: _CLOTHES}


def cameras_per_person(split: Split) -> Iterator[Fact]:
    """How many persons are seen by one camera and how many by more."""
    tested = {shot for test in split.tested for shot in (*test.query, *test.gallery)}
    for name, shots in (("train", split.train), ("test", tested)):
        numbers = Counter(len(cameras) for cameras in _cameras(shots).values())
        if numbers:
            groups = ", ".join(f"{persons:,} by {number}" for number, persons in sorted(numbers.items()))
            yield Fact(name=f"cameras per person, {name}", value=f"persons seen: {groups}")


def without_match(split: Split, protocol: Protocol, root: Path) -> list[Problem]:
    """A problem for each test that has queries without a match in the gallery.

    Args:
        split: The lists.
        protocol: Its camera rule decides what counts as a match, unless the data set prescribes one.
        root: The data set's folder.
    """
    problems = []
    for test in split.tested:
        if not (test.query and test.gallery):
            continue
        ruled = protocol.under(test.rules)
        rule = camera_rule(test, protocol)
        lists = Lists.of(test.query, test.gallery)
        check_marks(lists, ruled)
        results = causes(lists, replace(ruled, camera_rule=rule)).tolist()
        lost = [
            (shot, _JUNK if shot.person_id == JUNK else _REASONS[cause])
            for shot, cause in zip(test.query, results, strict=True)
            if cause != FOUND
        ]
        if lost:
            problems.append(_problem(test, lost, rule, root, name=test.name if split.tests else ""))
    return problems


def _problem(test: Split, lost: list[tuple[Shot, str]], rule: str, root: Path, *, name: str) -> Problem:
    place = common_folder(test.query, root)
    causes = Counter(cause for _, cause in lost)
    why = ", ".join(f"{cause} ({number:,})" for cause, number in causes.most_common())
    queries = counted(len(test.query), "query", "queries", grouped=True)
    fact = f"no match for {len(lost):,} of {queries}{f' of {name}' if name else ''}: {why}"
    if causes[_CAMERA] > len(test.query) / 2:
        cure = f"evaluation.camera_rule=any_camera counts matches under the query's own camera ({rule} does not)"
    else:
        cure = "they are left out of the scores; restore the gallery images, or remove these queries"
    examples = tuple(below(shot.path, place) for shot, _ in lost[:3])
    return Problem(kind=MATCHES, place=place, fact=fact, cure=cure, examples=examples)


def _cameras(shots: Iterable[Shot]) -> dict[int, set[int]]:
    """The cameras of each person, junk aside."""
    cameras: dict[int, set[int]] = defaultdict(set)
    for shot in shots:
        if shot.person_id != JUNK:
            cameras[shot.person_id].add(shot.camera_id)
    return cameras


def camera_rule(split: Split, protocol: Protocol) -> str:
    """The rule of a test: its data set's own, or the protocol's; settled where that is left to the lists."""
    return Lists.of(split.query, split.gallery).rule(protocol.under(split.rules))
