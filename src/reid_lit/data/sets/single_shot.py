"""Data sets of a folder for each of two cameras, with one image of a person in each: who is in both, and the tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from reid_lit.data.problems import LISTS, NAMES, Problem, Report, stop
from reid_lit.data.sets.naming import Naming, named_images
from reid_lit.records import Rules, Shot, Split
from reid_lit.wording import counted

CAMERAS = ("cam_a", "cam_b")


def shots_by_person(folder: Path, camera: int, naming: Naming, report: Report = stop) -> dict[int, Shot]:
    """The image of each person in a camera's folder.

    Args:
        folder: The camera's folder.
        camera: Its number, from 0.
        naming: How the images are named.
        report: Receives what is wrong, such as a second image of a person; by default it raises.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: an image is not named like the data set, or a person has two.
    """
    shots: dict[int, Shot] = {}
    again = []
    for path, match in named_images(folder, naming, report):
        person = int(match["person"])
        if person in shots:
            again.append(path.name)
        else:
            shots[person] = Shot(path=path, person_id=person, camera_id=camera)
    if again:
        persons = counted(len(again), "person has", "persons have")
        fact = f"{naming.title}: {persons} a second image in {folder.resolve()}"
        cure = "remove it: each has one image by each camera"
        report(Problem(kind=NAMES, place=folder, fact=fact, cure=cure, examples=tuple(again[:3])))
    return shots


def paired(folder: Path, cameras: Sequence[dict[int, Shot]], naming: Naming, report: Report = stop) -> tuple[Shot, ...]:
    """The shots of the persons that both cameras saw, by person, then camera.

    Args:
        folder: The folder of the cameras' folders.
        cameras: The image of each person, of each camera; of those whom both should have seen.
        naming: How the images are named.
        report: Receives the persons of one camera; by default it raises.

    Raises:
        ValueError: a person is in one camera only.
    """
    for (shots, others), camera in zip((cameras, cameras[::-1]), CAMERAS, strict=True):
        alone = sorted(shots.keys() - others.keys())
        if alone and others:  # a folder without images was reported already
            fact = f"{naming.title}: {counted(len(alone), 'person')} of {folder.resolve()} in {camera}/ only"
            cure = "copy the data set anew: each has one image by each camera"
            examples = tuple(shots[person].path.name for person in alone[:3])
            report(Problem(kind=LISTS, place=folder / camera, fact=fact, cure=cure, examples=examples))
    both = sorted(cameras[0].keys() & cameras[1].keys())
    return tuple(camera_shots[person] for person in both for camera_shots in cameras)


def one_way(name: str, test: Iterable[Shot], query: int, gallery: int, *, rules: Rules) -> Split:
    """The test of one camera's images against another's.

    Args:
        name: The data set; the test is called ``<name>_a_to_b``.
        test: The images of the test persons.
        query: The camera of the queries, from 0.
        gallery: That of the gallery.
        rules: The data set's own.
    """
    test = tuple(test)
    queries, others = (tuple(shot for shot in test if shot.camera_id == camera) for camera in (query, gallery))
    title = f"{name}_{'ab'[query]}_to_{'ab'[gallery]}"
    return Split(name=title, train=(), query=queries, gallery=others, rules=rules)
