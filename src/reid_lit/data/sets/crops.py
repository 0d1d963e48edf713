"""A user's own crops: numbered, and split by identity or as the user split them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path

from reid_lit.data.problems import LISTS, SHARED, Problem, Report, stop
from reid_lit.data.sets.person_names import JUNK_NAME, Crop
from reid_lit.data.splits import draw_persons, part, query_and_gallery
from reid_lit.errors import InputError
from reid_lit.records import JUNK, Shot, Split
from reid_lit.wording import counted

WORDS = ("train", "val", "query", "gallery")
"""The lists that a user may make."""

NEEDED = ("query", "gallery")
"""The lists that a test needs; without ``train`` the crops serve for testing alone."""

UNSPLIT = ""
"""The name of the list of all crops where the user made no lists."""


def numbers(names: Iterable[str], *, first: int) -> dict[str, int]:
    """Number the names in sorted order: by value if all are whole numbers, by letters otherwise.

    >>> numbers(["10", "2"], first=1), numbers(["10", "2", "Ann"], first=1)
    ({'2': 1, '10': 2}, {'10': 1, '2': 2, 'Ann': 3})
    """
    different = set(names)
    if all(name.isascii() and name.isdigit() for name in different):
        return {name: number for number, name in enumerate(sorted(different, key=lambda n: (int(n), n)), start=first)}
    return {name: number for number, name in enumerate(sorted(different), start=first)}


def shots_of(lists: Mapping[str, Sequence[Crop]]) -> tuple[dict[str, tuple[Shot, ...]], tuple[str, ...]]:
    """Each list as shots, persons numbered from 1 and cameras from 0; and notes about the numbers."""
    crops = list(chain.from_iterable(lists.values()))
    persons = numbers((crop.person for crop in crops if crop.person != JUNK_NAME), first=1)
    cameras = numbers((crop.camera for crop in crops), first=0)
    ids = persons | {JUNK_NAME: JUNK}
    shots = {
        word: tuple(Shot(path=c.path, person_id=ids[c.person], camera_id=cameras[c.camera]) for c in members)
        for word, members in lists.items()
    }
    junk = sum(crop.person == JUNK_NAME for crop in crops)
    return shots, tuple(_notes(list(persons), list(cameras), junk))


def unlabelled(crops: Iterable[Crop], *, name: str, place: Path) -> Split:
    """Images whose persons nobody knows, as a training list: the target of an adaptation. There is nothing to test.

    Args:
        crops: The images, with their cameras where they are known; their persons are not read.
        name: The name of the split.
        place: The folder or file that messages name.
    """
    listed = sorted(Crop("", crop.camera, crop.path) for crop in crops)
    cameras = numbers((crop.camera for crop in listed), first=0)
    train = tuple(Shot(path=crop.path, person_id=JUNK, camera_id=cameras[crop.camera]) for crop in listed)
    notes = [f"no persons are known in {place.name}: images to adapt to, none to test"]
    if len(cameras) > 1:
        notes.append(f"cameras: {_numbered('c', list(cameras))}")
    return Split(name=name, train=train, query=(), gallery=(), notes=tuple(notes))


def _notes(persons: list[str], cameras: list[str], junk: int) -> Iterable[str]:
    if len(cameras) == 1:
        yield "a single camera: rank with the camera rule any_camera, which auto takes (cross_camera leaves no match)"
    elif cameras:
        yield f"cameras: {_numbered('c', cameras)}"
    if persons:
        yield f"persons are numbered in the order of their names: {_numbered('', persons)}"
    if junk:
        yield f"junk: {counted(junk, 'image')} of person {JUNK_NAME}"


def _numbered(prefix: str, names: list[str]) -> str:
    """The first and the last name with their numbers, counted from 1."""
    ends = sorted({1, len(names)})
    return ", ".join(f"{prefix}{end} is {names[end - 1]!r}" for end in ends)


def drawn(
    crops: Sequence[Crop],
    *,
    name: str,
    place: Path,
    train_fraction: float,
    val_fraction: float = 0.0,
    split_seed: int,
) -> Split:
    """A split whose persons are drawn: some train, some validate, the others are tested.

    The first image that each camera took of a test or validation person is a query (see
    :func:`.splits.query_and_gallery`). A person with a single image is a distractor. Junk goes to the gallery.

    Args:
        crops: All images.
        name: The name of the split.
        place: The folder or file that messages name.
        train_fraction: Share of the persons to train on, in (0, 1); at least one trains and one is left.
        val_fraction: Share of the persons to validate with, in [0, 1 - train_fraction); 0 sets none aside.
        split_seed: Seed of the choice.

    Raises:
        ValueError: a fraction is out of range, the persons are too few, or none that is tested has two images.
    """
    _check_fractions(train_fraction, val_fraction)
    shots, notes = shots_of({UNSPLIT: crops})
    junk, labelled = part(shots[UNSPLIT], frozenset({JUNK}))
    persons = {shot.person_id for shot in labelled}
    needed = 3 if val_fraction else 2
    if len(persons) < needed:
        names = ", ".join(sorted({crop.person for crop in crops} - {JUNK_NAME})) or "nobody"
        fact = f"{place.resolve()} holds {counted(len(persons), 'person')} ({names})"
        cure = f"a split needs {needed} or more, each under a name of their own"
        raise Problem(kind=LISTS, place=place, fact=fact, cure=cure).error()
    training = min(max(round(train_fraction * len(persons)), 1), len(persons) - needed + 1)
    validating = min(max(round(val_fraction * len(persons)), 1), len(persons) - training - 1) if val_fraction else 0
    train, remaining = part(labelled, draw_persons(persons, training, seed=split_seed))
    held, test = part(remaining, draw_persons(persons, training + validating, seed=split_seed))
    validation = _validation(held, name=name, place=place) if validating else None
    query, gallery = query_and_gallery(test)
    if not query:
        tested = counted(len(persons) - training - validating, "test person")
        fact = f"{tested} of {place.resolve()}, but none has two images,"
        cure = f"add images, lower train_fraction={train_fraction} or change split_seed={split_seed}"
        raise Problem(kind=LISTS, place=place, fact=f"{fact} so there is no query", cure=cure).error()
    shares = f"{training} of {len(persons)} persons train" + (f", {validating} validate" if validating else "")
    lone = len({shot.person_id for shot in gallery} - {shot.person_id for shot in query})
    dropped = (f"distractors: {counted(lone, 'test person')} with a single image",) if lone else ()
    notes = (*notes, f"{shares}, drawn by split_seed={split_seed}", *dropped)
    return Split(name=name, train=train, query=query, gallery=junk + gallery, notes=notes, validation=validation)


def _check_fractions(train: float, val: float) -> None:
    if not 0 < train < 1:
        raise InputError(f"train_fraction={train}: outside (0, 1); 0.5 trains on half of the persons")
    if not 0 <= val < 1 - train:
        raise InputError(
            f"val_fraction={val}: with train_fraction={train}, no person is left to test, or it is negative; their"
            f" sum must be below 1"
        )


def _validation(held: tuple[Shot, ...], *, name: str, place: Path, report: Report = stop) -> Split | None:
    query, gallery = query_and_gallery(tuple(shot for shot in held if shot.person_id != JUNK))
    if query:
        return Split(name=f"{name}_validation", train=(), query=query, gallery=gallery)
    count = len({shot.person_id for shot in held})
    persons = counted(count, "validation person")
    fact = f"{persons} of {place.resolve()}, but none has two images, so there is no query"
    report(Problem(kind=LISTS, place=place, fact=fact, cure="add images or validate with more persons"))
    return None


def ready_made(
    lists: Mapping[str, Sequence[Crop]], *, name: str, place: Path, source: Callable[[Crop], str], report: Report = stop
) -> Split:
    """The split that the user made: ``query``, ``gallery`` and perhaps ``train`` and ``val``.

    Args:
        lists: The images, by the words of :data:`WORDS`.
        name: The name of the split.
        place: The folder or file that messages name.
        source: The line or file that gives the person of a crop, for messages.
        report: Receives what is wrong; by default it raises.

    Raises:
        ValueError: a person is on two sides, a query is junk, no query's person is in the gallery, or no person of
            ``val`` has two images.
    """
    _check_sides(lists, place, source, report)
    _check_queries(lists, place, report)
    shots, notes = shots_of(lists)
    validation = _validation(shots["val"], name=name, place=place, report=report) if shots.get("val") else None
    train, query, gallery = (shots.get(word, ()) for word in ("train", "query", "gallery"))
    notes = notes if train else (*notes, "no training images: this set is for testing")
    query_persons = {shot.person_id for shot in query}
    gallery_persons = {shot.person_id for shot in gallery}
    if distractors := len(gallery_persons - query_persons - {JUNK}):
        notes = (*notes, f"distractors: {counted(distractors, 'gallery person')} that no query shows")
    if absent := len(query_persons - gallery_persons):
        notes = (*notes, f"no match for {absent} of {counted(len(query_persons), 'query person')}: not in the gallery")
    return Split(name=name, train=train, query=query, gallery=gallery, notes=notes, validation=validation)


def _check_sides(
    lists: Mapping[str, Sequence[Crop]], place: Path, source: Callable[[Crop], str], report: Report
) -> None:
    """Report persons on two of the sides training, validation and testing."""
    sides = {"training": ("train",), "validation": ("val",), "query or gallery": ("query", "gallery")}
    first = {
        side: {crop.person: crop for word in reversed(words) for crop in reversed(lists.get(word, ()))}
        for side, words in sides.items()
    }
    for side, second in combinations(sides, 2):
        shared = sorted((first[side].keys() & first[second].keys()) - {JUNK_NAME})
        if shared:
            examples = (f"{who} ({source(first[side][who])} and {source(first[second][who])})" for who in shared[:3])
            fact = f"{counted(len(shared), 'person is', 'persons are')} in {side} and in {second} of {place.resolve()}"
            cure = "a re-ID test needs unseen persons, so remove them from one side"
            report(Problem(kind=SHARED, place=place, fact=fact, cure=cure, examples=tuple(examples)))


def _check_queries(lists: Mapping[str, Sequence[Crop]], place: Path, report: Report) -> None:
    junk = [crop.path.name for crop in lists["query"] if crop.person == JUNK_NAME]
    if junk:
        queries = counted(len(junk), "query", "queries")
        fact = f"{queries} of person {JUNK_NAME}, which is junk, in {place.resolve()}"
        cure = "put them into the gallery or remove them"
        report(Problem(kind=LISTS, place=place, fact=fact, cure=cure, examples=tuple(junk[:3])))
    persons = sorted({crop.person for crop in lists["query"]} - {JUNK_NAME})
    if persons and not {crop.person for crop in lists["gallery"]}.intersection(persons):
        fact = f"{counted(len(persons), 'query person')} of {place.resolve()}, but none is in the gallery"
        cure = "query and gallery must name the same persons alike"
        report(Problem(kind=LISTS, place=place, fact=fact, cure=cure, examples=tuple(persons[:3])))
