"""Images that cannot be read, and images that are stored twice."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import permutations
from pathlib import Path

from reid_lit.checkup.counts import common_folder
from reid_lit.checkup.diagnosis import below
from reid_lit.data.feeding.readable import OTHER
from reid_lit.data.problems import Problem
from reid_lit.files.access import state
from reid_lit.files.copies import digest
from reid_lit.progress import Progress
from reid_lit.records import JUNK, Shot, Split
from reid_lit.wording import counted

DUPLICATES = "duplicates"
ANEW = "copy them anew, or train without them: dataset.on_bad_image=drop"


def damage(bad: Mapping[Path, str], shots: Collection[Shot], root: Path) -> list[Problem]:
    """A problem for each sort of damage.

    Args:
        bad: The images that cannot be read, and why.
        shots: All images.
        root: The data set's folder.
    """
    sorts: dict[str, dict[Path, str]] = defaultdict(dict)
    for path, reason in bad.items():
        word, _, detail = reason.partition(" (")
        detail = detail.removesuffix(")")
        if word == OTHER:
            sorts[f"{word} but {detail}"][path] = ""
        else:
            sorts[word][path] = f" ({detail})" if detail and word != "empty" else ""
    problems = []
    for sort, details in sorted(sorts.items(), key=lambda item: -len(item[1])):
        place = common_folder([shot for shot in shots if shot.path in details], root)
        examples = tuple(f"{below(path, place)}{detail}" for path, detail in list(details.items())[:3])
        images, verb = counted(len(details), "image", grouped=True), "is" if len(details) == 1 else "are"
        fact = f"{images} of {len(shots):,} {verb} {sort}"
        problems.append(Problem(kind=sort.partition(" but ")[0], place=place, fact=fact, cure=ANEW, examples=examples))
    return problems


def digests(paths: Iterable[Path], *, tell: Progress | None = None) -> list[list[Path]]:
    """The groups of files of the same content; only files of the same size are read."""
    sizes: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        sizes[state(path)[0]].append(path)
    doubtful = [path for group in sizes.values() if len(group) > 1 for path in group]
    contents: dict[bytes, list[Path]] = defaultdict(list)
    for done, path in enumerate(doubtful, start=1):
        contents[digest(path)].append(path)
        if tell is not None and done % 100 == 0:
            tell(done, len(doubtful))
    return [group for group in contents.values() if len(group) > 1]


def duplicates(
    split: Split, groups: Iterable[list[Path]], root: Path, *, camera_rule: str = "cross_camera"
) -> list[Problem]:
    """Images that stand on both sides of a test, or for two persons.

    A camera may give the same frame twice (WARD has a hundred of these), and a gallery may hold the queries too, as
    VeRi-776's does. That is no problem where the camera rule removes the copy: it is of the query's person and camera.

    Args:
        split: The lists; a file that is query and gallery by design is no duplicate of itself.
        groups: Files of the same content.
        camera_rule: ``cross_camera`` or ``any_camera``.
        root: The data set's folder.
    """
    parts = [*split.tested, *([split.validation] if split.validation else [])]
    roles = {
        "training": {shot.path for shot in split.train},
        "query": {shot.path for part in parts for shot in part.query},
        "gallery": {shot.path for part in parts for shot in part.gallery},
    }
    shots = {shot.path: shot for shot in split.shots}
    strict = camera_rule != "cross_camera"
    pairs: dict[str, list[tuple[Path, Path]]] = defaultdict(list)
    for group in groups:
        sort, pair = _sort([shots[path] for path in group], roles, strict=strict)
        if pair:
            pairs[sort].append(pair)
    return [_problem(sort, copies, root) for sort, copies in pairs.items()]


_CURES = {
    "in query and in gallery": "remove them from the gallery: there a query finds itself",
    "in training and in query": "remove them from training: a test needs unseen images",
    "in training and in gallery": "remove them from training: a test needs unseen images",
    "there for two persons": "remove the copy of the wrong person",
}


def _sort(group: list[Shot], roles: Mapping[str, set[Path]], *, strict: bool) -> tuple[str, tuple[Path, Path] | None]:
    """What is wrong with shots of the same content, and two of them to show it."""
    for role, second_role in (("query", "gallery"), ("training", "query"), ("training", "gallery")):
        for first, second in permutations(group, 2):
            in_both = first.path in roles[role] and second.path in roles[second_role]
            removed = role == "query" and not strict and _one_take(first, second)
            if in_both and not removed:
                return f"in {role} and in {second_role}", (first.path, second.path)
    persons = {shot.person_id: shot.path for shot in reversed(group) if shot.person_id != JUNK}
    if len(persons) > 1:
        first_path, second_path, *_ = sorted(persons.values())
        return "there for two persons", (first_path, second_path)
    return "", None


def _one_take(first: Shot, second: Shot) -> bool:
    """Whether both show one person by one camera."""
    return (first.person_id, first.camera_id) == (second.person_id, second.camera_id)


def _problem(sort: str, pairs: list[tuple[Path, Path]], root: Path) -> Problem:
    examples = tuple(f"{below(first, root)} = {below(second, root)}" for first, second in pairs[:3])
    fact = f"{counted(len(pairs), 'image is', 'images are', grouped=True)} {sort}, byte for byte"
    return Problem(kind=DUPLICATES, place=root, fact=fact, cure=_CURES[sort], examples=examples)
