"""``python -m reid_lit.init folder=<folder>``: list any folder of crops in a CSV file, split by person."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from reid_lit.command.launch import launch
from reid_lit.data.counts import count
from reid_lit.data.problems import DataError, MissingDataError
from reid_lit.data.sets import csv_file
from reid_lit.data.sets.drafting import Draft, draft
from reid_lit.errors import ExistingFileError
from reid_lit.kinds import kind_of, said, speak_of
from reid_lit.overrides import assignment
from reid_lit.paths import write_whole
from reid_lit.records import Shot, Split


def init(config: DictConfig) -> None:
    """Write the list of a folder's images, and print its counts.

    Raises:
        ExistingFileError: the file is there already, and ``overwrite`` is not set.
    """
    if config.kind:
        speak_of(kind_of(config.kind))
    folder, file = Path(config.folder).expanduser(), Path(config.file).expanduser()
    if file.exists() and not config.overwrite:
        raise ExistingFileError(f"{file.resolve()} is there already; overwrite=true replaces it, file= names another")
    drafted = draft(
        folder,
        file,
        pattern=config.pattern,
        train_fraction=config.train_fraction,
        val_fraction=config.val_fraction,
        split_seed=config.split_seed,
        junk=config.junk,
        kind=config.kind or "",
    )
    read: list[Split] = []

    def write(partial: Path) -> None:
        partial.write_text(drafted.text(), encoding="utf-8")
        try:
            read.append(csv_file.read(partial))  # as training will read it; if it cannot, no file is left
        except (DataError, MissingDataError) as error:
            fact = error.problem.fact.replace(str(partial.resolve()), str(file.resolve()))
            fact = fact.replace(partial.name, file.name)
            raise dataclasses.replace(error.problem, place=file, fact=fact).error() from None

    write_whole(file, write)
    _show(file, drafted, read[0])


def _show(file: Path, drafted: Draft, split: Split) -> None:
    console = Console()
    console.print(_table(split))
    for note in drafted.notes:
        console.print(f"- {said(note)}", markup=False, soft_wrap=True)
    if drafted.others:
        kinds = ", ".join(f"{number} {ending}" for ending, number in drafted.others.items())
        console.print(f"- files that are no images are left out: {kinds}", markup=False, soft_wrap=True)
    if split.train:
        purpose, words = "Train", ["reid_lit.train", "+experiment=csv_softmax", assignment("dataset.root", file)]
    else:
        root = assignment("root", file).replace("=", ": ", 1)
        purpose, words = "Test a run", ["reid_lit.evaluate", "run=<folder>", f"test_on=[{{dataset: csv, {root}}}]"]
    command = shlex.join(["python", "-m", *words])
    console.print(f"{file} lists them. {purpose} with\n  {command}", markup=False, soft_wrap=True)


def _table(split: Split) -> Table:
    held = split.validation
    lists: dict[str, Sequence[Shot]] = {
        "train": split.train,
        "val": (*held.query, *held.gallery) if held else (),
        "query": split.query,
        "gallery": split.gallery,
        "all": split.shots,
    }
    table = Table("list", "images", said("persons"), "cameras", "junk")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, shots in lists.items():
        total = count(shots)
        table.add_row(name, *map(str, (total.images, total.persons, total.cameras, total.junk)))
    return table


if __name__ == "__main__":
    launch(init, config_name="init")
