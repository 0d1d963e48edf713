"""Rows of a gallery as a file that another one reads, of whatever engine."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from reid_lit.errors import InputError
from reid_lit.paths import write_whole
from reid_lit.testing.provenance import Provenance

WRITERS = {".parquet": pa.parquet.ParquetWriter, ".arrow": pa.ipc.new_file}
"""By the end of a file's name."""


def check_name(file: Path) -> None:
    """Raise InputError unless a file's name says how it is written.

    Raises:
        ValueError: it does not.
    """
    if file.suffix not in WRITERS:
        raise InputError(f"file={file}: give a name that ends in .parquet or .arrow")


def write_rows(batches: Iterator[pa.RecordBatch], file: Path, *, origin: Provenance, gallery: Path) -> int:
    """Write rows, and how their vectors were made; the file is whole or not there.

    Args:
        batches: Rows with all columns.
        file: It ends in ``.parquet`` or ``.arrow``.
        origin: How the vectors were made.
        gallery: Whose rows they are, for the error.

    Returns:
        Their number.

    Raises:
        ValueError: there is none.
    """
    rows = 0

    def write(part: Path) -> None:
        nonlocal rows
        first = next(batches, None)
        if first is None:
            raise InputError(f"{gallery} is empty: there is nothing to export")
        shape = first.schema.with_metadata({"reid_lit": json.dumps(asdict(origin))})
        with WRITERS[file.suffix](part, shape) as writer:
            for batch in (first, *batches):
                writer.write_batch(batch.cast(shape))
                rows += len(batch)

    write_whole(file, write)
    return rows
