"""The exact nearest rows of a gallery: all vectors in one file beside it, which is read through once a query."""

import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float, Float32, Int64

from reid_lit.errors import InputError
from reid_lit.gallery.engine import Engine
from reid_lit.gallery.rows import Where, vectors_of
from reid_lit.paths import write_text

PRECISIONS = ("float32", "float16")
BLOCK = 32_768
"""Rows that are compared at once."""


class Block(NamedTuple):
    """Some rows of a gallery.

    Attributes:
        numbers: Of the rows.
        vectors: ``(rows dim)`` of length 1, float32 or float16.
    """

    numbers: Int64[np.ndarray, " rows"]
    vectors: Float[np.ndarray, "rows dim"]


def nearest_of(
    blocks: Iterable[Block], query: Float32[np.ndarray, "queries dim"], top: int
) -> tuple[Int64[np.ndarray, "queries found"], Float[np.ndarray, "queries found"]]:
    """Numbers and cosines of the nearest rows of each query, nearest first, ties by the lower number.

    The queries share one pass over the blocks.
    """
    side = torch.from_numpy(query).T.contiguous()
    best_score = torch.full((len(query), 0), -torch.inf)
    best_number = torch.zeros((len(query), 0), dtype=torch.int64)
    room = torch.empty(0, query.shape[1])
    for block in blocks:
        vectors = _tensor(block.vectors)
        if vectors.dtype != torch.float32:  # in the same memory each time: new memory costs more than the conversion
            room = room if len(room) >= len(vectors) else torch.empty(vectors.shape)
            vectors = room[: len(vectors)].copy_(vectors)
        score = (vectors @ side).T
        score, place = score.topk(min(top, score.shape[1]), dim=1)
        best_score = torch.cat([best_score, score], 1)
        best_number = torch.cat([best_number, torch.from_numpy(block.numbers[place.numpy()])], 1)
        best_score, kept = best_score.topk(min(top, best_score.shape[1]), dim=1)
        best_number = best_number.gather(1, kept)
    order = np.lexsort((best_number.numpy(), -best_score.numpy()), axis=1)
    return np.take_along_axis(best_number.numpy(), order, 1), np.take_along_axis(best_score.numpy(), order, 1)


def precision_of(name: str) -> np.dtype:
    """The type of vectors that are compared.

    Raises:
        ValueError: it is none of :data:`PRECISIONS`.
    """
    if name not in PRECISIONS:
        raise InputError(f"vectors={name}: give {' or '.join(PRECISIONS)}")
    return np.dtype(name)


@dataclass(frozen=True, kw_only=True)
class _State:
    """What the files hold: so many rows, up to this number; anything behind them was cut short by a kill."""

    rows: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Copied:
    """The copy of a gallery's vectors, to be compared with the rows.

    Attributes:
        folder: Where it is.
        numbers: Of its rows.
        vectors: Its rows, in their precision.
    """

    folder: Path
    numbers: Int64[np.ndarray, " rows"]
    vectors: np.ndarray

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.numbers, kind="stable")

    def differing(self, numbers: Int64[np.ndarray, " some"], vectors: Float32[np.ndarray, "some dim"]) -> list[int]:
        """The numbers of those rows whose vector is another one here; rows that are not copied yet are none."""
        if not len(self.numbers):
            return []
        place = np.searchsorted(self.numbers, numbers, sorter=self._order).clip(max=len(self.numbers) - 1)
        found = self._order[place]
        is_here = self.numbers[found] == numbers
        ours, theirs = self.vectors[found[is_here]], vectors[is_here].astype(self.vectors.dtype)
        return [int(number) for number in numbers[is_here][(ours != theirs).any(1)]]


