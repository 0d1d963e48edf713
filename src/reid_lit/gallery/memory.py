"""What queries of a sealed gallery go through: its rows in memory, opened once, and never on a disk."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Float32, Int64

from reid_lit.gallery.rows import FACTS, Where, schema
from reid_lit.gallery.vectors import BLOCK, Block, nearest_of, precision_of


class Opened(NamedTuple):
    """Rows that were opened.

    Attributes:
        facts: All columns but vectors and thumbnails.
        vectors: ``(rows dim)`` of length 1.
    """

    facts: pa.Table
    vectors: Float32[np.ndarray, "rows dim"]


@dataclass(frozen=True, kw_only=True)
class _State:
    """Rows up to a number, in one order; ``changes``: how often rows were added and erased until then."""

    changes: tuple[int, int]
    last: int
    facts: pa.Table
    blocks: tuple[Block, ...]


class Memory:
    """The rows of a sealed gallery; a search in one thread is not disturbed by what another thread adds or erases.

    Args:
        dim: Length of a vector.
        precision: ``float32``, or ``float16``, which takes half of the memory.

    Raises:
        ValueError: the precision is another one.
    """

    def __init__(self, dim: int, *, precision: str) -> None:
        self.dtype = precision_of(precision)
        facts = pa.schema([schema(dim).field(name) for name in FACTS]).empty_table()
        self._nothing = _State(changes=(-1, -1), last=-1, facts=facts, blocks=())
        self._state = self._nothing

    @property
    def facts(self) -> pa.Table:
        """All columns but vectors and thumbnails."""
        return self._state.facts

    def refresh(self, changes: tuple[int, int], read: Callable[[int], Iterable[Opened]]) -> None:
        """Bring it up to the engine: new rows are read, and all are read again where another process erased some.

        Args:
            changes: How often rows were added and erased.
            read: Opens the rows above a number.
        """
        if self._state.changes == changes:
            return
        if self._state.changes[1] != changes[1]:
            self._state = self._nothing
        state, facts = self._state, [self._state.facts]
        blocks, last = list(state.blocks), state.last
        held = [blocks.pop()] if blocks and len(blocks[-1].numbers) < BLOCK else []
        for table, vectors in read(state.last):
            number = table.column("number").to_numpy()
            held.append(Block(number, vectors.astype(self.dtype)))
            facts.append(table)
            last = max(last, int(number.max(initial=-1)))
            if sum(len(each.numbers) for each in held) >= BLOCK:
                blocks.append(_joined(held))
                held = []
        blocks += [_joined(held)] if held else []
        whole = pa.concat_tables(facts).combine_chunks()
        self._state = _State(changes=changes, last=last, facts=whole, blocks=tuple(blocks))

    def drop(self, numbers: Int64[np.ndarray, " gone"], changes: tuple[int, int]) -> None:
        """Forget rows that this process has erased."""
        left = np.isin(self.facts.column("number").to_numpy(), numbers, invert=True)
        blocks = tuple(_chosen(self._state.blocks, left))
        self._state = replace(self._state, changes=changes, facts=self.facts.filter(pa.array(left)), blocks=blocks)

    def nearest(
        self,
        query: Float32[np.ndarray, "queries dim"],
        top: int,
        where: Where,
    ) -> tuple[Int64[np.ndarray, "queries found"], Float[np.ndarray, "queries found"]]:
        """Numbers and cosines of the nearest of the rows meant, nearest first, ties by the lower number."""
        state = self._state
        if where.is_all:
            return nearest_of(state.blocks, query, top)
        return nearest_of(_chosen(state.blocks, is_meant(state.facts, where)), query, top)


def _chosen(blocks: Iterable[Block], mask: Bool[np.ndarray, " rows"]) -> Iterator[Block]:
    start = 0
    for block in blocks:
        chosen = mask[start : start + len(block.numbers)]
        start += len(chosen)
        if chosen.any():
            yield block if chosen.all() else Block(block.numbers[chosen], block.vectors[chosen])


def _joined(blocks: list[Block]) -> Block:
    return Block(np.concatenate([each.numbers for each in blocks]), np.concatenate([each.vectors for each in blocks]))


def is_meant(facts: pa.Table, where: Where) -> Bool[np.ndarray, " rows"]:
    """Which rows are meant."""
    mask = pa.array(np.ones(facts.num_rows, bool))
    lists = {"person": where.persons, "camera": where.cameras, "path": where.paths}
    for column, words in lists.items():
        if words:
            mask = pc.and_(mask, pc.is_in(facts.column(column), value_set=pa.array(words, pa.string())))
    moment = facts.schema.field("time").type
    bounds = (
        (pc.greater_equal, "time", None if where.since is None else pa.scalar(where.since, moment)),
        (pc.less, "time", None if where.until is None else pa.scalar(where.until, moment)),
        (pc.greater, "number", where.above),
        (pc.less_equal, "number", where.up_to),
    )
    for holds, column, bound in bounds:
        if bound is not None:
            mask = pc.and_(mask, holds(facts.column(column), bound))
    return np.asarray(pc.fill_null(mask, False))
