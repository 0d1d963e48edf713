"""Rows that another gallery has exported, of whatever engine."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from reid_lit.errors import InputError, MissingFileError
from reid_lit.gallery.enrolling import Embedded
from reid_lit.gallery.exporting import check_name
from reid_lit.gallery.rows import Entry, schema, vectors_of
from reid_lit.testing.provenance import Provenance

FORMATS = {".parquet": "parquet", ".arrow": "ipc"}
BLOCK = 1_000  # rows that are added at once


def rows_of(file: Path) -> int:
    """The number of rows of a file that ``export`` has written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is another one, or damaged.
    """
    try:
        return int(_opened(file).count_rows())
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def exported(
    file: Path, origin: Provenance, dim: int, *, thumbnails: bool
) -> Iterator[tuple[int, tuple[int, Embedded]]]:
    """The rows of a file that ``export`` has written.

    Args:
        file: It ends in ``.parquet`` or ``.arrow``.
        origin: How the vectors have to be made.
        dim: Length of a vector.
        thumbnails: Whether thumbnails are taken too, where there are some.

    Yields:
        How many rows the file has, how many are read, and these, no content twice.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is another one, damaged, or of another model.
    """
    try:
        rows = _opened(file)
        _check_same(file, rows.schema, origin)
        shape = schema(dim)
        taken = [name for name in shape.names if name in rows.schema.names]
        total = rows.count_rows()
        for batch in rows.to_batches(columns=taken, batch_size=BLOCK, batch_readahead=1, fragment_readahead=1):
            new = _embedded(batch, dim, place=str(file), thumbnails=thumbnails and "thumbnail" in taken)
            yield total, (len(batch), new)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(file, error) from error


def _opened(file: Path) -> pa.dataset.Dataset:
    check_name(file)
    return pa.dataset.dataset(file, format=FORMATS[file.suffix])


def _damaged(file: Path, error: Exception) -> Exception:
    if not file.is_file():
        return MissingFileError(f"file={file}: no such file; python -m reid_lit.gallery export writes one")
    return InputError(f"file={file}: damaged, or none that export has written ({_line(error)})")


def _check_same(file: Path, columns: pa.Schema, origin: Provenance) -> None:
    said = (columns.metadata or {}).get(b"reid_lit")
    if said is None:
        raise InputError(f"file={file}: it does not say by which model; give a file that reid_lit.gallery export wrote")
    try:
        theirs = Provenance.from_json(json.loads(said))
    except (ValueError, TypeError) as error:
        raise InputError(f"file={file}: what it says of its model is damaged ({_line(error)})") from error
    differences = origin.differences(theirs)
    if differences:
        raise InputError(
            f"file={file}: its vectors are of another model than this gallery's ({'; '.join(differences)}): they cannot"
            f" be compared; enrol the images instead"
        )


def _embedded(batch: pa.RecordBatch, dim: int, *, place: str, thumbnails: bool) -> Embedded:
    facts = batch.select(["path", "person", "camera", "time"]).to_pylist()
    ids = batch.column("id").to_pylist()
    vectors = vectors_of(batch, dim)
    wrong = np.flatnonzero(~(np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3))  # one that is no number too
    if len(wrong):
        raise InputError(f"file={place}: the vector of {facts[wrong[0]]['path']} is not of length 1; export it again")
    every = Embedded(
        [Entry(**each) for each in facts],
        ids,
        vectors,
        batch.column("thumbnail").to_pylist() if thumbnails else None,
    )
    first = {each: place for place, each in reversed(list(enumerate(ids)))}
    return every.chosen(sorted(first.values()))


def _line(error: Exception) -> str:
    return f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
