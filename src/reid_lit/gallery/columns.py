"""The columns of an engine that has no types of Arrow: kept beside the rows as text, and filled from plain values."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from reid_lit.errors import InputError

_MARK = "reid_lit gallery "


def kept(columns: pa.Schema) -> str:
    """Columns as a text that :func:`columns_of` reads."""
    return _MARK + base64.b64encode(columns.serialize().to_pybytes()).decode()


def columns_of(text: object, *, place: str) -> pa.Schema:
    """The columns that a text keeps.

    Args:
        text: What :func:`kept` wrote.
        place: Where it was found, for an error.

    Raises:
        ValueError: it is another text, or none.
    """
    if not isinstance(text, str) or not text.startswith(_MARK):
        raise InputError(f"{place} is no gallery's, or has lost its description; give another ?gallery=<name>")
    try:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text.removeprefix(_MARK))))
    except (ValueError, OSError) as error:
        raise InputError(f"{place} has a damaged description; restore it from a copy") from error


def chosen(columns: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """Some of the columns, in the order of their names."""
    return pa.schema([columns.field(name) for name in names])


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column holds vectors."""
    return bool(pa.types.is_fixed_size_list(kind))


def dim_of(columns: pa.Schema) -> int | None:
    """Length of a vector; None where no column holds vectors."""
    return columns.field("vector").type.list_size if "vector" in columns.names else None


def batch_of(rows: Sequence[Sequence[Any]], columns: pa.Schema) -> pa.RecordBatch:
    """Rows of plain values, vectors as arrays of float32, under their columns."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [_array(each, field.type) for each, field in zip(values, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not is_vector(kind):
        return pa.array(values, kind)
    flat = np.concatenate([np.zeros(0, np.float32), *(np.asarray(each, np.float32) for each in values)])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), kind.list_size)