class Vectors:
    """A copy of a gallery's vectors that queries go through; made anew from the engine wherever it is not whole.

    Args:
        folder: Where the copy is.
        dim: Length of a vector.
        precision: ``float32``, or ``float16``, which takes half of the disk and memory.

    Raises:
        ValueError: the precision is another one.
    """

    def __init__(self, folder: Path, dim: int, *, precision: str) -> None:
        self.folder, self.dim, self.dtype = folder, dim, precision_of(precision)
        self.state_file = folder / f"{precision}.json"
        self.vector_file, self.number_file = folder / f"{precision}.vectors", folder / f"{precision}.numbers"
        self._known: tuple[object, _State | None] | None = (
            None  # the engine's state, and the copy's that is equal to it
        )

    def refresh(self, engine: Engine, *, tell: Callable[[int, int], None]) -> Block:
        """Bring the copy up to the engine: new rows are added, and all are copied again where some were erased.

        Returns:
            The rows as they are now: another process that erases some removes the files, and leaves these as they are.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            state, version = self._state(), engine.state()
            if state is None or version is None or (version, state) != self._known:
                self._copy(engine, state, tell)
                self._known = (version, self._state())
            return self._held()

    def _copy(self, engine: Engine, state: _State | None, tell: Callable[[int, int], None]) -> None:
        total = engine.count(Where())
        if state is None or engine.count(Where(up_to=state.last)) != state.rows:
            state = _State(rows=0, last=-1)
            self._remove()  # another process may read the files: they are made anew, not cut short
            self._cut(state)
        if total > state.rows:
            self._cut(state)
            self._append(engine, state, total, tell)

    @property
    def known_version(self) -> object:
        """The engine's state at the last :meth:`refresh`; None where it tells none."""
        return None if self._known is None else self._known[0]

    def copied(self) -> Copied:
        """What is there."""
        numbers, vectors = self._opened()
        return Copied(folder=self.folder, numbers=numbers, vectors=vectors)

    def erase(self) -> None:
        """Remove the copy from the disk."""
        if self.folder.is_dir():
            with FileLock(self.folder / ".lock"):  # what another process is copying goes too, once it is done
                self._remove()

    def _remove(self) -> None:
        for file in (self.state_file, self.vector_file, self.number_file):
            file.unlink(missing_ok=True)

    def nearest(
        self,
        query: Float32[np.ndarray, "queries dim"],
        top: int,
        *,
        allowed: Int64[np.ndarray, " allowed"] | None,
        rows: Block | None = None,
    ) -> tuple[Int64[np.ndarray, "queries found"], Float[np.ndarray, "queries found"]]:
        """Numbers and cosines of the nearest rows of each query, nearest first, ties by the lower number.

        The queries share one pass over the vectors.

        Args:
            query: Rows of length 1.
            top: How many; fewer where the gallery has fewer.
            allowed: The numbers that may be found; None for all.
            rows: What :meth:`refresh` gave; None: what is there now.
        """
        return nearest_of(_blocks(*(rows or self._opened()), allowed), query, top)

    def _opened(self) -> Block:
        """Numbers and vectors as they are now; they stay when the files are made anew."""
        with FileLock(self.folder / ".lock"):
            return self._held()

    def _held(self) -> Block:
        state = self._state()
        if state is None or not state.rows:
            return Block(np.zeros(0, np.int64), np.zeros((0, self.dim), self.dtype))
        shape = (state.rows, self.dim)
        return Block(
            np.fromfile(self.number_file, np.int64, state.rows),
            np.memmap(self.vector_file, self.dtype, "r", shape=shape),
        )

    def _state(self) -> _State | None:
        """What is there; None where it is not whole."""
        try:
            state = _State(**json.loads(self.state_file.read_text()))
            sizes = (self.vector_file.stat().st_size, self.number_file.stat().st_size)
        except (OSError, ValueError, TypeError):
            return None
        least = (state.rows * self.dim * self.dtype.itemsize, state.rows * 8)
        return state if all(size >= needed for size, needed in zip(sizes, least, strict=True)) else None

    def _cut(self, state: _State) -> None:
        """Leave the rows of a state in the files."""
        for file, size in ((self.vector_file, self.dim * self.dtype.itemsize), (self.number_file, 8)):
            file.touch()
            os.truncate(file, state.rows * size)
        write_text(self.state_file, json.dumps(asdict(state)))

    def _append(self, engine: Engine, state: _State, total: int, tell: Callable[[int, int], None]) -> None:
        rows, last = state.rows, state.last
        with self.vector_file.open("ab") as vectors, self.number_file.open("ab") as numbers:
            for batch in engine.scan(Where(above=state.last), ["number", "vector"]):
                number = batch.column("number").to_numpy()
                vectors.write(vectors_of(batch, self.dim).astype(self.dtype).tobytes())
                numbers.write(number.astype(np.int64).tobytes())
                rows, last = rows + len(number), max(last, int(number.max(initial=last)))
                tell(rows, total)
            for file in (vectors, numbers):
                file.flush()
                os.fsync(file.fileno())
        write_text(self.state_file, json.dumps(asdict(_State(rows=rows, last=last))))


def _blocks(
    numbers: Int64[np.ndarray, " rows"], vectors: np.ndarray, allowed: Int64[np.ndarray, " allowed"] | None
) -> Iterator[Block]:
    places = np.arange(len(numbers)) if allowed is None else np.flatnonzero(np.isin(numbers, allowed))
    for start in range(0, len(places), BLOCK):
        chosen = places[start : start + BLOCK]
        is_run = len(chosen) == chosen[-1] + 1 - chosen[0]
        yield Block(numbers[chosen], vectors[chosen[0] : chosen[-1] + 1] if is_run else vectors[chosen])


def _tensor(block: np.ndarray) -> torch.Tensor:
    """A block as a tensor, without a copy; it is not written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(block)
