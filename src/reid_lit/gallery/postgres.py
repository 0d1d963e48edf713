"""PostgreSQL with pgvector as the engine of a gallery: a table in a database of a server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import finalize

import numpy as np
import psycopg
import pyarrow as pa
from jaxtyping import Float32
from pgvector import Vector
from pgvector.psycopg.vector import register_vector_info
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types import TypeInfo

from reid_lit.errors import ExistingFileError, FailedError, InputError, MissingFileError
from reid_lit.gallery.addresses import named, without_password
from reid_lit.gallery.columns import batch_of, chosen, columns_of, dim_of, is_vector, kept
from reid_lit.gallery.rows import Where, vectors_of

WHOLE = 2_000
"""Length up to which pgvector indexes vectors in single precision."""
HALF = 4_000
"""Length up to which it indexes them in half precision."""
BLOCK = 1_000  # rows that are held at once
_TYPES = {pa.int64(): "bigint", pa.string(): "text", pa.binary(): "bytea", pa.timestamp("us", tz="UTC"): "timestamptz"}
_EXTENSION = (
    "pgvector 0.8 or newer is needed: install it on the server (the container pgvector/pgvector has it), and let an"
    " administrator run CREATE EXTENSION vector, or ALTER EXTENSION vector UPDATE, in the database"
)


class PostgresEngine:
    """Rows in a table; each call of :meth:`add` is one transaction. Threads get a connection each.

    Args:
        store: ``postgresql://user@host:5432/database?gallery=<name>``, with libpq's other parameters; the password is
            libpq's to find, in ``PGPASSWORD`` or ``~/.pgpass``. The table is ``reid_lit_<name>``.

    Raises:
        ValueError: it is no such address.
    """

    def __init__(self, store: str) -> None:
        self.place = without_password(store)
        self._parameters, self.table = _read(store)
        self._name = sql.Identifier(self.table)
        self._columns: pa.Schema | None = None
        self._type: TypeInfo | None = None
        self._idle: list[psycopg.Connection[Any]] = []
        finalize(self, _close, self._idle)

    def create(self, columns: pa.Schema) -> None:
        """Make an empty table, and the extension where there is none yet."""
        is_sealed = "owner" in columns.names  # a row that is sealed again stands there twice, until the older one goes
        key = "" if is_sealed else " PRIMARY KEY"
        made = sql.SQL(", ").join(
            sql.SQL("{} {}{}").format(
                sql.Identifier(field.name),
                sql.SQL(f"vector({field.type.list_size})" if is_vector(field.type) else _TYPES[field.type]),
                sql.SQL(("" if field.nullable else " NOT NULL") + (key if field.name == "number" else "")),
            )
            for field in columns
        )
        with self._connected() as connection:
            if dim_of(columns):
                self._extend(connection)
            try:
                with connection.transaction():
                    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(self._name, made))
                    for what in ("hash (id)", *(("hash (owner)", "btree (number)") if is_sealed else ())):
                        connection.execute(sql.SQL("CREATE INDEX ON {} USING {}").format(self._name, sql.SQL(what)))
                    connection.execute(
                        sql.SQL("COMMENT ON TABLE {} IS {}").format(self._name, sql.Literal(kept(columns)))
                    )
            except errors.DuplicateTable:
                raise ExistingFileError(
                    f"{self.place} holds rows of a gallery already (table {self.table}); give another ?gallery=<name>"
                ) from None

    def add(self, rows: pa.Table) -> None:
        """Add rows in one transaction."""
        with self._connected() as connection, self._cursor(connection) as cursor:
            columns = chosen(self._kept(connection), rows.schema.names)
            copied = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(self._name, _listed(columns.names))
            values = [
                [Vector(each) for each in vectors_of(rows, field.type.list_size)]
                if is_vector(field.type)
                else rows.column(field.name).to_pylist()
                for field in columns
            ]
            with cursor.copy(copied) as copy:
                copy.set_types(["vector" if is_vector(field.type) else _TYPES[field.type] for field in columns])
                for row in zip(*values, strict=True):
                    copy.write_row(row)

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that rows have."""
        asked = sql.SQL("SELECT id FROM {} WHERE id = ANY(%s)").format(self._name)
        with self._connected() as connection:
            return {row[0] for row in connection.execute(asked, [list(ids)])}

    def count(self, where: Where) -> int:
        """The number of rows meant."""
        asked, values = condition(where)
        return int(self._one(sql.SQL("SELECT count(*) FROM {}").format(self._name) + asked, values))

    def state(self) -> object:
        """None: nothing tells it for less than a count."""
        return None

    def scan(self, where: Where, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows meant, by a cursor of the server: few of them are here at once."""
        asked, values = condition(where)
        query = sql.SQL("SELECT {} FROM {}").format(_listed(columns), self._name) + asked
        with self._connected() as connection, connection.transaction():
            shape = chosen(self._kept(connection), columns)
            with self._cursor(connection, name="scan") as cursor:
                cursor.execute(query, values, binary=True)
                while rows := cursor.fetchmany(BLOCK):
                    yield _batch(rows, shape)

    def numbered(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of these numbers."""
        query = sql.SQL("SELECT {} FROM {} WHERE number = ANY(%s)").format(_listed(columns), self._name)
        with self._connected() as connection:
            shape = chosen(self._kept(connection), columns)
            with self._cursor(connection) as cursor:
                rows = cursor.execute(query, [[int(number) for number in numbers]], binary=True).fetchall()
        return pa.Table.from_batches([_batch(rows, shape)])

    def last(self) -> int:
        """The greatest number."""
        return int(self._one(sql.SQL("SELECT coalesce(max(number), -1) FROM {}").format(self._name), []))

    def erase(self, where: Where) -> int:
        """Remove rows, and let the server use their space again: their bytes stay on its disk until it does."""
        asked, values = condition(where)
        with self._connected() as connection:
            removed = connection.execute(sql.SQL("DELETE FROM {}").format(self._name) + asked, values).rowcount
            connection.execute(sql.SQL("VACUUM {}").format(self._name))
        return removed

    def index(self) -> str:
        """HNSW over vectors, and one of persons, cameras and times; rows that are added later are in them."""
        with self._connected() as connection:
            columns = self._kept(connection)
            names = [name for name in ("person", "camera", "time") if name in columns.names]
            for name in names:
                self._indexed(connection, name, "btree (time)" if name == "time" else f"hash ({name})")
            dim = dim_of(columns)
            if dim is None or dim > HALF:
                why = "there are no vectors" if dim is None else f"pgvector indexes up to {HALF:,} numbers a vector"
                return f"no index of vectors: {why}"
            what = "vector vector_cosine_ops" if dim <= WHOLE else f"(vector::halfvec({dim})) halfvec_cosine_ops"
            self._indexed(connection, "vector", f"hnsw ({what})")
        half = "" if dim <= WHOLE else " in half precision"
        return f"HNSW over vectors{half}, and indices of {', '.join(names)}; what is enrolled later is in them"

    def near(
        self, vector: Float32[np.ndarray, " dim"], top: int, where: Where
    ) -> tuple[Sequence[int], Sequence[float]]:
        """Near rows by the index, compared again by their full vectors."""
        asked, values = condition(where)
        dim = len(vector)
        column, given = ("vector", "%s") if dim <= WHOLE else (f"vector::halfvec({dim})", f"%s::halfvec({dim})")
        query = sql.SQL(
            "SELECT number, 1 - (vector <=> %s) AS cosine FROM (SELECT number, vector FROM {}{} ORDER BY {} <=> {}"
            " LIMIT %s) AS candidate ORDER BY cosine DESC, number LIMIT %s"
        ).format(self._name, asked, sql.SQL(column), sql.SQL(given))
        candidates = 4 * top
        with self._connected() as connection, connection.transaction(), self._cursor(connection) as cursor:
            for name, value in (
                ("ef_search", str(min(1000, max(100, candidates)))),
                ("iterative_scan", "strict_order"),
            ):
                cursor.execute("SELECT set_config(%s, %s, true)", [f"hnsw.{name}", value])
            sought = Vector(vector)
            found = cursor.execute(query, [sought, *values, sought, candidates, top]).fetchall()
        return [number for number, _ in found], [cosine for _, cosine in found]

    def _one(self, query: sql.Composed, values: Sequence[object]) -> Any:
        with self._connected() as connection:
            row = connection.execute(query, values).fetchone()
        return 0 if row is None else row[0]

    def _indexed(self, connection: psycopg.Connection[Any], name: str, how: str) -> None:
        index = sql.Identifier(f"{self.table}_{name}")
        made = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING {}").format(index, self._name, sql.SQL(how))
        connection.execute(made)

    def _kept(self, connection: psycopg.Connection[Any]) -> pa.Schema:
        """The columns that the table was made with."""
        if self._columns is None:
            asked = sql.SQL("SELECT obj_description({}::regclass, 'pg_class')").format(sql.Literal(self.table))
            row = connection.execute(asked).fetchone()
            self._columns = columns_of(row and row[0], place=f"the table {self.table} in {self.place}")
        return self._columns

    def _cursor(self, connection: psycopg.Connection[Any], name: str = "") -> psycopg.Cursor[Any]:
        """A cursor that knows vectors, where the table has some."""
        if dim_of(self._kept(connection)):
            self._type = self._type or TypeInfo.fetch(connection, "vector")
            register_vector_info(connection, self._type)
        return connection.cursor(name) if name else connection.cursor()

    def _extend(self, connection: psycopg.Connection[Any]) -> None:
        asked = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error as error:
            raise InputError(f"store={self.place}: {_line(error)}; {_EXTENSION}") from None
        row = connection.execute(asked).fetchone()
        if row is None or tuple(int(part) for part in row[0].split(".")[:2]) < (0, 8):
            raise InputError(f"store={self.place}: pgvector is {row and row[0]} there; {_EXTENSION}")

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that no other thread uses; kept for the next call unless this one fails.

        Raises:
            FileNotFoundError: there is no table.
            RuntimeError: the server is not reached, does not let us in, or does not do what it was asked.
        """
        connection = self._idle.pop() if self._idle else self._connect()
        is_sound = False
        try:
            yield connection
            is_sound = True
        except errors.UndefinedTable:
            raise MissingFileError(
                f"{self.place} holds no gallery's rows (table {self.table}); they were moved, or never written"
            ) from None
        except psycopg.Error as error:
            _close(self._idle)  # after a restart of the server the others are of no use either
            raise FailedError(f"store={self.place}: {_line(error)}; nothing of this call was written") from error
        finally:
            if is_sound:
                self._idle.append(connection)
            else:
                connection.close()

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(**self._parameters, autocommit=True)
        except psycopg.Error as error:
            raise FailedError(f"store={self.place}: {_line(error)}; {_cure(str(error))}") from None


def condition(where: Where) -> tuple[sql.Composable, list[object]]:
    """What is meant as a condition of SQL, and its parameters; empty for all rows."""
    parts = {
        "person = ANY(%s)": list(where.persons) or None,
        "camera = ANY(%s)": list(where.cameras) or None,
        "path = ANY(%s)": list(where.paths) or None,
        "owner = ANY(%s)": list(where.owners) or None,
        "time >= %s": where.since,
        "time < %s": where.until,
        "number > %s": where.above,
        "number <= %s": where.up_to,
    }
    asked = {part: value for part, value in parts.items() if value is not None}
    return sql.SQL(" WHERE " + " AND ".join(asked) if asked else ""), list(asked.values())


def _read(store: str) -> tuple[dict[str, Any], str]:
    """The parameters of libpq in an address, and the name of the table."""
    words = "give postgresql://user@host:5432/database?gallery=<name>"
    if not store.startswith(("postgresql://", "postgres://")):
        raise InputError(f"store=…: no address of a PostgreSQL server; {words}")  # a password may be anywhere in it
    address, gallery = named(store)
    try:
        parameters: dict[str, Any] = conninfo_to_dict(address)
    except psycopg.Error:  # its words may show a part of a password
        raise InputError(f"store={without_password(store)}: it cannot be read; {words}") from None
    return {"connect_timeout": 10, "application_name": "reid_lit", **parameters}, f"reid_lit_{gallery}"


def _close(connections: list[psycopg.Connection[Any]]) -> None:
    while connections:
        connections.pop().close()


def _listed(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _batch(rows: Sequence[Sequence[Any]], columns: pa.Schema) -> pa.RecordBatch:
    return batch_of([[each.to_numpy() if isinstance(each, Vector) else each for each in row] for row in rows], columns)


def _line(error: psycopg.Error) -> str:
    """What the server or libpq says, in one line."""
    return " ".join(str(error).removeprefix("connection failed: ").split())[:300].rstrip(".") or type(error).__name__


def _cure(words: str) -> str:
    if "password" in words:
        return "set PGPASSWORD, or write ~/.pgpass with mode 600"
    return "see that the server runs, is reached from here, and has this database and user"
