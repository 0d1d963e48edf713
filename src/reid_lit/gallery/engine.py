"""What keeps the rows of a gallery: the little that every engine can do."""

import importlib
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from reid_lit.errors import InputError, MissingPackageError
from reid_lit.gallery.rows import Where

ENGINES = {
    "lancedb": ("reid_lit.gallery.lance", "LanceEngine", "gallery"),
    "postgres": ("reid_lit.gallery.postgres", "PostgresEngine", "postgres"),
    "qdrant": ("reid_lit.gallery.qdrant", "QdrantEngine", "qdrant"),
}
"""By name: the module, the class, and the extra that installs what it needs."""


@runtime_checkable
class Engine(Protocol):
    """A store of rows, see :func:`reid_lit.gallery.rows.schema`. What :meth:`add` has returned from is on the disk.

    It keeps rows of :func:`reid_lit.gallery.rows.sealed_schema` as well, which are never indexed, and where two rows
    may have one number for a while.
    """

    def create(self, columns: pa.Schema) -> None:
        """Make an empty store for such rows; ExistingFileError where there is one."""

    def add(self, rows: pa.Table) -> None:
        """Add rows: all or none, but for Qdrant, of which a kill may leave the first of them."""

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that rows have."""

    def count(self, where: Where) -> int:
        """The number of rows meant."""

    def state(self) -> object:
        """What is another one after each change of the rows, by whatever process; None where that costs a count."""

    def scan(self, where: Where, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows meant, with these columns, in any order."""

    def numbered(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of these numbers, in any order."""

    def last(self) -> int:
        """The greatest number of all rows; -1 without any."""

    def erase(self, where: Where) -> int:
        """Remove the rows meant, from the disk too as far as the engine can (``docs/gallery.md``); their number."""

    def index(self) -> str:
        """Make what :meth:`near` is fast by, the engine's own choice for so many rows; what it is, in words."""

    def near(
        self, vector: Float32[np.ndarray, " dim"], top: int, where: Where
    ) -> tuple[Sequence[int], Sequence[float]]:
        """Numbers and cosines of rows that are near a vector, nearest first; some nearer ones may be missed."""


def engine_of(name: str, store: str) -> Engine:
    """An engine, without asking whether there is anything in its store.

    Args:
        name: One of :data:`ENGINES`.
        store: A folder, or an address that the engine understands.

    Raises:
        ValueError: there is no such engine.
        ModuleNotFoundError: its package is not installed.
    """
    if name not in ENGINES:
        raise InputError(f"engine={name}: unknown; there are {', '.join(ENGINES)}")
    module, kind, extra = ENGINES[name]
    try:
        found: Engine = getattr(importlib.import_module(module), kind)(store)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"engine={name} needs the package {error.name}; pip install 'reid-lit[{extra}]' installs it"
        ) from error
    return found
