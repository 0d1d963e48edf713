"""The rows of a CSV file for any folder of crops: the person, camera and list of each image."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from reid_lit.data.problems import NAMES, Problem, check_text, stop
from reid_lit.data.sets.camera_names import why_cameras
from reid_lit.data.sets.crops import UNSPLIT, WORDS, drawn, ready_made
from reid_lit.data.sets.filenames import KNOWN, compiled, named, other_files, recognised
from reid_lit.data.sets.person_folders import FLAT, check_depth, check_persons_first, crops_below, listed, part_folders
from reid_lit.data.sets.person_names import JUNK_NAME, Crop, settled
from reid_lit.files.access import is_dir
from reid_lit.records import Split

MARKET = ({"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"},
          {"train": "train_all", "query": "query", "gallery": "gallery"})  # fmt: skip
"""Market-1501's names of the list folders, original and layumi's."""

SWAPPED = """'pattern="(^|/)(?P<camera>[^/]+)/(?P<person>[^/]+)/[^/]*$"' takes them the other way round"""
NO_PERSON = "say by pattern= where a file name holds the person: (?P<person>…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The contents of a folder as rows of a data set.

    Attributes:
        rows: Path, person, camera and list of each image.
        notes: What was assumed, drawn and counted.
        others: How many files are no images, by the ending of their names.
        kind: What the column ``kind`` says of every image; empty: there is none.
    """

    rows: tuple[tuple[str, str, str, str], ...]
    notes: tuple[str, ...]
    others: Mapping[str, int]
    kind: str = ""

    def text(self) -> str:
        """The CSV file; without the column ``camera`` where no camera is known."""
        header = ("path", "person", "camera", "split", "kind")
        columns = [0, 1, 2, 3] if any(camera for _, _, camera, _ in self.rows) else [0, 1, 3]
        columns += [4] if self.kind else []
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        rows = ((*row, self.kind) for row in self.rows)
        writer.writerows([row[column] for column in columns] for row in (header, *rows))
        return stream.getvalue()


def draft(
    folder: Path,
    file: Path,
    *,
    pattern: str | None,
    train_fraction: float,
    val_fraction: float,
    split_seed: int,
    junk: Sequence[str | int] = (JUNK_NAME,),
    kind: str = "",
) -> Draft:
    """List the images below ``folder``, and split them unless they are split already.

    Args:
        folder: ``person/camera/image``, ``person/image``, images whose names hold the person, or ``train/``, ``query/``
            and ``gallery/`` of these.
        file: The CSV file that is to hold the rows. Paths start at its folder; an image elsewhere gets an absolute
            path.
        pattern: A regular expression with the groups ``person`` and, perhaps, ``camera``, searched for in each path
            below ``folder`` (with ``/`` between folders); None uses the folders and known names.
        train_fraction: Share of the persons to train on, unless there are ready-made lists.
        val_fraction: Share of the persons to validate with, unless there are ready-made lists.
        split_seed: Seed of the choice of persons.
        junk: The names of persons that are junk, which the list calls ``-1``.
        kind: See :class:`Draft`.

    Raises:
        FileNotFoundError: there is no such folder, or no image.
        ValueError: the person of an image is unknown, persons seem to be cameras, or the persons are too few.
    """
    lists, notes = crops_of(folder, pattern)
    check_text([crop.path for crop in chain.from_iterable(lists.values())], folder, stop)
    lists, forms = settled(lists, junk=junk, place=folder, key="junk")
    notes = (*notes, *forms)
    if UNSPLIT in lists:
        choice = {"train_fraction": train_fraction, "val_fraction": val_fraction}
        split = drawn(lists[UNSPLIT], name="csv", place=folder, split_seed=split_seed, **choice)
    else:
        split = ready_made(lists, name="csv", place=folder, source=lambda crop: f"{crop.path.relative_to(folder)}")
        notes = (*notes, "the lists are the folder's own, so train_fraction, val_fraction and split_seed play no part")
    crops = {crop.path: crop for crop in chain.from_iterable(lists.values())}
    rows = tuple(_rows(split, crops, file.parent.resolve()))
    return Draft(rows=rows, notes=(*notes, *split.notes), others=other_files(folder, but=file), kind=kind)


def _rows(split: Split, crops: Mapping[Path, Crop], base: Path) -> Iterator[tuple[str, str, str, str]]:
    """Path, person, camera and list of each image."""
    held = split.validation
    aside = (*held.query, *held.gallery) if held else ()
    for word, shots in zip(WORDS, (split.train, aside, split.query, split.gallery), strict=True):
        for crop in sorted(crops[shot.path] for shot in shots):
            path = crop.path.parent.resolve() / crop.path.name
            written = path.relative_to(base) if path.is_relative_to(base) else path
            yield written.as_posix(), crop.person, crop.camera, word


def crops_of(folder: Path, pattern: str | None) -> tuple[dict[str, list[Crop]], tuple[str, ...]]:
    """The crops of each list, and notes about how they were read.

    Raises:
        FileNotFoundError: there is no such folder, or no image.
        ValueError: the person of an image is unknown.
    """
    places = _places(folder)
    if pattern is not None:
        lists = named(folder, places, compiled(pattern))
        if why := why_cameras(chain.from_iterable(lists.values())):
            cure = "swap the groups person and camera; if they are right, give the cameras names such as cam1"
            raise Problem(kind=NAMES, place=folder, fact=f"pattern={pattern}: {why}", cure=cure).error()
        return lists, (f"persons by pattern={pattern}",)
    if all(_is_flat(place) for place in places.values()):
        images = [path for place in places.values() for path in listed(place)[1]]
        title, expression = recognised(folder, images)
        return named(folder, places, expression), (f"persons and cameras by file names, which are like {title}",)
    lists = crops_below(places)
    note = check_depth(lists, folder)
    check_persons_first(lists, folder, swapped=SWAPPED, no_person=NO_PERSON)
    return lists, (note, *(_hint(lists) if note == FLAT else ()))


def _places(folder: Path) -> dict[str, Path]:
    """The folder of each list, by our names or by Market-1501's."""
    for names in MARKET:
        if all(is_dir(folder / name) for name in names.values()):
            return {word: folder / name for word, name in names.items()}
    return part_folders(folder)


def _is_flat(folder: Path) -> bool:
    folders, images = listed(folder)
    return bool(images) and not any(any(listed(below)) for below in folders)


def _hint(lists: Mapping[str, Sequence[Crop]]) -> Iterator[str]:
    """A note for each known kind of file names that all crops have: these names hold cameras too."""
    crops = list(chain.from_iterable(lists.values()))
    for title, text in KNOWN.items():
        matches = [re.search(text, crop.path.name, re.ASCII) for crop in crops]
        if all(match and match["person"] == crop.person for match, crop in zip(matches, crops, strict=True)):
            yield f"""file names look like {title}; 'pattern="{text}"' would take cameras from them"""
