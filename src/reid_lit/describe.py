"""``python -m reid_lit.describe dataset=<option>``: a data set in numbers and pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from reid_lit.command.launch import launch
from reid_lit.kinds import said
from reid_lit.paths import write_text, write_whole

if TYPE_CHECKING:
    from reid_lit.data.statistics import Listing, Statistics


def describe(config: DictConfig) -> None:
    """Print and draw what ``config.dataset`` holds for training and testing.

    The members of a joint data set are described one by one: person 5 of each is another person.
    """
    from reid_lit.run.datasets import with_dataset  # here, as below: --help does not wait for torch

    members = [with_dataset(config, entry) for entry in config.dataset.get("members", ())]
    folder = Path(config.output or "describe").expanduser()
    for member in members or [config]:
        _describe(member, folder, apart=bool(members) or config.output is None)


def _describe(config: DictConfig, folder: Path, *, apart: bool) -> None:
    """Describe one data set in ``folder``, or, if ``apart``, in a folder inside it that has the data set's name."""
    from reid_lit.data.splits import hold_out
    from reid_lit.data.statistics import lists_of, statistics_of, to_json
    from reid_lit.run.datasets import make_data, split_ids

    data = make_data(config)
    data.prepare_data()
    # not data.setup(), which reads every image to its end and stops at one that is broken
    split, validation = hold_out(data.listed(), data.val_persons, seed=data.split_seed)
    ids = split_ids(config)
    notes = ([f"this is split {ids[0]} of the splits {ids}"] if ids else []) + [said(note) for note in split.notes]
    lists = lists_of(split, validation)
    numbers = {name: statistics_of(listing, headers=config.headers) for name, listing in lists.items()}
    folder = folder / split.name if apart else folder
    content = {"dataset": split.name, "notes": notes, "lists": {name: to_json(row) for name, row in numbers.items()}}
    write_text(folder / "describe.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    _draw(folder, split.name, lists, numbers, persons=config.persons)
    _show(split.name, numbers, notes)
    files = f"{folder} has describe.json, statistics.png and contact_sheet.png"
    Console().print(files, markup=False, soft_wrap=True)


def _draw(
    folder: Path, name: str, lists: Mapping[str, "Listing"], numbers: Mapping[str, "Statistics"], *, persons: int
) -> None:
    from reid_lit.data.statistics import ALL, sides
    from reid_lit.figures.contact_sheet import contact_sheet
    from reid_lit.figures.statistics import Listed, statistics_figure
    from reid_lit.figures.tiles import write_picture

    title = f"{name}: {numbers[ALL].total}"
    parts = {
        part: Listed(
            images_of_person=tuple(row.images_of_person.values()),
            images_of_camera=row.images_of_camera,
            sizes=row.files.sizes,
        )
        for part, row in numbers.items()
        if part != ALL
    }
    write_whole(folder / "statistics.png", statistics_figure(parts, title=title).savefig)
    write_picture(folder / "contact_sheet.png", contact_sheet(sides(lists), persons=persons, title=title))


def _show(title: str, numbers: Mapping[str, "Statistics"], notes: list[str]) -> None:
    from reid_lit.data.statistics_tables import footnotes, tables

    console = Console()
    for table in tables(title, numbers):
        console.print(table)
    for note in (*notes, *footnotes(numbers)):
        console.print(f"- {note}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    launch(describe, config_name="describe")
