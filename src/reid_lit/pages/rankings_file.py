"""``rankings.json``: its format, and how a page reads it; free of torch."""

import json
from pathlib import Path
from typing import Any

from reid_lit.errors import InputError

Ranking = dict[str, Any]

FORMAT = 1
"""Version of the file."""

MATCH, WRONG, REMOVED = "mwr"
"""The mark of an entry of a list: a true match, another person, an image that the protocol removes."""


def read_rankings(folder: Path) -> list[Ranking]:
    """The rankings of all data sets that a run was tested on, and of all its splits.

    Raises:
        ValueError: a file was written by another version.
    """
    rankings = []
    for file in sorted([*folder.glob("pictures/*/rankings.json"), *folder.glob("split_*/pictures/*/rankings.json")]):
        ranking = json.loads(file.read_text(encoding="utf-8"))
        if ranking.get("format") != FORMAT:
            raise InputError(
                f"{file.resolve()} has format {ranking.get('format')}, this version reads {FORMAT}: test the run again"
                f" with python -m reid_lit.evaluate run={folder}, and give run=<the folder that it names>"
            )
        place = file.relative_to(folder).parts[0]
        if place.startswith("split_"):
            ranking["dataset"] = f"{ranking['dataset']}, {place}"
        rankings.append(ranking)
    return rankings
