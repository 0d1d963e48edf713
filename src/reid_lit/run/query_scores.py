"""The scores of each query of a test, kept in the run's folder: what a paired comparison of two runs draws from.

``queries/<test>.safetensors``, a few bytes a query: rank of the first true match, average precision, inverse negative
penalty, the first two once more without the query's camera, and the number of its person.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_lit.evaluation.catalogue import ND
from reid_lit.paths import write_whole
from reid_lit.records import Shot

FOLDER = "queries"
"""Where the files are, in a run's folder."""

_PERSON = "person"

_MEANS = {
    "mAP": "average_precision",
    "mINP": "inverse_negative_penalty",
    f"mAP{ND}": f"average_precision{ND}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryScoresFile:
    """The scores of each query of one test.

    Attributes:
        row: The name of the test's row of results.
        average: The name of the row that averages this test with others; empty: none.
        queries: A hash of the list of queries: runs with the same one were asked the same.
        arrays: ``first_match`` (from 1; 0: no match), ``average_precision`` and ``inverse_negative_penalty`` (nan: no
            match), all ``(queries)``; ``first_match_nd``, ``average_precision_nd``. With a single gallery shot
            ``drawn`` in place of all these, ``(draws queries)``, the ranks of all draws. ``person``, ``(queries)``.
    """

    row: str
    average: str
    queries: str
    arrays: dict[str, Any]

    @property
    def persons(self) -> Any:
        """``(queries)`` int32, the person of each query; None in a file that was written before these were kept."""
        return self.arrays.get(_PERSON)

    def values(self, metric: str) -> Any:
        """``(queries)`` float64, what a score is the mean of, nan where a query has no match; None for other scores."""
        if metric in _MEANS:
            found = self.arrays.get(_MEANS[metric])
            return None if found is None else found.astype(np.float64)
        match = re.fullmatch(rf"rank(\d+)({ND})?", metric)
        if match is None:
            return None
        nd = match[2] or ""
        first = self.arrays.get("drawn") if not nd and "drawn" in self.arrays else self.arrays.get(f"first_match{nd}")
        if first is None:
            return None
        hits = np.where(first > 0, (first <= int(match[1])).astype(np.float64), np.nan)
        return hits.mean(axis=0) if hits.ndim == 2 else hits


def hash_of(queries: Sequence[Shot]) -> str:
    """A hash of a list of queries: file names, persons and cameras, in their order; not of where the data are."""
    lines = (f"{shot.path.name} {shot.person_id} {shot.camera_id}\n" for shot in queries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_query_scores(
    folder: Path, name: str, queries: Sequence[Shot], arrays: dict[str, Any], *, row: str, average: str
) -> Path:
    """Write the scores of a test's queries, and their persons, whole or not at all.

    Args:
        folder: That of the run.
        name: Of the test, its split included.
        queries: The queries, in the order of the arrays.
        arrays: See :class:`QueryScoresFile`.
        row: See there.
        average: See there.
    """
    from safetensors.numpy import save_file

    about = {"row": row, "average": average, "queries": hash_of(queries)}
    safe = re.sub(r"[^\w.+-]", "_", name)
    file = folder / FOLDER / f"{safe}.safetensors"
    persons = np.array([shot.person_id for shot in queries], np.int32)
    return write_whole(file, lambda part: save_file(arrays | {_PERSON: persons}, part, metadata=about))


def halve_query_scores(file: Path, copy: Path) -> None:
    """Copy the scores of a test's queries in half the bytes: float16, and ranks up to 65,535, those beyond as that.

    A copy that holds the same stays as it is: safetensors writes its header in an order of its own each time.
    """
    from safetensors.numpy import save_file

    arrays, about = _content(file)
    halves = {name: value if name == _PERSON else _halved(value) for name, value in arrays.items()}
    if copy.is_file():
        there, there_about = _content(copy)
        if there_about == about and _bytes(there) == _bytes(halves):
            return
    write_whole(copy, lambda part: save_file(halves, part, metadata=about))


def _content(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of a file, and what it says of them."""
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as content:
        return {name: content.get_tensor(name) for name in content.keys()}, content.metadata()  # noqa: SIM118


def _bytes(arrays: dict[str, Any]) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in arrays.items()}


def _halved(value: Any) -> Any:
    if np.issubdtype(value.dtype, np.floating):
        return value.astype(np.float16)
    return value.clip(0, np.iinfo(np.uint16).max).astype(np.uint16)


def read_query_scores(folder: Path, row: str) -> list[QueryScoresFile]:
    """The scores of each query behind a row of results, a file for each test and split; empty where none are kept.

    Args:
        folder: Of a run, with those of its splits.
        row: The row's name, of a test or of an average of tests.
    """
    found = []
    for file in sorted((*folder.glob(f"{FOLDER}/*.safetensors"), *folder.glob(f"split_*/{FOLDER}/*.safetensors"))):
        arrays, about = _content(file)
        if row in (about["row"], about["average"]):
            found.append(
                QueryScoresFile(row=about["row"], average=about["average"], queries=about["queries"], arrays=arrays)
            )
    return found
