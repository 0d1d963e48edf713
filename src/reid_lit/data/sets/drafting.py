"""From any folder of crops to the rows of a CSV file: who is on each image, and which list it belongs to."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.sets.crops import UNSPLIT, WORDS, Crop, drawn, ready_made
from reid_lit.data.sets.filenames import KNOWN, compiled, named, other_files, recognised
from reid_lit.data.sets.person_folders import FLAT, check_depth, crops_below, listed, part_folders
from reid_lit.records import Split

MARKET = ({"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"},
          {"train": "train_all", "query": "query", "gallery": "gallery"})  # fmt: skip
"""Market-1501's names of the list folders, original and layumi's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a folder would be as a data set.

    Attributes:
        rows: Path, person, camera and list of each image.
        notes: What was assumed about the folder, drawn and counted.
        others: How many files are no images, by the ending of their names.
    """

    rows: tuple[tuple[str, str, str, str], ...]
    notes: tuple[str, ...]
    others: Mapping[str, int]

    def text(self) -> str:
        """The CSV file; without the column ``camera`` where no camera is known."""
        header = ("path", "person", "camera", "split")
        kept = [place for place, name in enumerate(header) if name != "camera" or any(row[place] for row in self.rows)]
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([row[at] for at in kept] for row in (header, *self.rows))
        return stream.getvalue()


def draft(
    folder: Path, file: Path, *, pattern: str | None, train_fraction: float, val_fraction: float, split_seed: int
) -> Draft:
    """The images below ``folder``, each in a list.

    Args:
        folder: ``person/camera/image``, ``person/image``, images whose names hold the person, or ``train/``, ``query/``
            and ``gallery/`` of these.
        file: The CSV file that is to hold the rows. Paths start at its folder; an image that does not lie below it gets
            an absolute path.
        pattern: A regular expression with the groups ``person`` and, perhaps, ``camera``, searched for in each path
            below ``folder`` (with ``/`` between folders); None finds out from folders and known names.
        train_fraction: Share of the persons to train on, unless the lists are there already.
        val_fraction: Share of the persons to validate with, likewise.
        split_seed: Seed of the choice of persons.

    Raises:
        FileNotFoundError: there is no such folder, or no image.
        ValueError: it cannot be told who is on an image, or the persons are too few.
    """
    lists, notes = crops_of(folder, pattern)
    if UNSPLIT in lists:
        choice = {"train_fraction": train_fraction, "val_fraction": val_fraction}
        split = drawn(lists[UNSPLIT], name="csv", place=folder, split_seed=split_seed, **choice)
    else:
        split = ready_made(lists, name="csv", place=folder, told=lambda crop: f"{crop.path.relative_to(folder)}")
        notes = (*notes, "the lists are the folder's own, so train_fraction, val_fraction and split_seed play no part")
    crops = {crop.path: crop for each in lists.values() for crop in each}
    rows = tuple(_rows(split, crops, file.parent.resolve()))
    return Draft(rows=rows, notes=(*notes, *split.notes), others=other_files(folder, but=file))


def _rows(split: Split, crops: Mapping[Path, Crop], base: Path) -> Iterator[tuple[str, str, str, str]]:
    held = split.validation
    aside = (*held.query, *held.gallery) if held else ()
    for word, shots in zip(WORDS, (split.train, aside, split.query, split.gallery), strict=True):
        for crop in sorted(crops[shot.path] for shot in shots):
            path = crop.path.parent.resolve() / crop.path.name
            written = path.relative_to(base) if path.is_relative_to(base) else path
            yield written.as_posix(), crop.person, crop.camera, word


def crops_of(folder: Path, pattern: str | None) -> tuple[dict[str, list[Crop]], tuple[str, ...]]:
    """The crops of each list, and what was assumed to find them.

    Raises:
        FileNotFoundError: there is no such folder, or no image.
        ValueError: it cannot be told who is on an image.
    """
    places = _places(folder)
    if pattern is not None:
        return named(folder, places, compiled(pattern)), (f"persons by pattern={pattern}",)
    if all(_is_flat(place) for place in places.values()):
        title, known = recognised(folder, [path for place in places.values() for path in listed(place)[1]])
        return named(folder, places, known), (f"persons and cameras by file names, which are like {title}",)
    lists = crops_below(places)
    note = check_depth(lists, folder)
    return lists, (note, *(_hint(lists) if note == FLAT else ()))


def _places(folder: Path) -> dict[str, Path]:
    """The folder of each list, by our names or by Market-1501's."""
    for names in MARKET:
        if all((folder / name).is_dir() for name in names.values()):
            return {word: folder / name for word, name in names.items()}
    return part_folders(folder)


def _is_flat(folder: Path) -> bool:
    folders, images = listed(folder)
    return bool(images) and not any(any(listed(below)) for below in folders)


def _hint(lists: Mapping[str, Sequence[Crop]]) -> Iterator[str]:
    """Cameras that the file names of person/image seem to hold."""
    crops = [crop for each in lists.values() for crop in each]
    for title, text in KNOWN.items():
        matches = [re.search(text, crop.path.name, re.ASCII) for crop in crops]
        if all(match and match["person"] == crop.person for match, crop in zip(matches, crops, strict=True)):
            yield f"""file names look like {title}; 'pattern="{text}"' would take cameras from them"""
