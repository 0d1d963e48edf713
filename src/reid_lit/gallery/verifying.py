"""Whether what a gallery keeps is whole: each row is read, and the copy of the vectors is compared with them."""

from collections.abc import Iterator

import numpy as np

from reid_lit.errors import UserError
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.rows import FACTS, Where, vectors_of
from reid_lit.wording import counted

TOLERANCE = 1e-3
"""How far from 1 a vector's length may be; float16 of 2,048 numbers stays well within."""
SHOWN = 5
"""Numbers of rows that a line names."""


def store_faults(gallery: Gallery) -> list[str]:
    """What is wrong with the rows, a line each."""
    try:
        return list(_faults(gallery))
    except UserError as error:
        return [str(error)]
    except (OSError, RuntimeError, ValueError) as error:  # what engines raise where their files are damaged
        reason = str(error).partition("\n")[0]
        return [f"the rows cannot be read through: {reason}; restore the store from a copy"]


def _faults(gallery: Gallery) -> Iterator[str]:
    if gallery.sealed is not None and (damaged := gallery.sealed.damaged()):
        yield f"{counted(len(damaged), 'row')} cannot be opened: {_named(damaged)}; restore the store from a copy"
        return
    dim, copy = gallery.facts.dim, gallery.copied()
    wrong: dict[str, list[int]] = {"not finite": [], "not of length 1": []}
    seen: list[np.ndarray] = []
    differs: list[int] = []
    for batch in gallery.engine.scan(Where(), [*FACTS, "vector"]):
        numbers, vectors = batch.column("number").to_numpy(), vectors_of(batch, dim)
        seen.append(numbers)
        finite = np.isfinite(vectors).all(1)
        wrong["not finite"] += numbers[~finite].tolist()
        length = np.linalg.norm(np.where(finite[:, None], vectors, 0), axis=1)
        wrong["not of length 1"] += numbers[finite & (np.abs(length - 1) > TOLERANCE)].tolist()
        differs += [] if copy is None else copy.differing(numbers, vectors)
    numbers = np.concatenate([np.zeros(0, np.int64), *seen])
    for what, bad in wrong.items():
        if bad:
            yield f"{counted(len(bad), 'vector is', 'vectors are')} {what}: {_named(bad)}; enrol anew"
    twice = np.unique(numbers, return_counts=True)
    if (twice[1] > 1).any():
        yield f"a number is that of two rows: {_named(twice[0][twice[1] > 1].tolist())}"
    if len(numbers) != len(gallery):
        yield f"{len(numbers):,} rows can be read, and the engine counts {len(gallery):,}"
    if len(numbers) and numbers.max() > gallery.reached():
        yield f"row {numbers.max()} has a number that was not given yet; next_number is damaged"
    if differs and copy is not None:
        where = _named(differs)
        yield f"the copy of the vectors differs in {where}; remove {copy.folder}, and a query copies them anew"


def _named(numbers: list[int]) -> str:
    """Rows by their numbers, the first of them."""
    shown = ", ".join(str(number) for number in sorted(numbers)[:SHOWN])
    more = f" and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
    return f"row {shown}" if len(numbers) == 1 else f"rows {shown}{more}"
