"""LanceDB as the engine of a gallery: a folder, or an address of an object store."""

import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from jaxtyping import Float32
from lancedb.index import BTree, IvfSq

from reid_lit.errors import ExistingFileError, InputError, MissingFileError
from reid_lit.gallery.rows import Where

TABLE = "images"
MANY = 100_000
"""Rows from which on an index is worth its making; below, LanceDB compares all."""


class LanceEngine:
    """Rows in a LanceDB table; each call of :meth:`add` is one commit.

    Args:
        store: A folder, or an address such as ``s3://bucket/path``, with its credentials in the environment.
    """

    def __init__(self, store: str) -> None:
        self.store = store
        self._table: Any = None

    @property
    def table(self) -> Any:
        """The table, as it is now.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged.
        """
        if self._table is None:
            connection = lancedb.connect(self.store)
            if TABLE not in connection.list_tables().tables:
                raise MissingFileError(f"{self.store} holds no gallery's rows; they were moved, or never written")
            try:
                self._table = connection.open_table(TABLE)
            except (ValueError, RuntimeError, OSError) as error:
                raise InputError(f"{self.store} cannot be read: {str(error).splitlines()[0]}") from error
        self._table.checkout_latest()
        return self._table

    def create(self, columns: pa.Schema) -> None:
        """Make an empty table."""
        connection = lancedb.connect(self.store)
        if TABLE in connection.list_tables().tables:
            raise ExistingFileError(f"{self.store} holds rows of a gallery already; give another place")
        self._table = connection.create_table(TABLE, schema=columns)

    def add(self, rows: pa.Table) -> None:
        """Add rows in one commit."""
        self.table.add(rows)

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that rows have."""
        found = self.table.search().where(f"id IN ({_listed(ids)})").select(["id"]).to_arrow() if ids else None
        return set() if found is None else set(found.column("id").to_pylist())

    def count(self, where: Where) -> int:
        """The number of rows meant."""
        return int(self.table.count_rows(condition(where)))

    def state(self) -> object:
        """The table's version."""
        return int(self.table.version)

    def scan(self, where: Where, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows meant."""
        search = self.table.search().select(list(columns))
        asked = condition(where)
        yield from (search.where(asked) if asked else search).to_batches()

    def numbered(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of these numbers."""
        asked = f"number IN ({', '.join(str(int(number)) for number in numbers)})" if numbers else "false"
        return self.table.search().where(asked).select(list(columns)).to_arrow()

    def last(self) -> int:
        """The greatest number."""
        greatest = -1
        for batch in self.table.search().select(["number"]).to_batches():
            if len(batch):
                greatest = max(greatest, int(batch.column("number").to_numpy().max()))
        return greatest

    def erase(self, where: Where) -> int:
        """Remove rows, and the files that held them: earlier versions of the table go too."""
        removed = int(self.table.delete(condition(where) or "true").num_deleted_rows)
        with warnings.catch_warnings():  # it warns of readers of earlier versions; the gallery's lock and reopening do
            warnings.simplefilter("ignore", UserWarning)
            self.table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
        return removed

    def index(self) -> str:
        """Inverted lists over vectors of a byte a number for many rows, and an index of cameras and times."""
        table = self.table
        rows, names = table.count_rows(), [each.name for each in table.schema]
        is_made = rows >= MANY and "vector" in names
        if is_made:
            table.create_index("vector", config=IvfSq(distance_type="cosine"), replace=True)
        scalars = [name for name in ("camera", "time", "number") if name in names]
        for column in scalars:
            table.create_index(column, config=BTree(), replace=True)
        few = f"no index of vectors ({rows:,} rows; LanceDB compares all of them below {MANY:,})"
        what = "inverted lists over vectors of a byte a number" if is_made else few
        return f"{what}, and indices of {', '.join(scalars)}; after many more rows, make them again"

    def near(
        self, vector: Float32[np.ndarray, " dim"], top: int, where: Where
    ) -> tuple[Sequence[int], Sequence[float]]:
        """Near rows by the index, compared again by their full vectors."""
        search = (
            self.table.search(vector, vector_column_name="vector").distance_type("cosine").limit(top).refine_factor(4)
        )
        asked = condition(where)
        found = (search.where(asked, prefilter=True) if asked else search).select(["number", "_distance"]).to_arrow()
        distance = found.column("_distance").to_numpy()
        return found.column("number").to_pylist(), (1 - distance).tolist()


def condition(where: Where) -> str | None:
    """What is meant as a condition of LanceDB's SQL; None for all rows."""
    parts = [
        f"{column} IN ({_listed(words)})"
        for column, words in (
            ("person", where.persons),
            ("camera", where.cameras),
            ("path", where.paths),
            ("owner", where.owners),
        )
        if words
    ]
    parts += [f"time >= {_time(where.since)}"] if where.since else []
    parts += [f"time < {_time(where.until)}"] if where.until else []
    parts += [f"number > {where.above}"] if where.above is not None else []
    parts += [f"number <= {where.up_to}"] if where.up_to is not None else []
    return " AND ".join(parts) or None


def _listed(words: Sequence[str]) -> str:
    quoted = (word.replace("'", "''") for word in words)
    return ", ".join(f"'{word}'" for word in quoted)


def _time(moment: datetime) -> str:
    return f"timestamp '{moment.isoformat()}'"
