"""Every engine keeps the contract of :class:`reid_lit.gallery.engine.Engine`."""

import base64
import struct
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from tests.gallery.conftest import is_meant, rows_of

from reid_lit.errors import ExistingFileError, InputError, MissingFileError, MissingPackageError
from reid_lit.gallery import engine as module
from reid_lit.gallery.engine import ENGINES, engine_of
from reid_lit.gallery.rows import FACTS, Where, schema, sealed_schema, vectors_of

DIM = 8
WHERES = [
    Where(),
    Where(persons=("bob's",)),
    Where(persons=("ann", "José"), cameras=("door",)),
    Where(cameras=('yard "2"',), since=datetime(2026, 1, 1, 12, tzinfo=UTC)),
    Where(until=datetime(2026, 1, 2, tzinfo=UTC)),
    Where(since=datetime(2026, 1, 1, 5, tzinfo=UTC), until=datetime(2026, 1, 1, 9, tzinfo=UTC)),
    Where(paths=("/crops/it's 7.png",)),
    Where(above=10, up_to=20),
    Where(persons=("nobody' OR '1'='1",)),
]


@pytest.fixture(params=sorted(ENGINES))
def make(request, store_of):
    pytest.importorskip({"lancedb": "lancedb", "postgres": "psycopg", "qdrant": "qdrant_client"}[request.param])
    store = store_of(request.param)
    return lambda: engine_of(request.param, store)


@pytest.fixture
def filled(make):
    engine = make()
    engine.create(schema(DIM))
    random = np.random.default_rng(0)
    first, some = rows_of(random, 20, dim=DIM)
    second, more = rows_of(random, 23, dim=DIM, first=20)
    engine.add(first)
    engine.add(second)
    return engine, pa.concat_tables([first, second]), np.concatenate([some, more])


def numbers(batches):
    return sorted(number for batch in batches for number in batch.column("number").to_pylist())


@pytest.mark.parametrize("where", WHERES)
def test_what_is_meant_is_what_a_loop_finds(filled, where):
    engine, rows, _ = filled
    expected = [row["number"] for row in rows.to_pylist() if is_meant(where, row)]
    assert engine.count(where) == len(expected)
    assert numbers(engine.scan(where, ["number"])) == expected


def test_rows_come_back_as_they_were(filled, make):
    _, rows, vectors = filled
    engine = make()  # as another process opens it
    found = engine.numbered([3, 41], [*FACTS, "vector"]).sort_by("number")
    assert found.select(FACTS).to_pylist() == [rows.select(FACTS).to_pylist()[k] for k in (3, 41)]
    assert (vectors_of(found, DIM) == vectors[[3, 41]]).all()
    assert engine.last() == 42
    assert engine.known(["id4", "id400", "x'y"]) == {"id4"}
    assert engine.numbered([], FACTS).num_rows == 0
    assert engine.known([]) == set()


def test_the_state_is_another_one_after_each_change(filled, make):
    engine, _, _ = filled
    other = make()
    states = [other.state()]
    engine.add(rows_of(np.random.default_rng(1), 1, dim=DIM, first=43)[0])
    states.append(other.state())
    engine.erase(Where(above=42))
    states.append(other.state())
    assert set(states) == {None} or len(set(states)) == 3
    assert other.state() == states[-1]


def test_near_rows_are_near(filled):
    engine, rows, vectors = filled
    engine.index()
    for where in WHERES[:5]:
        allowed = [row["number"] for row in rows.to_pylist() if is_meant(where, row)]
        cosine = vectors[allowed] @ vectors[5]
        found, scores = engine.near(vectors[5], 4, where)
        order = np.argsort(-cosine)[: len(found)]
        assert list(found) == [allowed[k] for k in order]
        assert np.allclose(scores, cosine[order], atol=1e-5)
        assert len(found) == min(4, len(allowed))


@pytest.mark.parametrize("where", WHERES)
def test_what_is_erased_is_gone(filled, where, make):
    engine, rows, _ = filled
    left = [row["number"] for row in rows.to_pylist() if not is_meant(where, row)]
    assert engine.erase(where) == rows.num_rows - len(left)
    assert numbers(make().scan(Where(), ["number"])) == left


