"""Rows move from one engine to another by way of a file, once each, and never under another model."""

import json
from contextlib import nullcontext
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.gallery.conftest import rows_of

from reid_lit.errors import InputError, MissingFileError
from reid_lit.gallery.__main__ import reword
from reid_lit.gallery.command import run_verb
from reid_lit.gallery.enrolling import Embedded
from reid_lit.gallery.facts import FILE, FORMAT, VERSION, Facts
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.rows import Entry, Where, schema
from reid_lit.overrides import unquoted
from reid_lit.testing.provenance import Provenance

DIM = 8
ORIGIN = Provenance(
    model="a" * 64,
    feature="embedding",
    flip=True,
    size=(32, 16),
    interpolation="bilinear",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    precision="32-true",
)
PACKAGES = {"lancedb": "lancedb", "postgres": "psycopg", "qdrant": "qdrant_client"}


@pytest.fixture
def made(store_of, tmp_path):
    """Makes an empty gallery without a model, in a folder of the engine's name."""

    def make(engine, *, thumbnails=True, keys=lambda folder: nullcontext(), master=None):
        pytest.importorskip(PACKAGES[engine])
        facts = Facts(run="no run", origin=ORIGIN, dim=DIM, engine=engine, store=store_of(engine), vectors="float32", thumbnails=thumbnails, sealed=master is not None)  # fmt: skip
        folder = tmp_path / engine
        folder.mkdir()
        (folder / FILE).write_text(json.dumps({"format": FORMAT, "version": VERSION, **asdict(facts)}))
        with keys(folder):
            gallery = Gallery(folder, facts, master=master)
            gallery.engine.create(schema(DIM))
        return gallery

    return make


def images(number):
    rows, vectors = rows_of(np.random.default_rng(0), number, dim=DIM)
    entries = [Entry(**row) for row in rows.select(["path", "person", "camera", "time"]).to_pylist()]
    return Embedded(entries, rows.column("id").to_pylist(), vectors, [bytes([k, 0]) for k in range(number)])


def contents(gallery, *without):
    rows = pa.Table.from_batches(gallery.engine.scan(Where(), schema(DIM).names)).sort_by("id")
    return rows.drop_columns(["number", *without]).to_pylist()


@pytest.mark.parametrize(
    ("one", "other", "ending"),
    [("lancedb", "postgres", "parquet"), ("postgres", "qdrant", "arrow"), ("qdrant", "lancedb", "parquet")],
)
def test_rows_move_between_engines(made, tmp_path, one, other, ending):
    first, second = made(one), made(other)
    file = tmp_path / f"rows.{ending}"
    first._add(images(30))
    assert first.export(file) == 30
    second._add(images(3))
    told = []
    result = second.import_rows(file, tell=lambda done, total: told.append((done, total)))
    assert (result.added, result.known) == (27, 3)
    assert told[-1] == (30, 30)
    assert contents(second) == contents(first)
    assert second.engine.last() == 29
    assert second.import_rows(file).added == 0
    (query,) = images(6).vectors[5:6]
    where = Where()
    near = [gallery.nearest(query[None], top=4, where=where)[0] for gallery in (first, second)]
    assert near[0][1] == near[1][1]


@pytest.mark.parametrize("engine", ["postgres", "qdrant"])
def test_a_sealed_gallery_is_kept_by_each_engine(made, engine, tmp_path):
    """Rows that were exported as plain text are sealed on their way into it."""
    pytest.importorskip("cryptography")
    from reid_lit.gallery.master import Master
    from reid_lit.gallery.sealed import new_keys

    first = made("lancedb")
    first._add(images(30))
    first.export(tmp_path / "rows.parquet")
    master = Master(b"m" * 32, source="key=@m")
    sealed = made(engine, keys=lambda folder: new_keys(folder, master), master=master)
    assert sealed.import_rows(tmp_path / "rows.parquet").added == 30
    kept = pa.Table.from_batches(sealed.sealed.rows.scan(Where(), ["id", "owner", "sealed"]))
    assert not any(b"/crops" in each for each in kept.column("sealed").to_pylist())
    assert contents(sealed) == contents(first)
    query = images(6).vectors[5:6]
    near = [gallery.nearest(query, top=4, where=Where(cameras=("door",)))[0][1] for gallery in (first, sealed)]
    assert near[0] == pytest.approx(near[1], abs=1e-6)
    gone = Where(persons=("ann",), cameras=("door",))
    assert sealed.erase(gone) == first.erase(gone) > 0  # rows of the same person are sealed again
    assert contents(sealed) == contents(first)
    sealed.sealed.reseal()
    assert contents(sealed) == contents(first)
    with pytest.raises(InputError, match="a sealed gallery has no index"):
        sealed.index()


