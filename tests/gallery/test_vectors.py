"""The exact search equals a loop over all vectors, whatever was added, erased or cut short before."""

import numpy as np
import pytest
from tests.gallery.conftest import rows_of

from reid_lit.errors import InputError
from reid_lit.gallery import vectors as module
from reid_lit.gallery.engine import engine_of
from reid_lit.gallery.rows import Where, schema
from reid_lit.gallery.vectors import Vectors
from reid_lit.progress import untold

pytest.importorskip("lancedb")
DIM = 8


@pytest.fixture
def engine(tmp_path):
    made = engine_of("lancedb", str(tmp_path / "store"))
    made.create(schema(DIM))
    return made


def loop(vectors, numbers, query, top, allowed=None):
    rows = [(-float(np.float32(vector @ query)), number) for vector, number in zip(vectors, numbers, strict=True)]
    return [number for _, number in sorted(row for row in rows if allowed is None or row[1] in allowed)[:top]]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_nearest_are_those_of_a_loop(engine, tmp_path, monkeypatch, precision):
    monkeypatch.setattr(module, "BLOCK", 7)
    random = np.random.default_rng(1)
    rows, vectors = rows_of(random, 40, dim=DIM)
    engine.add(rows)
    search = Vectors(tmp_path / "v", DIM, precision=precision)
    search.refresh(engine, tell=untold)
    query = vectors[[3, 30]]
    held = vectors.astype(precision).astype(np.float32)
    for allowed in (None, np.array([1, 2, 3, 20, 39]), np.array([], np.int64)):
        found, scores = search.nearest(query, 6, allowed=allowed)
        for row, one in enumerate(query):
            expected = loop(held, range(40), one, 6, None if allowed is None else set(allowed.tolist()))
            assert found[row].tolist() == expected
            assert np.allclose(scores[row], [held[k] @ one for k in expected], atol=1e-6)


def test_the_copy_follows_what_is_added_and_erased(engine, tmp_path):
    random = np.random.default_rng(2)
    first, some = rows_of(random, 10, dim=DIM)
    engine.add(first)
    search = Vectors(tmp_path / "v", DIM, precision="float32")
    search.refresh(engine, tell=untold)
    size = search.vector_file.stat().st_size
    second, more = rows_of(random, 5, dim=DIM, first=10)
    engine.add(second)
    told = []
    search.refresh(engine, tell=lambda done, total: told.append((done, total)))
    assert search.vector_file.stat().st_size == size * 15 // 10
    assert told == [(15, 15)]  # the ten that were there are not copied again
    assert search.nearest(more[:1], 1, allowed=None)[0].tolist() == [[10]]
    engine.erase(Where(above=9, up_to=10))
    search.refresh(engine, tell=untold)
    assert search.nearest(more[:1], 15, allowed=None)[0].shape == (1, 14)
    assert 10 not in search.nearest(more[:1], 15, allowed=None)[0]
    assert search.nearest(some[:1], 1, allowed=None)[0].tolist() == [[0]]


@pytest.mark.parametrize("harm", ["cut", "behind", "state", "gone"])
def test_a_copy_that_is_not_whole_is_made_anew(engine, tmp_path, harm):
    rows, vectors = rows_of(np.random.default_rng(3), 10, dim=DIM)
    engine.add(rows)
    search = Vectors(tmp_path / "v", DIM, precision="float32")
    search.refresh(engine, tell=untold)
    if harm == "cut":
        search.vector_file.write_bytes(search.vector_file.read_bytes()[:-9])
    elif harm == "behind":  # rows were written, and the process was killed before it said so
        with search.vector_file.open("ab") as file:
            file.write(b"x" * 50)
        more, _ = rows_of(np.random.default_rng(4), 1, dim=DIM, first=10)
        engine.add(more)
    elif harm == "state":
        search.state_file.write_text("")
    else:
        search.number_file.unlink()
    search.refresh(engine, tell=untold)
    found, scores = search.nearest(vectors, 1, allowed=None)
    assert found[:, 0].tolist() == list(range(10))
    assert np.allclose(scores, 1, atol=1e-6)


def test_an_empty_gallery_finds_nothing(engine, tmp_path):
    search = Vectors(tmp_path / "v", DIM, precision="float32")
    search.refresh(engine, tell=untold)
    assert search.nearest(np.ones((2, DIM), np.float32), 3, allowed=None)[0].shape == (2, 0)
    with pytest.raises(InputError, match="vectors=int8: give float32 or float16"):
        Vectors(tmp_path, DIM, precision="int8")


def test_a_search_that_runs_reads_on_while_the_copy_is_made_anew(engine, tmp_path):
    rows, vectors = rows_of(np.random.default_rng(5), 10, dim=DIM)
    engine.add(rows)
    search = Vectors(tmp_path / "v", DIM, precision="float32")
    search.refresh(engine, tell=untold)
    numbers, held = search._opened()
    engine.erase(Where(up_to=8))
    search.refresh(engine, tell=untold)
    assert search.vector_file.stat().st_size == DIM * 4
    assert numbers.tolist() == list(range(10))
    assert np.array_equal(held, vectors)
