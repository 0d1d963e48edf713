"""What a gallery keeps of an image, and which of its rows are meant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from reid_lit.errors import InputError

FACTS = ("number", "id", "path", "person", "camera", "time")
"""The columns of a row that are read: all but its vector and its thumbnail."""
UPLOAD = "upload:"
"""How the path of an image begins that came by HTTP, without a file of its own; the SHA-256 of its content follows."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An image, before it is embedded.

    Attributes:
        path: The file, as it was named.
        person: Any text; None where it is not known.
        camera: Any text; None where it is not known.
        time: When it was taken; None where it is not known.
        content: What is in the file, where there is none; it is embedded, and not kept.
    """

    path: str
    person: str | None = None
    camera: str | None = None
    time: datetime | None = None
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which rows are meant; all of them where nothing is said.

    Attributes:
        persons: Any of these.
        cameras: Any of these.
        paths: Any of these.
        since: Taken then or later; an image of unknown time is not.
        until: Taken before.
        above: With a greater number.
        up_to: With this number or a lower one.
        owners: Of sealed rows: sealed by any of these data keys.
    """

    persons: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    above: int | None = None
    up_to: int | None = None
    owners: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether every row is meant."""
        return self == Where()


def schema(dim: int) -> pa.Schema:
    """The columns of a gallery, in every engine and in what is exported."""
    return pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("person", pa.string()),
            pa.field("camera", pa.string()),
            pa.field("time", pa.timestamp("us", tz="UTC")),
            pa.field("thumbnail", pa.binary()),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


def sealed_schema() -> pa.Schema:
    """The columns of a sealed gallery, in every engine.

    ``id`` and ``owner`` are hexadecimal: a keyed hash of the image's content, and the name of the data key that opens
    ``sealed``. Engines are asked for such rows by their numbers, ids and owners alone, and make no index of them.
    """
    return pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("owner", pa.string(), nullable=False),
            pa.field("sealed", pa.binary(), nullable=False),
        ]
    )


def table_of(
    entries: Sequence[Entry],
    ids: Sequence[str],
    vectors: Float32[np.ndarray, "images dim"],
    *,
    first: int,
    thumbnails: Sequence[bytes | None] | None = None,
) -> pa.Table:
    """Rows, numbered from ``first`` on; without thumbnails where none are given."""
    columns = {
        "number": range(first, first + len(entries)),
        "id": ids,
        "path": [entry.path for entry in entries],
        "person": [entry.person for entry in entries],
        "camera": [entry.camera for entry in entries],
        "time": [entry.time for entry in entries],
        "thumbnail": [None] * len(entries) if thumbnails is None else thumbnails,
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
    }
    made = schema(vectors.shape[1])
    return pa.table(
        [
            column if isinstance(column, pa.Array) else pa.array(column, made.field(name).type)
            for name, column in columns.items()
        ],
        schema=made,
    )


def vectors_of(rows: pa.Table | pa.RecordBatch, dim: int) -> Float32[np.ndarray, "rows dim"]:
    """The vectors of rows as a matrix."""
    column = rows.column("vector")
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    flat = [part.flatten().to_numpy(zero_copy_only=False) for part in parts]
    return (np.concatenate(flat) if flat else np.zeros(0, np.float32)).reshape(-1, dim)


def moment(text: str | None, *, name: str) -> datetime | None:
    """A time of ISO 8601; one without a zone is in UTC.

    >>> moment("2026-11-28 09:30", name="since").isoformat()
    '2026-11-28T09:30:00+00:00'

    Raises:
        ValueError: it is none.
    """
    if text is None or text == "":
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the first and the last day have no other zone's time
        raise InputError(f"{name}={text}: give a time such as 2026-11-28 or 2026-11-28T09:30:00+01:00") from None


def texts(value: object) -> tuple[str, ...]:
    """One word or several, as a tuple; nothing for None."""
    if value is None:
        return ()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(str(each) for each in value)
    return (str(value),)
