"""What only PostgreSQL has: passwords, half precision, transactions, a server that may be away."""

import json
import time

import numpy as np
import pytest
from tests.gallery.conftest import rows_of
from tests.gallery.servers import PASSWORD

from reid_lit.errors import FailedError, InputError
from reid_lit.gallery import create
from reid_lit.gallery.addresses import without_password
from reid_lit.gallery.engine import engine_of
from reid_lit.gallery.facts import FILE
from reid_lit.gallery.making import open_gallery
from reid_lit.gallery.rows import Where, schema, vectors_of

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")
DIM = 8


@pytest.fixture
def store(store_of):
    return store_of("postgres")


def filled(store, *, dim=DIM, rows=40, seed=0):
    engine = engine_of("postgres", store)
    engine.create(schema(dim))
    table, vectors = rows_of(np.random.default_rng(seed), rows, dim=dim)
    engine.add(table)
    return engine, vectors


def asked(store, words, *values):
    with psycopg.connect(store.partition("&gallery")[0], autocommit=True) as connection:
        cursor = connection.execute(words, values)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(("dim", "kind"), [(512, "(vector vector_cosine_ops)"), (2048, "halfvec_cosine_ops")])
def test_the_index_is_made_and_used(store, dim, kind):
    engine, vectors = filled(f"{store}&options=-c%20enable_seqscan%3Doff%20-c%20enable_sort%3Doff", dim=dim)
    assert engine.index().startswith("HNSW over vectors")
    assert engine.index() == engine.index()
    definition = asked(store, "SELECT indexdef FROM pg_indexes WHERE indexname = %s", f"{engine.table}_vector")
    assert kind in definition[0][0]
    found, scores = engine.near(vectors[3], 4, Where())
    cosine = vectors @ vectors[3]
    assert list(found) == np.argsort(-cosine)[:4].tolist()
    assert np.allclose(scores, cosine[found], atol=1e-5)
    assert (vectors_of(engine.numbered([3], ["vector"]), dim)[0] == vectors[3]).all()  # kept in single precision
    index = f"{engine.table}_vector"
    del engine  # its connections are closed, and have told what they did
    uses = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s"
    until = time.monotonic() + 10
    while not (used := asked(store, uses, index)[0][0]) and time.monotonic() < until:
        time.sleep(0.1)
    assert used


def test_vectors_too_long_for_an_index_are_said(store):
    engine, vectors = filled(store, dim=4001, rows=3)
    assert engine.index() == "no index of vectors: pgvector indexes up to 4,000 numbers a vector"
    assert engine.near(vectors[1], 1, Where())[0] == [1]  # the server compares all


def test_rows_are_added_all_or_none(store):
    engine, _ = filled(store)
    rows, _ = rows_of(np.random.default_rng(1), 5, dim=DIM, first=36)
    with pytest.raises(FailedError, match="nothing of this call was written"):
        engine.add(rows)
    assert engine.count(Where()) == 40


def test_few_rows_are_held_at_once(store, monkeypatch):
    monkeypatch.setattr("reid_lit.gallery.postgres.BLOCK", 7)
    engine, _ = filled(store)
    sizes = [len(batch) for batch in engine.scan(Where(), ["number", "vector"])]
    assert (max(sizes), sum(sizes)) == (7, 40)
    scan = engine.scan(Where(), ["number"])
    next(scan)
    assert engine.erase(Where(up_to=9)) == 10  # while another connection reads
    scan.close()
    assert engine.count(Where()) == 30


def test_a_server_that_was_started_again_is_reached_again(store):
    engine, _ = filled(store)
    asked(store, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reid_lit'")
    with pytest.raises(FailedError, match="nothing of this call was written"):
        engine.count(Where())
    assert engine.count(Where()) == 40


def test_erased_rows_leave_the_servers_disk_when_the_table_is_written_anew(store, postgres):
    engine, vectors = filled(store, seed=7)  # other tables have no such rows
    engine.erase(Where(paths=("/crops/it's 7.png",)))
    asked(store, f"VACUUM FULL {engine.table}")
    asked(store, "CHECKPOINT")
    tables = postgres[1] / "base"

    def held(row):
        return any(vectors[row].tobytes() in file.read_bytes() for file in tables.rglob("*") if file.is_file())

    assert held(8)
    assert not held(7)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("reid@", "reid:no-such-secret@"), "password authentication failed .*set PGPASSWORD, or write ~/.pgpass"),
        (("/postgres?", "/nowhere?"), 'database "nowhere" does not exist; see that the server runs'),
        (("host=/tmp", "host=/nowhere"), "No such file or directory.*see that the server runs|Is the server running"),
    ],
)
def test_a_server_that_lets_nobody_in_is_said(store, monkeypatch, change, said):
    with pytest.raises(FailedError, match=said) as caught:
        engine_of("postgres", store.replace(*change)).count(Where())
    assert "no-such-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "store",
    [
        "host=db password=secret",
        "mysql://reid:secret@db/reid",
        "mysql://reid:secret@db/reid?gallery=a-b",
        "postgresql://reid:se/secret@db/reid",
        "postgresql://reid:se?secret@db/reid",
        "postgresql://reid:secret@db/reid?sslmodus=x",
        "postgresql://reid:secret@db/reid?gallery=a-b",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(store):
    with pytest.raises(InputError, match="store=") as caught:
        engine_of("postgres", store)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("a/folder?x@y", "a/folder?x@y"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("postgresql://db/reid", "postgresql://db/reid"),
        ("postgresql://reid:a%2Fb@db/reid?password=c&host=d", "postgresql://reid@db/reid?host=d"),
        ("https://me:key@db:6333", "https://me@db:6333"),
    ],
)
def test_an_address_is_shown_without_its_password(store, shown):
    assert without_password(store) == shown


def test_a_password_is_used_and_not_kept(trained, store, tmp_path, monkeypatch):
    monkeypatch.delenv("PGPASSWORD")
    given = store.replace("reid@", f"reid:{PASSWORD.replace(' ', '%20')}@")
    made = create(tmp_path / "doors", trained[0], engine="postgres", store=given)
    assert len(made) == 0
    kept = (tmp_path / "doors" / FILE).read_text()
    assert "own@" not in kept
    assert json.loads(kept)["store"] == store
    with pytest.raises(FailedError, match="set PGPASSWORD"):
        len(open_gallery(tmp_path / "doors"))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert len(open_gallery(tmp_path / "doors")) == 0


def test_a_database_without_the_extension_is_said(store, postgres):
    asked(store, "CREATE ROLE plain LOGIN PASSWORD 'plain'")
    asked(store, "CREATE DATABASE bare")
    bare = store.replace("reid@/postgres", "plain:plain@/bare")
    with pytest.raises(InputError, match=r"permission denied to create extension.*; pgvector 0.8 or newer is needed"):
        engine_of("postgres", bare).create(schema(DIM))


def test_a_table_of_others_is_said(store):
    engine = engine_of("postgres", store)
    asked(store, f"CREATE TABLE {engine.table} (number bigint, id text)")
    with pytest.raises(InputError, match="is no gallery's, or has lost its description"):
        list(engine.scan(Where(), ["number"]))