def test_thumbnails_are_left_where_none_are_kept(made, tmp_path):
    first, second = made("lancedb"), made("qdrant", thumbnails=False)
    first._add(images(4))
    first.export(tmp_path / "rows.arrow")
    second.import_rows(tmp_path / "rows.arrow")
    assert [row["thumbnail"] for row in contents(second)] == [None] * 4


def test_content_that_a_file_has_twice_is_taken_once(made, tmp_path):
    gallery = made("lancedb")
    gallery._add(images(4))
    gallery.export(tmp_path / "rows.parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    pyarrow.parquet.write_table(pa.concat_tables([rows, rows]), tmp_path / "twice.parquet")
    other = made("qdrant")
    result = other.import_rows(tmp_path / "twice.parquet")
    assert (result.added, result.known) == (4, 4)


def test_files_that_cannot_be_imported_are_refused(made, tmp_path):
    gallery = made("lancedb")
    gallery._add(images(4))
    file = tmp_path / "rows.parquet"
    gallery.export(file)
    rows = pyarrow.parquet.read_table(file)

    def refused(said, name=file.name, kind=InputError):
        with pytest.raises(kind, match=said):
            gallery.import_rows(tmp_path / name)
        assert len(gallery) == 4

    refused("give a name that ends in .parquet or .arrow", "rows.csv")
    refused("no such file; python -m reid_lit.gallery export", "none.arrow", MissingFileError)
    other = replace(ORIGIN, model="b" * 64, flip=False)
    for metadata, said in (
        (
            {"reid_lit": json.dumps(asdict(other))},
            r"of another model than this gallery's \(model: a+ and b+; flip: True and False\)",
        ),
        ({}, "does not say by which model"),
        ({"reid_lit": "{}"}, "what it says of its model is damaged"),
    ):
        pyarrow.parquet.write_table(rows.replace_schema_metadata(metadata), file)
        refused(said)
    long = pa.FixedSizeListArray.from_arrays(pa.array(np.full(4 * DIM, 3, np.float32)), DIM)
    pyarrow.parquet.write_table(rows.set_column(rows.column_names.index("vector"), "vector", long), file)
    refused("the vector of /crops/it's 0.png is not of length 1")
    pyarrow.parquet.write_table(rows.drop_columns("camera"), file)
    refused("damaged, or none that export has written")
    file.write_bytes(b"PAR1 no parquet")
    refused("damaged, or none that export has written")


def test_the_commands(made, command, compose, capsys, tmp_path):
    gallery = made("lancedb")
    index = compose(f"gallery={gallery.folder}", config_name="gallery_verb/index")
    with pytest.raises(InputError, match=r"lancedb is empty; python -m reid_lit.gallery enrol"):
        run_verb("index", index)
    gallery._add(images(4))
    run_verb("index", index)
    said = " ".join(capsys.readouterr().out.split())
    assert "lancedb: no index of vectors (4 rows; LanceDB compares all of them below 100,000)" in said
    gallery.export(tmp_path / "rows.parquet")
    done = command("import", "gallery=lancedb", "file=rows.parquet", cwd=tmp_path, module="reid_lit.gallery")
    assert "0 images are enrolled, 4 were known by their content; the gallery has 4" in done.stdout


def test_an_address_needs_no_quotes_of_hydra():
    words = [
        "gallery=x",
        "run=r",
        "store=postgresql://reid@db/reid?host=/tmp&gallery=doors",
        'store="a://b"',
        "store=here",
    ]
    assert [unquoted(word.partition("=")[2]) for word in reword("create", words)] == [
        unquoted(word.partition("=")[2]) for word in words
    ]
    assert reword("create", words)[2] == 'store="postgresql://reid@db/reid?host=/tmp&gallery=doors"'
