"""``python -m reid_lit.describe dataset=<option>``: a data set in numbers and pictures."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from reid_lit.command.launch import launch
from reid_lit.data.splits import hold_out
from reid_lit.data.statistics import (
    Files,
    Listing,
    Spread,
    Statistics,
    files_of,
    lists_of,
    spread,
    statistics_of,
    to_json,
)
from reid_lit.figures.contact_sheet import contact_sheet
from reid_lit.figures.statistics import Listed, statistics_figure
from reid_lit.paths import write_text, write_whole
from reid_lit.run.datasets import make_data, split_ids, with_dataset

COLUMNS = 4
"""Lists beside each other in the table of cameras; more go into another table."""

CAMERAS = 40
"""Cameras that are printed; the file has all."""

SPREAD = "min | median | mean | max"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is told of a list."""

    numbers: Statistics
    files: Files


def describe(config: DictConfig) -> None:
    """Print and draw what ``config.dataset`` holds, as it would be trained on and tested with.

    The members of a joint data set are described one by one: what they count as person 5 are different people.
    """
    members = [with_dataset(config, entry) for entry in config.dataset.get("members", ())]
    for each in members or [config]:
        _describe(each, Path(config.output or "describe").expanduser(), apart=bool(members) or config.output is None)


def _describe(config: DictConfig, folder: Path, *, apart: bool) -> None:
    """Describe one data set in ``folder``, or, ``apart`` from others, in a folder of its name there."""
    data = make_data(config)
    data.prepare_data()
    # not data.setup(), which reads every image to its end and stops at one that is broken
    split, validation = hold_out(data.read(), data.val_persons, seed=data.split_seed)
    ids = split_ids(config)
    notes = ([f"this is split {ids[0]} of the splits {ids}"] if ids else []) + list(split.notes)
    lists = lists_of(split, validation)
    facts = {name: _facts(listing, config.headers) for name, listing in lists.items()}
    folder = folder / split.name if apart else folder
    title = f"{split.name}: {facts['all'].numbers.total}"
    numbers = {name: to_json(fact.numbers, fact.files) for name, fact in facts.items()}
    _write(folder, {"dataset": split.name, "notes": notes, "lists": numbers})
    parts = {name: fact for name, fact in facts.items() if name != "all"}
    figure = statistics_figure({name: _listed(fact) for name, fact in parts.items()}, title=title)
    write_whole(folder / "statistics.png", figure.savefig)
    sheet = contact_sheet(_sides({name: lists[name] for name in parts}), persons=config.persons, title=title)
    write_whole(folder / "contact_sheet.png", sheet.save)
    _show(split.name, facts, notes, folder)


def _facts(listing: Listing, headers: int) -> Facts:
    files = files_of([shot.path for shot in listing.shots], most=headers)
    return Facts(numbers=statistics_of(listing.shots, listing.strangers), files=files)


def _listed(fact: Facts) -> Listed:
    numbers = fact.numbers
    persons = tuple(numbers.images_of_person.values())
    return Listed(images_of_person=persons, images_of_camera=numbers.images_of_camera, sizes=fact.files.sizes)


def _sides(lists: Mapping[str, Listing]) -> dict[str, list]:
    """Training, validation and testing, without distractors."""
    sides: dict[str, list] = {}
    for name, listing in lists.items():
        side = name if name == "train" else "validation" if name.startswith("validation ") else "test"
        aside = {shot.person_id for shot in listing.strangers or ()}
        sides.setdefault(side, []).extend(shot for shot in listing.shots if shot.person_id not in aside)
    return sides


def _write(folder: Path, content: Mapping[str, object]) -> None:
    write_text(folder / "describe.json", json.dumps(content, indent=2, allow_nan=False) + "\n")


def _show(title: str, facts: Mapping[str, Facts], notes: Sequence[str], folder: Path) -> None:
    console = Console()
    for table in tables(title, facts):
        console.print(table)
    for note in notes:
        console.print(f"- {note}", markup=False, soft_wrap=True)
    whole = facts["all"].numbers
    if whole.total.junk or whole.distractors:
        console.print("- per person: junk and distractors are left aside", soft_wrap=True)
    if any(fact.files.looked_at < fact.numbers.total.images for fact in facts.values()):
        most = max(fact.files.looked_at for fact in facts.values())
        console.print(
            f"- sizes and formats: of lists with more than {most} images, an even choice was looked at", soft_wrap=True
        )
    console.print(f"{folder} has describe.json, statistics.png and contact_sheet.png", markup=False, soft_wrap=True)


def tables(title: str, facts: Mapping[str, Facts]) -> Iterable[Table]:
    """What each list holds, how it is spread, what its files are, and what each camera took."""
    yield _table(
        title,
        ("list", "persons", "images", "cameras", "junk", "distractors"),
        ((name, *_counts(fact.numbers)) for name, fact in facts.items()),
    )
    yield _table(
        f"per person: {SPREAD}",
        ("list", "images", "cameras"),
        ((n, _told(f.numbers.images_of_person), _told(f.numbers.cameras_of_person)) for n, f in facts.items()),
    )
    yield _table(
        "files: min | median | max of the pixels",
        ("list", "height", "width", "format", "MB"),
        ((name, *_files(fact.files)) for name, fact in facts.items()),
    )
    names = list(facts)
    cameras = sorted({camera for fact in facts.values() for camera in fact.numbers.images_of_camera})
    for start in range(0, len(names), COLUMNS):
        some = names[start : start + COLUMNS]
        yield _table(
            "images of each camera" + (f" (the first {CAMERAS} of {len(cameras)})" if len(cameras) > CAMERAS else ""),
            ("camera", *some),
            (
                (f"c{c + 1}", *(str(facts[n].numbers.images_of_camera.get(c, 0)) for n in some))
                for c in cameras[:CAMERAS]
            ),
        )


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*header, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def _counts(numbers: Statistics) -> tuple[str, ...]:
    total, strangers = numbers.total, numbers.distractors
    counted = (total.persons, total.images, total.cameras, total.junk)
    return *map(str, counted), "–" if strangers is None else str(strangers)


def _told(of_person: Mapping[int, int]) -> str:
    return str(spread(of_person.values()) or "–")


def _files(files: Files) -> tuple[str, ...]:
    readable = sum(files.formats.values())
    formats = [
        name if number == readable else f"{name} {number / readable:.0%}" for name, number in files.formats.items()
    ] + ([f"{files.unreadable} unreadable"] if files.unreadable else [])
    return _range(files.height), _range(files.width), ", ".join(formats), f"{files.megabytes:.1f}"


def _range(pixels: Spread | None) -> str:
    return "–" if pixels is None else f"{pixels.minimum:g} | {pixels.median:g} | {pixels.maximum:g}"


if __name__ == "__main__":
    launch(describe, config_name="describe")
