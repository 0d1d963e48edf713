"""Identity-disjoint splits: training persons, test persons, and which images are queries."""

import dataclasses
import hashlib
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from reid_lit.data.problems import SHARED, Problem, Report, stop
from reid_lit.errors import InputError
from reid_lit.records import JUNK, Rules, Shot, Split
from reid_lit.wording import counted


def draw_persons(person_ids: Iterable[int], count: int, *, seed: int) -> frozenset[int]:
    """The first ``count`` persons of a permutation that depends only on the set of persons and the seed."""
    persons = sorted(set(person_ids))
    random.Random(f"persons {seed}").shuffle(persons)
    return frozenset(persons[:count])


def part(shots: Sequence[Shot], persons: frozenset[int]) -> tuple[tuple[Shot, ...], tuple[Shot, ...]]:
    """The shots of the given persons, and all other shots, both in their order."""
    return (
        tuple(shot for shot in shots if shot.person_id in persons),
        tuple(shot for shot in shots if shot.person_id not in persons),
    )


def query_and_gallery(shots: Sequence[Shot]) -> tuple[tuple[Shot, ...], tuple[Shot, ...]]:
    """Queries and gallery cut from the shots of test persons.

    The first shot of a person by a camera is a query, if that camera took two shots of the person or more. If no camera
    did, the shot by the first camera is a query. A person with a single shot has no query and is a distractor. So each
    query keeps a match in the gallery, by another camera whenever two cameras saw the person.
    """
    groups: dict[int, dict[int, list[Shot]]] = defaultdict(lambda: defaultdict(list))
    for shot in shots:
        groups[shot.person_id][shot.camera_id].append(shot)
    queries = {id(shot) for cameras in groups.values() for shot in _queries(cameras)}
    query = tuple(shot for shot in shots if id(shot) in queries)
    return query, tuple(shot for shot in shots if id(shot) not in queries)


def _queries(cameras: dict[int, list[Shot]]) -> list[Shot]:
    firsts = [shots[0] for _, shots in sorted(cameras.items()) if len(shots) > 1]
    if not firsts and len(cameras) > 1:
        return [cameras[min(cameras)][0]]
    return firsts


def train_on_all(split: Split, *, distractors: Collection[int] = ()) -> Split:
    """Move all test persons to training, which leaves nothing to test (a source of a transfer).

    Args:
        split: The lists.
        distractors: Numbers of the gallery that stand for no one person; their images are left out, as junk is.
    """
    nobody = {JUNK, *distractors}
    kept = [shot for shot in split.shots if shot.person_id not in nobody]
    notes = [*split.notes, "trained on all persons, the test persons too: there is nothing left to test"]
    if left_out := len(split.shots) - len(kept):
        notes.append(f"{counted(left_out, 'image')} of junk and distractors left out")
    train = tuple(sorted(kept, key=lambda shot: (shot.person_id, shot.camera_id, shot.path)))
    return Split(
        name=split.name, train=train, query=(), gallery=(), notes=tuple(notes), rules=split.rules, kind=split.kind
    )


def check_disjoint(train: Iterable[Shot], test: Iterable[Shot], *, where: Path, report: Report = stop) -> None:
    """Report persons that are in training and in the test.

    Raises:
        ValueError: a person is in both; the message names up to three, with a file of each side.
    """
    first_train = {shot.person_id: shot.path for shot in reversed(tuple(train)) if shot.person_id != JUNK}
    first_test = {shot.person_id: shot.path for shot in reversed(tuple(test)) if shot.person_id != JUNK}
    shared = sorted(first_train.keys() & first_test.keys())
    if shared:
        examples = ", ".join(
            f"{person} ({first_train[person].relative_to(where)} and {first_test[person].relative_to(where)})"
            for person in shared[:3]
        )
        persons = counted(len(shared), "person is", "persons are")
        fact = f"{persons} in training and in query or gallery of {where.resolve()}: {examples}"
        cure = "a re-ID test needs unseen persons, so remove them from one side"
        report(Problem(kind=SHARED, place=where, fact=fact, cure=cure))


def as_target(split: Split) -> Split:
    """Plain images, which stand in the gallery to be embedded, as a training list to adapt to; other lists as they are.

    A camera that is not known counts as one.
    """
    if split.train or split.query or not split.gallery:
        return split
    train = tuple(dataclasses.replace(shot, camera_id=max(shot.camera_id, 0)) for shot in split.gallery)
    note = "no persons are known: images to adapt to, none to test"
    return dataclasses.replace(split, train=train, gallery=(), notes=(*split.notes, note))


def hold_out(split: Split, count: int, *, seed: int) -> tuple[Split, Split | None]:
    """Remove junk and ``count`` persons from training; return the split, and these persons as query and gallery.

    A training list of junk alone stays: it can be adapted to. Of the data set's rules, those hold for the persons held
    out that do not say how its own query and gallery are drawn.

    Raises:
        ValueError: no person would be left for training, or no held-out person has a query.
    """
    train = tuple(shot for shot in split.train if shot.person_id != JUNK) or split.train  # nobody known: a target
    persons = {shot.person_id for shot in train} - {JUNK}
    if count and not 0 <= count < len(persons):
        raise InputError(
            f"val_persons={count}: {split.name} has {counted(len(persons), 'training person')}, and one of them at"
            f" least trains; set it to 0 … {max(len(persons) - 1, 0)}"
        )
    if count == 0:
        return dataclasses.replace(split, train=train), split.validation
    if split.validation is not None:
        raise InputError(f"val_persons={count}: {split.name} sets validation persons aside itself; leave it at 0")
    held, remaining = part(train, draw_persons(persons, count, seed=seed))
    query, gallery = query_and_gallery(held)
    if not query:
        raise InputError(
            f"val_persons={count}: of {counted(count, 'held-out person')} of {split.name}, none has two images, so"
            f" there is no query; raise it or set it to 0"
        )
    note = f"{counted(count, 'training person')} held out for validation, drawn by split_seed={seed}"
    validation = Split(
        name=f"{split.name}_validation",
        train=(),
        query=query,
        gallery=gallery,
        notes=(note,),
        rules=Rules(ap=split.rules.ap, camera_rule=split.rules.camera_rule),
        kind=split.kind,
    )
    return dataclasses.replace(split, train=remaining, notes=(*split.notes, note)), validation


def refuse_held_out(*counts: int, cure: str) -> None:
    """Raise InputError where persons of one of several data sets that are trained on together are held out.

    Args:
        counts: ``val_persons`` of each.
        cure: What to do instead, for the message.
    """
    for count in filter(None, counts):
        raise InputError(
            f"val_persons={count}: one of several data sets that are trained on together holds none out; {cure}"
        )


def fingerprint(shots: tuple[Shot, ...]) -> str:
    """A hash of a training list: names, persons and cameras, in order, without the images' folders."""
    text = "\n".join(f"{shot.path.name} {shot.person_id} {shot.camera_id}" for shot in shots)
    return hashlib.sha256(text.encode()).hexdigest()
