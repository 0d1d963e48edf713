"""A sealed gallery's rows in any engine: it keeps ciphertext, and what is meant is found in memory."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from filelock import BaseFileLock
from jaxtyping import Float, Float32, Int64

from reid_lit.errors import InputError
from reid_lit.gallery import sealing
from reid_lit.gallery.engine import Engine
from reid_lit.gallery.keystore import FILE, KeyStore
from reid_lit.gallery.master import Master
from reid_lit.gallery.memory import Memory, Opened, is_meant
from reid_lit.gallery.rows import FACTS, Where, schema, sealed_schema, vectors_of
from reid_lit.gallery.sealing import Place, opened, packed, sealed
from reid_lit.progress import Progress, untold

ALL = ("number", "id", "owner", "sealed")
PART = 2048
"""Rows that are sealed again at once."""
OWNERS = 10_000
"""Owners whose rows one call of an engine removes."""


class SealedEngine:
    """What :class:`reid_lit.gallery.engine.Engine` asks for, over an engine of sealed rows.

    Args:
        rows: Keeps the ciphertext.
        keys: Keeps the data keys.
        lock: The gallery's; rows and their keys change, and are read, under it.
        dim: Length of a vector.
        precision: Of the vectors in memory, ``float32`` or ``float16``.
    """

    def __init__(self, rows: Engine, keys: KeyStore, lock: BaseFileLock, *, dim: int, precision: str) -> None:
        self.rows, self.keys, self.lock, self.dim = rows, keys, lock, dim
        self.memory = Memory(dim, precision=precision)

    def create(self, columns: pa.Schema) -> None:  # noqa: ARG002 - those of open rows
        """Make an empty store for sealed rows."""
        self.rows.create(sealed_schema())

    def add(self, rows: pa.Table) -> None:
        """Seal rows, each person's by one data key, and add them."""
        with self._settled():
            keys = self.keys.for_persons(rows.column("person").to_pylist())
            vectors = vectors_of(rows, self.dim)
            made: dict[str, list[Any]] = {name: [] for name in ALL}
            for row, vector, (owner, key) in zip(rows.drop_columns("vector").to_pylist(), vectors, keys, strict=True):
                place = self._place(row["number"], owner, self._id(row["id"]))
                _append(made, place, sealed(packed(row, vector), key, place))
            self.rows.add(_table(made))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that rows have."""
        hashed = {self._id(each): each for each in ids}
        with self._settled():
            return {hashed[each] for each in self.rows.known(list(hashed))}

    def count(self, where: Where) -> int:
        """The number of rows meant."""
        if not where.is_all:
            return int(self._meant(where).num_rows)
        with self._settled():
            return self.rows.count(where)

    def state(self) -> object:
        """None: nothing tells it for less than a count."""
        return None

    def scan(self, where: Where, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows meant; vectors and thumbnails are opened again, batch by batch."""
        if set(columns) <= set(FACTS):
            yield from self._meant(where).select(list(columns)).to_batches()
            return
        with self.lock:
            numbers = self._meant(where).column("number").sort().to_pylist()
            for start in range(0, len(numbers), PART):
                yield from self._read(numbers[start : start + PART]).select(list(columns)).to_batches()

    def numbered(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of these numbers."""
        if not set(columns) <= set(FACTS):
            with self._settled():
                return self._read(numbers).select(list(columns))
        self.refresh()
        facts = self.memory.facts
        chosen = pc.is_in(facts.column("number"), value_set=pa.array(numbers, pa.int64()))
        return facts.filter(chosen).select(list(columns))

    def last(self) -> int:
        """The greatest number."""
        with self._settled():
            return self.rows.last()

    def erase(self, where: Where) -> int:
        """Destroy the data keys of the rows meant, and remove them; other rows of their persons get another key."""
        with self.lock:
            gone = self._meant(where).column("number").to_numpy()
            if len(gone):
                everything = len(gone) == self.memory.facts.num_rows
                self._replace(*self._affected(gone), everything=everything)
                self.memory.drop(gone, self.keys.changes())
        return len(gone)

    def index(self) -> str:
        """Refuse.

        Raises:
            ValueError: always.
        """
        raise InputError("a sealed gallery has no index: the engine would have to read the vectors")

    def near(
        self,
        vector: Float32[np.ndarray, " dim"],  # noqa: ARG002
        top: int,  # noqa: ARG002
        where: Where,  # noqa: ARG002
    ) -> tuple[Sequence[int], Sequence[float]]:
        """Refuse.

        Raises:
            ValueError: always.
        """
        raise InputError("approximate=true: a sealed gallery has no index; leave it out, exact search is in memory")

    def nearest(
        self,
        query: Float32[np.ndarray, "queries dim"],
        top: int,
        where: Where,
        *,
        tell: Progress = untold,
    ) -> tuple[Int64[np.ndarray, "queries found"], Float[np.ndarray, "queries found"]]:
        """As of :meth:`reid_lit.gallery.vectors.Vectors.nearest`, of the rows meant."""
        self.refresh(tell=tell)
        return self.memory.nearest(query, top, where)

    def refresh(self, *, tell: Progress = untold) -> None:
        """Open the rows that are not in memory.

        Args:
            tell: Called with the rows that are open, and their number.

        Raises:
            ValueError: a row is damaged.
        """
        with self._settled():
            self.memory.refresh(self.keys.changes(), lambda last: self._opened(last, tell))

    def damaged(self) -> list[int]:
        """The numbers of the rows that cannot be opened."""
        found = []
        with self._settled():
            for batch in self.rows.scan(Where(), ALL):
                found += [place.number for place, plain in self._plain(batch, strict=False) if plain is None]
        return sorted(found)

    def erase_damaged(self) -> int:
        """Remove the rows that cannot be opened; their number."""
        with self.lock:
            gone = np.array(self.damaged(), np.int64)
            if len(gone):
                self._replace(*self._affected(gone))
        return len(gone)

    def reseal(self, *, tell: Progress = untold) -> None:
        """Seal all rows by new data keys; a kill leaves each row with its old key or its new one.

        Args:
            tell: Called with the rows that are done, and their number.
        """
        with self.lock:
            owners: dict[str, list[int]] = {}
            for number, owner in self._owners():
                owners.setdefault(owner, []).append(number)
            total, done = sum(map(len, owners.values())), 0
            part: dict[str, list[int]] = {}
            for place, (owner, numbers) in enumerate(owners.items(), 1):
                part[owner] = numbers
                done += len(numbers)
                if sum(map(len, part.values())) >= 16 * PART or place == len(owners):
                    self._replace(list(part), [number for each in part.values() for number in each])
                    tell(done, total)
                    part = {}

    def rotate(self, master: Master, *, tell: Progress = untold) -> None:
        """Wrap the data keys by another key of the gallery; the rows stay as they are.

        Args:
            master: The new key.
            tell: Called with the data keys that are done, and their number.
        """
        with self._settled():
            self.keys.rotate(master, tell=tell)

    def _meant(self, where: Where) -> pa.Table:
        self.refresh()
        facts = self.memory.facts
        return facts.filter(pa.array(is_meant(facts, where)))

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """Under the lock, and after rows are gone that a killed process has left."""
        with self.lock:
            left = self.keys.left_over()
            if left:
                self._remove(left)
            yield

    def _remove(self, owners: Sequence[str]) -> None:
        for start in range(0, len(owners), OWNERS):
            self.rows.erase(Where(owners=tuple(owners[start : start + OWNERS])))
        self.keys.forget(owners)

    def _owners(self) -> Iterator[tuple[int, str]]:
        with self._settled():
            for batch in self.rows.scan(Where(), ("number", "owner")):
                yield from zip(batch.column("number").to_pylist(), batch.column("owner").to_pylist(), strict=True)

    def _affected(self, gone: Int64[np.ndarray, " gone"]) -> tuple[list[str], list[int]]:
        """The owners of rows that go, and the numbers of those of their rows that stay."""
        pairs = list(self._owners())
        going = set(gone.tolist())
        owners = {owner for number, owner in pairs if number in going}
        return sorted(owners), [number for number, owner in pairs if owner in owners and number not in going]

    def _replace(self, owners: Sequence[str], kept: Sequence[int], *, everything: bool = False) -> None:
        """Destroy data keys and what they seal, but for the rows that are kept, which get new keys first.

        At each step a killed process leaves rows that can be read once, by the old key or by the new one; from the
        moment when keys are destroyed, what they seal is lost, and removed by who comes next.
        """
        successors: dict[str, tuple[str, bytes]] = {}
        for start in range(0, len(kept), PART):
            rows = self.rows.numbered(kept[start : start + PART], ALL)
            missing = sorted(set(rows.column("owner").to_pylist()) - set(successors))
            successors |= self.keys.successors(missing)
            made: dict[str, list[Any]] = {name: [] for name in ALL}
            for place, plain in self._plain(rows):
                owner, key = successors[place.owner]
                new = place._replace(owner=owner)
                _append(made, new, sealed(plain or b"", key, new))
            self.rows.add(_table(made))
        self.keys.destroy(owners, successors=successors)
        if everything:
            self.rows.erase(Where())
            self.keys.forget(owners)
        else:
            self._remove(owners)

    def _read(self, numbers: Sequence[int]) -> pa.Table:
        """Rows with all columns of an open gallery."""
        rows = self.rows.numbered(list(numbers), ALL)
        places, plain = self._rows(rows)
        facts = _facts(places, sealing.facts_of(plain, self.dim))
        flat = sealing.vectors_of(plain, self.dim).ravel()
        columns = {name: facts.column(name) for name in FACTS} | {
            "thumbnail": pa.array([sealing.thumbnail_of(row, self.dim) for row in plain], pa.binary()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), self.dim),
        }
        shape = schema(self.dim)
        return pa.table([columns[name] for name in shape.names], schema=shape)

    def _opened(self, last: int, tell: Progress) -> Iterator[Opened]:
        total, done = self.rows.count(Where()), self.memory.facts.num_rows
        for batch in _ahead(self.rows.scan(Where(above=last) if last >= 0 else Where(), ALL)):
            places, plain = self._rows(batch)
            done += len(batch)
            tell(done, total)
            yield Opened(_facts(places, sealing.facts_of(plain, self.dim)), sealing.vectors_of(plain, self.dim))

    def _rows(self, rows: pa.Table | pa.RecordBatch) -> tuple[list[Place], list[bytes]]:
        """The places of rows, and what they hold."""
        pairs = [(place, plain) for place, plain in self._plain(rows) if plain is not None]
        return [place for place, _ in pairs], [plain for _, plain in pairs]

    def _plain(self, rows: pa.Table | pa.RecordBatch, *, strict: bool = True) -> Iterator[tuple[Place, bytes | None]]:
        """What rows hold; None for one that is damaged, unless ``strict``."""
        columns = [rows.column(name).to_pylist() for name in ALL]
        ciphers = {owner: AESGCM(key) for owner, key in self.keys.of(sorted(set(columns[2]))).items()}
        for number, each, owner, content in zip(*columns, strict=True):
            place = self._place(number, owner, each)
            try:
                if owner not in ciphers:
                    raise InputError(f"row {number} has no data key in {self.keys.file}; restore both from one copy")
                yield place, opened(content, ciphers[owner], place)
            except InputError:
                if strict:
                    raise
                yield place, None

    def _id(self, content_id: str) -> str:
        return self.keys.hashed(f"image {content_id}").hex()

    def _place(self, number: int, owner: str, hashed: str) -> Place:
        return Place(self.keys.gallery, number, owner, hashed)


def sealed_engine(
    rows: Engine, folder: Path, master: Master, lock: BaseFileLock, *, dim: int, precision: str
) -> SealedEngine:
    """The engine of a gallery's sealed rows, with the data keys in its folder.

    Raises:
        FileNotFoundError: the data keys are missing.
        ValueError: they are damaged, or the key is another one.
    """
    return SealedEngine(rows, KeyStore(folder / FILE, master), lock, dim=dim, precision=precision)


@contextmanager
def new_keys(folder: Path, master: Master) -> Iterator[None]:
    """Make the store of data keys for a gallery that is made within; without the gallery it is removed again.

    Raises:
        FileExistsError: the folder has one.
    """
    KeyStore.create(folder / FILE, master)
    try:
        yield
    except BaseException:
        (folder / FILE).unlink()
        raise


def _append(made: dict[str, list[Any]], place: Place, content: bytes) -> None:
    for name, value in zip(ALL, (place.number, place.id, place.owner, content), strict=True):
        made[name].append(value)


def _table(made: dict[str, list[Any]]) -> pa.Table:
    return pa.table(made, schema=sealed_schema())


def _facts(places: Sequence[Place], columns: Sequence[Sequence[Any]]) -> pa.Table:
    shape = pa.schema([schema(1).field(name) for name in FACTS])
    whole = [[place.number for place in places], *columns]
    return pa.table([pa.array(column, field.type) for column, field in zip(whole, shape, strict=True)], schema=shape)


def _ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches, of which the next one is read while one is opened."""
    waiting = iter(batches)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, waiting, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, waiting, None)
            yield batch
