"""Qdrant as the engine of a gallery: a server or a cluster of them, or a folder in the client's local mode."""

import base64
import os
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5
from weakref import WeakValueDictionary

import httpx
import numpy as np
import pyarrow as pa
from jaxtyping import Float32
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from reid_lit.errors import ExistingFileError, FailedError, InputError, MissingFileError
from reid_lit.gallery.addresses import named, without_password
from reid_lit.gallery.columns import batch_of, chosen, columns_of, dim_of, kept
from reid_lit.gallery.rows import Where, vectors_of

SENT = 1_000_000
"""Numbers of vectors that go in one request; as JSON they take up to 25 MB, and a server takes 32."""
BLOCK = 1_000  # rows that are read at once
_WORDS = ("id", "person", "camera", "path", "owner")
_local: WeakValueDictionary[Path, QdrantClient] = WeakValueDictionary()  # a folder takes one client of one process


class QdrantEngine:
    """Rows as points of a collection.

    Args:
        store: A folder, or ``https://host:6333?gallery=<name>`` with the API key in ``QDRANT_API_KEY``; the collection
            is ``reid_lit_<name>``.

    Raises:
        ValueError: a key would be sent without encryption.
    """

    def __init__(self, store: str) -> None:
        self.place = without_password(store)
        self.is_server = store.startswith(("http://", "https://"))
        self._address, name = named(self.place) if self.is_server else (store, "images")
        self.collection = f"reid_lit_{name}"
        self._client: QdrantClient | None = None
        self._columns: pa.Schema | None = None
        host = urlsplit(store).hostname
        self._key = os.environ.get("QDRANT_API_KEY") if self.is_server else None
        if self._key and store.startswith("http://") and host not in ("localhost", "127.0.0.1", "::1"):
            raise InputError(f"store={self.place}: QDRANT_API_KEY is set, and http:// would show it; give https://")

    def create(self, columns: pa.Schema) -> None:
        """Make an empty collection, with an index of all that is filtered by."""
        dim = dim_of(columns)
        with self._answered(making=True) as client:
            if client.collection_exists(self.collection):
                raise ExistingFileError(
                    f"{self.place} holds rows of a gallery already (collection {self.collection}); give another place"
                )
            client.create_collection(
                self.collection,
                # the dot product: vectors have length 1, and Qdrant changes the last bits of those that it normalises
                vectors_config=models.VectorParams(size=dim, distance=models.Distance.DOT) if dim else {},
                metadata={"columns": kept(columns)},
            )
            for field in columns if self.is_server else ():  # the local mode has none
                kind = models.PayloadSchemaType.INTEGER if field.name == "number" else _indexed(field)
                if kind:
                    client.create_payload_index(self.collection, field.name, kind, wait=True)

    def add(self, rows: pa.Table) -> None:
        """Add rows; the call returns when they are written."""
        dim = dim_of(rows.schema)
        points = [_point(row) for row in (rows.drop_columns("vector") if dim else rows).to_pylist()]
        if dim:
            for point, vector in zip(points, vectors_of(rows, dim), strict=True):
                point.vector = vector.tolist()
        size = max(1, min(256, SENT // (dim or 1)))
        with self._answered() as client:
            for start in range(0, len(points), size):
                client.upsert(self.collection, points[start : start + size], wait=True)

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that rows have."""
        asked = models.Filter(must=[_among("id", ids)])
        return {point.payload["id"] for point in self._scrolled(asked, ["id"], is_with_vectors=False)} if ids else set()

    def count(self, where: Where) -> int:
        """The number of rows meant."""
        with self._answered() as client:
            return client.count(self.collection, count_filter=condition(where), exact=True).count

    def state(self) -> object:
        """None: nothing tells it for less than a count."""
        return None

    def scan(self, where: Where, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows meant, page by page."""
        shape = self._shape(columns)
        rows: list[list[Any]] = []
        for point in self._scrolled(condition(where), columns, is_with_vectors="vector" in columns):
            rows.append(_row(point, shape))
            if len(rows) == BLOCK:
                yield batch_of(rows, shape)
                rows = []
        if rows:
            yield batch_of(rows, shape)

    def numbered(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of these numbers."""
        shape, is_with_vectors = self._shape(columns), "vector" in columns
        asked = models.Filter(must=[_among("number", [int(number) for number in numbers])])
        found = self._scrolled(asked, columns, is_with_vectors=is_with_vectors) if numbers else ()
        return pa.Table.from_batches([batch_of([_row(point, shape) for point in found], shape)])

    def last(self) -> int:
        """The greatest number."""
        order = models.OrderBy(key="number", direction=models.Direction.DESC)
        with self._answered() as client:
            points, _ = client.scroll(self.collection, order_by=order, limit=1, with_payload=["number"])
        return int(points[0].payload["number"]) if points else -1

    def erase(self, where: Where) -> int:
        """Remove rows; a folder is written anew without them, a server does that when it has time."""
        asked = condition(where) or models.Filter()
        with self._answered() as client:
            removed = client.count(self.collection, count_filter=asked, exact=True).count
            client.delete(self.collection, models.FilterSelector(filter=asked), wait=True)
            if not self.is_server:
                file = Path(self._address) / "collection" / self.collection / "storage.sqlite"
                with closing(sqlite3.connect(file)) as storage:
                    storage.execute("VACUUM")
        return removed

    def index(self) -> str:
        """Nothing: a server makes its own."""
        if not self.is_server:
            return "no index: Qdrant's local mode compares all rows; a server (store=http://…) makes its own"
        with self._answered() as client:
            found = client.get_collection(self.collection)
        indexed = found.indexed_vectors_count or 0
        return f"Qdrant makes its index (HNSW) by itself; {indexed:,} of {found.points_count or 0:,} vectors are in it"

    def near(
        self, vector: Float32[np.ndarray, " dim"], top: int, where: Where
    ) -> tuple[Sequence[int], Sequence[float]]:
        """Near rows by the server's HNSW."""
        with self._answered() as client:
            found = client.query_points(
                self.collection,
                query=vector.tolist(),
                query_filter=condition(where),
                search_params=models.SearchParams(hnsw_ef=max(128, 4 * top)) if self.is_server else None,
                limit=top,
                with_payload=False,
            ).points
        return [int(point.id) for point in found], [point.score for point in found]

    def _scrolled(
        self, asked: models.Filter | None, columns: Sequence[str], *, is_with_vectors: bool
    ) -> Iterator[models.Record]:
        offset: Any = None
        while True:
            with self._answered() as client:
                points, offset = client.scroll(
                    self.collection, asked, BLOCK, None, offset, list(columns), is_with_vectors
                )
            yield from points
            if offset is None:
                return

    def _shape(self, names: Sequence[str]) -> pa.Schema:
        if self._columns is None:
            with self._answered() as client:
                metadata = client.get_collection(self.collection).config.metadata or {}
            place = f"the collection {self.collection} in {self.place}"
            self._columns = columns_of(metadata.get("columns"), place=place)
        return chosen(self._columns, names)

    @contextmanager
    def _answered(self, *, making: bool = False) -> Iterator[QdrantClient]:
        """The client.

        Raises:
            FileNotFoundError: there is no collection.
            RuntimeError: the server is not reached, or does not do what it was asked.
        """
        missing = (
            f"{self.place} holds no gallery's rows (collection {self.collection}); they were moved, or never written"
        )
        if self._client is None:
            self._client = self._remote() if self.is_server else self._folder(making=making, missing=missing)
        try:
            yield self._client
        except UnexpectedResponse as error:
            if error.status_code == httpx.codes.NOT_FOUND:
                raise MissingFileError(missing) from None
            cure = "; set QDRANT_API_KEY" if error.status_code in (401, 403) else ""
            said = error.content.decode(errors="replace").strip()[:200]
            raise FailedError(f"store={self.place}: the server says {error.status_code} {said}{cure}") from None
        except (ResponseHandlingException, ApiException, httpx.HTTPError) as error:
            words = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
            raise FailedError(
                f"store={self.place}: {words}; see that the server runs, and is reached from here"
            ) from None
        except ValueError as error:
            if "not found" not in str(error):
                raise
            raise MissingFileError(missing) from None

    def _remote(self) -> QdrantClient:
        port = urlsplit(self._address).port or (443 if self._address.startswith("https:") else 6333)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")  # within a machine
            return QdrantClient(url=self._address, port=port, api_key=self._key, timeout=60, check_compatibility=False)

    def _folder(self, *, making: bool, missing: str) -> QdrantClient:
        folder = Path(self._address).expanduser().resolve()
        if not making and not (folder / "meta.json").is_file():
            raise MissingFileError(missing)
        client = _local.get(folder)
        if client is None:
            try:
                client = QdrantClient(path=str(folder), force_disable_check_same_thread=True)
            except RuntimeError:
                raise FailedError(
                    f"store={self.place}: another process has it open, and Qdrant's local mode takes one at a time;"
                    f" wait for it, or run a server and give store=http://…"
                ) from None
            _local[folder] = client
        return client


def condition(where: Where) -> models.Filter | None:
    """What is meant as a filter of Qdrant; None for all rows."""
    words = (("person", where.persons), ("camera", where.cameras), ("path", where.paths), ("owner", where.owners))
    must: list[Any] = [_among(column, allowed) for column, allowed in words if allowed]
    if where.since or where.until:
        must.append(models.FieldCondition(key="time", range=models.DatetimeRange(gte=where.since, lt=where.until)))
    if where.above is not None or where.up_to is not None:
        must.append(models.FieldCondition(key="number", range=models.Range(gt=where.above, lte=where.up_to)))
    return models.Filter(must=must) if must else None


def _among(column: str, words: Sequence[str] | Sequence[int]) -> models.FieldCondition:
    return models.FieldCondition(key=column, match=models.MatchAny(any=list(words)))


def _indexed(field: pa.Field) -> models.PayloadSchemaType | None:
    """How a column is indexed on a server; not at all where nothing filters by it."""
    if field.name == "time":
        return models.PayloadSchemaType.DATETIME
    return models.PayloadSchemaType.KEYWORD if field.name in _WORDS else None


def _point(row: dict[str, Any]) -> models.PointStruct:
    payload = {name: _plain(value) for name, value in row.items() if value is not None}
    # a row that is sealed again stands there twice, until the older one goes
    point = str(uuid5(NAMESPACE_OID, f"{row['number']} {row['owner']}")) if "owner" in row else row["number"]
    return models.PointStruct(id=point, vector={}, payload=payload)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _row(point: models.Record, columns: pa.Schema) -> list[Any]:
    payload = point.payload or {}
    return [point.vector if field.name == "vector" else _read(payload.get(field.name), field.type) for field in columns]


def _read(value: Any, kind: pa.DataType) -> Any:
    """A value of JSON as the column has it."""
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(value)
    return base64.b64decode(value) if pa.types.is_binary(kind) else value