@pytest.mark.parametrize("make", ["lancedb", "qdrant"], indirect=True)
def test_erased_rows_leave_the_disk(filled, tmp_path):
    engine, _, vectors = filled

    def held(row):
        kinds = (vectors[row].tobytes(), struct.pack(">d", vectors[row, 0]))  # Arrow's, and a pickle's
        files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
        return any(kind in file for kind in kinds for file in files)

    assert held(7)
    engine.erase(Where(paths=("/crops/it's 7.png",)))
    assert not held(7)
    assert held(8)


def test_sealed_rows_are_kept_by_number_id_and_owner(make, tmp_path):
    random = np.random.default_rng(0)
    sealed = [random.bytes(5000 + k) for k in range(6)]
    owners = ["a1", "b2", "a1", "c3", "b2", "d4"]
    columns = [range(3, 9), [f"{k:064x}" for k in range(6)], owners, sealed]
    rows = pa.table([pa.array(column) for column in columns], names=sealed_schema().names).cast(sealed_schema())
    engine = make()
    engine.create(sealed_schema())
    engine.add(rows)
    engine = make()
    assert (engine.count(Where()), engine.last()) == (6, 8)
    assert engine.known([f"{2:064x}", f"{9:064x}"]) == {f"{2:064x}"}
    found = pa.Table.from_batches(list(engine.scan(Where(above=4), ["number", "owner", "sealed"]))).sort_by("number")
    assert found.to_pydict() == {"number": [5, 6, 7, 8], "owner": owners[2:], "sealed": sealed[2:]}
    assert engine.numbered([8], rows.column_names).to_pylist() == rows.to_pylist()[5:]
    twice = rows.slice(0, 1).set_column(2, "owner", pa.array(["e5"]))
    engine.add(twice.cast(sealed_schema()))  # sealed again, before the older row goes
    assert engine.erase(Where(owners=("a1", "c3", "f6"))) == 3
    assert numbers(engine.scan(Where(), ["number"])) == [3, 4, 7, 8]
    assert engine.count(Where(owners=("e5",))) == 1
    assert engine.index()
    held = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    coded = [base64.b64encode(each) for each in sealed[:3]]  # one of two parts lies on one page of SQLite's
    kinds = [(each, text[1000:1060], text[1060:1120]) for each, text in zip(sealed, coded, strict=False)]
    found = [any(kind in content for kind in each for content in held) for each in kinds]
    assert found == [True, True, False] or not held  # a server's disk is elsewhere


def test_an_empty_store_has_nothing(make):
    engine = make()
    engine.create(schema(DIM))
    assert (engine.count(Where()), engine.last()) == (0, -1)
    assert numbers(engine.scan(Where(), ["number"])) == []
    with pytest.raises(ExistingFileError, match="holds rows of a gallery already"):
        make().create(schema(DIM))


def test_a_store_that_is_not_there_is_said(make):
    with pytest.raises(MissingFileError, match="holds no gallery's rows"):
        make().count(Where())


def test_an_engine_that_is_none_or_not_installed_is_said(monkeypatch):
    with pytest.raises(InputError, match="engine=redis: unknown; there are lancedb, postgres, qdrant"):
        engine_of("redis", "x")
    monkeypatch.setitem(module.ENGINES, "other", ("no_such_package_at_all", "X", "gallery"))
    with pytest.raises(MissingPackageError, match=r"pip install 'reid-lit\[gallery\]' installs it"):
        engine_of("other", "x")


def test_lancedb_has_an_index_of_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("reid_lit.gallery.lance.MANY", 300)
    engine = engine_of("lancedb", str(tmp_path / "store"))
    engine.create(schema(DIM))
    rows, vectors = rows_of(np.random.default_rng(0), 300, dim=DIM)
    engine.add(rows)
    engine.index()
    assert "vector" in {column for index in engine.table.list_indices() for column in index.columns}
    numbers, cosines = engine.near(vectors[7], 5, Where())
    assert numbers[0] == 7
    assert cosines[0] == pytest.approx(1, abs=1e-3)


def test_no_engine_is_imported_unless_it_is_asked_for(tmp_path):
    pytest.importorskip("qdrant_client")
    words = f"""
import sys
from reid_lit.gallery.engine import engine_of
packages = {{"lancedb", "psycopg", "pgvector", "qdrant_client"}}
assert not packages & set(sys.modules)
engine_of("qdrant", {str(tmp_path / "x")!r})
assert packages & set(sys.modules) == {{"qdrant_client"}}
"""
    subprocess.run([sys.executable, "-c", words], check=True, cwd=tmp_path)
