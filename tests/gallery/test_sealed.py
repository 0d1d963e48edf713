"""A sealed gallery: ciphertext alone on the disk, the same answers, and what is erased is lost in old copies too."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from filelock import FileLock
from tests.gallery.conftest import is_meant, rows_of
from tests.gallery.test_engines import WHERES

import reid_lit.gallery
from reid_lit.errors import ExistingFileError, InputError, MissingFileError, MissingPackageError, WriteError
from reid_lit.gallery.engine import engine_of
from reid_lit.gallery.master import VARIABLE, Master, WrongKeyError, made_master, read_master
from reid_lit.gallery.rotating import rotate
from reid_lit.gallery.rows import FACTS, Entry, Where, moment, schema, sealed_schema, vectors_of

pytest.importorskip("lancedb")
pytest.importorskip("cryptography")
from reid_lit.gallery import keystore, memory, sealed
from reid_lit.gallery.keystore import KeyStore
from reid_lit.gallery.sealed import ALL, SealedEngine

DIM, ROOT = 8, Path(__file__).parents[2]
MASTER, OTHER = Master(b"m" * 32, source="key=@m"), Master(b"o" * 32, source="key=@o")


def engine_at(folder, master=MASTER, precision="float32"):
    """A sealed engine as a process opens it."""
    rows = engine_of("lancedb", str(folder / "store"))
    return SealedEngine(
        rows, KeyStore(folder / "keys.sqlite", master), FileLock(folder / ".lock"), dim=DIM, precision=precision
    )


@pytest.fixture
def filled(tmp_path):
    """A store of 43 rows in two commits, and its rows."""
    KeyStore.create(tmp_path / "keys.sqlite", MASTER)
    engine = engine_at(tmp_path)
    engine.create(schema(DIM))
    random = np.random.default_rng(0)
    parts = [rows_of(random, 20, dim=DIM)[0], rows_of(random, 23, dim=DIM, first=20)[0]]
    small = [[None if k % 3 else bytes([k]) * 50 for k in part.column("number").to_pylist()] for part in parts]
    place = parts[0].schema.get_field_index("thumbnail")
    parts = [
        part.set_column(place, part.schema.field("thumbnail"), pa.array(each, pa.binary()))
        for part, each in zip(parts, small, strict=True)
    ]
    for part in parts:
        engine.add(part)
    return engine, pa.concat_tables(parts)


def numbers(batches):
    return sorted(number for batch in batches for number in batch.column("number").to_pylist())


def files(folder):
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


def raw(engine):
    """What the engine below keeps, by number."""
    return {row["number"]: row for batch in engine.rows.scan(Where(), ALL) for row in batch.to_pylist()}


@pytest.mark.parametrize("where", WHERES)
def test_what_is_meant_is_what_a_loop_finds(filled, where):
    engine, rows = filled
    expected = [row["number"] for row in rows.to_pylist() if is_meant(where, row)]
    assert engine.count(where) == len(expected)
    assert numbers(engine.scan(where, ["number", "person"])) == expected


def test_rows_come_back_as_they_were(filled, tmp_path):
    _, rows = filled
    engine = engine_at(tmp_path)
    assert (engine.count(Where()), engine.last()) == (43, 42)
    assert engine.known(["id4", "id400"]) == {"id4"}
    found = engine.numbered([3, 41], FACTS).sort_by("number")
    assert found.to_pylist() == rows.select(FACTS).take([3, 41]).to_pylist()
    everything = pa.Table.from_batches(list(engine.scan(Where(), rows.column_names))).sort_by("number")
    assert everything.to_pylist() == rows.to_pylist()
    assert (vectors_of(engine.numbered([5], ["vector"]), DIM) == vectors_of(rows, DIM)[5]).all()
    assert engine.numbered([], ["number", "vector"]).num_rows == 0


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_nearest_are_those_of_a_loop(filled, tmp_path, monkeypatch, precision):
    monkeypatch.setattr(memory, "BLOCK", 7)
    _, rows = filled
    engine, vectors = engine_at(tmp_path, precision=precision), vectors_of(rows, DIM)
    held = vectors.astype(precision).astype(np.float32)
    for where in WHERES[:6]:
        allowed = [row["number"] for row in rows.to_pylist() if is_meant(where, row)]
        found, scores = engine.nearest(vectors[[5, 30]], 4, where)
        for place, query in enumerate(vectors[[5, 30]]):
            cosine = held[allowed] @ query
            order = np.argsort(-cosine)[:4]
            assert found[place].tolist() == [allowed[k] for k in order]
            assert np.allclose(scores[place], cosine[order], atol=1e-6)
    for refused in (engine.index, lambda: engine.near(vectors[0], 1, Where())):
        with pytest.raises(InputError, match="a sealed gallery has no index"):
            refused()


def test_new_rows_alone_are_opened(filled, tmp_path):
    engine, _ = filled
    told = []
    engine.refresh(tell=lambda done, total: told.append((done, total)))
    assert told[-1] == (43, 43)
    other = engine_at(tmp_path)  # another process adds, and erases
    more, vectors = rows_of(np.random.default_rng(5), 4, dim=DIM, first=43)
    other.add(more)
    told.clear()
    assert engine.nearest(vectors[:1], 1, Where())[0].tolist() == [[43]]
    engine.refresh(tell=lambda done, total: told.append((done, total)))
    assert told == []
    assert engine.count(Where(above=40)) == 6
    assert other.erase(Where(above=44)) == 2
    assert engine.count(Where(above=40)) == 4
    assert (
        len({row["owner"] for row in raw(engine).values()})
        == len({row["person"] for row in engine.memory.facts.to_pylist()} - {None})
        + engine.memory.facts.column("person").null_count
    )  # one data key for a person, of whichever writer


@pytest.mark.parametrize("where", [*WHERES[1:], Where()])
def test_what_is_erased_is_lost_in_old_copies_too(filled, tmp_path, where):
    engine, rows = filled
    gone = [row["number"] for row in rows.to_pylist() if is_meant(where, row)]
    before = raw(engine)
    with engine.keys._transaction(write=False) as database:
        wrapped = dict(database.execute("SELECT owner, wrapped FROM keys").fetchall())
    old = tmp_path / "old"
    shutil.copytree(tmp_path / "store", old / "store")
    engine.refresh()
    assert engine.erase(where) == len(gone)
    kept = [row for row in rows.to_pylist() if row["number"] not in gone]
    for each in (engine, engine_at(tmp_path)):
        assert (
            sorted(
                (row for batch in each.scan(Where(), rows.column_names) for row in batch.to_pylist()),
                key=lambda row: row["number"],
            )
            == kept
        )
        assert each.damaged() == []
        found = each.nearest(vectors_of(rows, DIM)[:2], 50, Where())[0]
        assert sorted(found[0].tolist()) == [row["number"] for row in kept]
    shutil.copytree(tmp_path / "store", tmp_path / "kept")
    shutil.rmtree(tmp_path / "store")
    shutil.move(old / "store", tmp_path / "store")  # a backup of the rows is put back
    assert set(gone) <= set(engine_at(tmp_path).damaged())
    shutil.rmtree(tmp_path / "store")
    left = files(tmp_path)
    destroyed = {before[number]["owner"] for number in gone}
    assert not [number for number in gone if any(before[number]["sealed"][12:] in file for file in left)]
    assert not [owner for owner in destroyed if any(wrapped[owner] in file for file in left)]


def test_destroyed_keys_leave_the_file(tmp_path):
    store = KeyStore.create(tmp_path / "keys.sqlite", MASTER)
    random, live, dead = np.random.default_rng(0), [], []
    for step in range(8):
        live += [owner for owner, _ in store.for_persons([None] * 60)]
        chosen = {live[k] for k in random.choice(len(live), 40, replace=False)}
        with store._transaction(write=False) as database:
            dead += [w for o, w in database.execute("SELECT owner, wrapped FROM keys").fetchall() if o in chosen]
        store.destroy(sorted(chosen), successors={})
        store.forget(sorted(chosen))
        live = [owner for owner in live if owner not in chosen]
        content = b"".join(files(tmp_path))
        assert not any(wrapped in content for wrapped in dead), step
    assert set(store.of(live)) == set(live)
    assert (tmp_path / "keys.sqlite").stat().st_mode & 0o077 == 0


class Cut(Exception):  # noqa: N818 - a kill
    pass


@pytest.mark.parametrize("step", ["added", "destroyed", "removed"])
@pytest.mark.parametrize("work", ["erase", "reseal"])
def test_a_kill_loses_nothing_and_shows_nothing_twice(filled, tmp_path, monkeypatch, step, work):
    _, rows = filled
    engine = engine_at(tmp_path)
    engine.refresh()
    target, name = {
        "added": (engine.keys, "destroy"),
        "destroyed": (engine.rows, "erase"),
        "removed": (engine.keys, "forget"),
    }[step]

    def cut(*words, **named):
        raise Cut

    monkeypatch.setattr(target, name, cut)
    with pytest.raises(Cut):
        engine.erase(Where(up_to=9)) if work == "erase" else engine.reseal()
    again = engine_at(tmp_path)
    left = rows.to_pylist() if work == "reseal" or step == "added" else rows.to_pylist()[10:]
    assert again.count(Where()) == len(left)
    assert again.known(["id0", "id20"]) == ({"id0", "id20"} if len(left) == 43 else {"id20"})
    found = pa.Table.from_batches(list(again.scan(Where(), rows.column_names))).sort_by("number").to_pylist()
    assert found == left
    assert again.keys.left_over() == []
    again.reseal()
    assert again.damaged() == []
    assert again.count(Where()) == len(left)


def test_a_kill_during_enrolment_adds_nothing(filled, tmp_path, monkeypatch):
    engine, _ = filled
    more, _ = rows_of(np.random.default_rng(5), 4, dim=DIM, first=43)
    monkeypatch.setattr(engine.rows, "add", lambda rows: (_ for _ in ()).throw(Cut))
    with pytest.raises(Cut):
        engine.add(more)
    again = engine_at(tmp_path)
    assert (again.count(Where()), again.last()) == (43, 42)
    again.add(more)
    assert again.count(Where(above=-1)) == 47


def test_rows_sealed_again_are_closed_to_the_old_keys(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(sealed, "PART", 1)  # sixteen rows at once
    engine, rows = filled
    before, told = raw(engine), []
    engine.reseal(tell=lambda done, total: told.append((done, total)))
    after = raw(engine)
    assert told[-1] == (43, 43)
    assert len(told) > 1
    assert not {row["owner"] for row in before.values()} & {row["owner"] for row in after.values()}
    assert {number: row["id"] for number, row in before.items()} == {number: row["id"] for number, row in after.items()}
    found = pa.Table.from_batches(list(engine.scan(Where(), rows.column_names))).sort_by("number")
    assert found.to_pylist() == rows.to_pylist()
    engine.add(rows_of(np.random.default_rng(5), 2, dim=DIM, first=44)[0])  # a person's key is found again
    owner = {row["person"]: raw(engine)[row["number"]]["owner"] for row in rows.to_pylist()}
    assert raw(engine)[45]["owner"] == owner["ann"]


@pytest.mark.parametrize("harm", ["bit", "swapped", "owner", "number", "short", "keyless"])
def test_a_damaged_row_is_named(filled, tmp_path, harm):
    engine, _ = filled
    rows = raw(engine)
    one, other = dict(rows[7]), dict(rows[9])  # of one person
    if harm == "bit":
        one["sealed"] = one["sealed"][:40] + bytes([one["sealed"][40] ^ 1]) + one["sealed"][41:]
    elif harm == "swapped":
        one["sealed"], other["sealed"] = other["sealed"], one["sealed"]
    elif harm == "owner":
        one["owner"] = rows[10]["owner"]
    elif harm == "number":
        one["number"] = 70
    elif harm == "short":
        one["sealed"] = b"x"
    else:
        one["owner"] = "ab" * 16
    engine.rows.erase(Where(owners=(rows[7]["owner"], rows[9]["owner"])))
    same = [row for number, row in rows.items() if row["owner"] in (rows[7]["owner"], rows[9]["owner"])]
    put = [{7: one, 9: other}.get(row["number"], row) for row in same]
    engine.rows.add(pa.Table.from_pylist(put, schema=sealed_schema()))
    again = engine_at(tmp_path)
    bad = {"swapped": [7, 9], "number": [70]}.get(harm, [7])
    assert again.damaged() == bad
    said = "has no data key in" if harm == "keyless" else "cannot be opened: it is damaged, or was put in another's"
    with pytest.raises(InputError, match=rf"row ({'|'.join(map(str, bad))}) {said}"):
        again.nearest(np.ones((1, DIM), np.float32), 1, Where())
    assert again.erase_damaged() == len(bad)
    assert again.count(Where(above=-1)) == 43 - len(bad)


def test_keys_that_are_wrong_missing_or_damaged_are_said(filled, tmp_path):
    with pytest.raises(WrongKeyError, match=r"key=@o: not the key of .*; give the one that it is sealed by"):
        engine_at(tmp_path, OTHER)
    with pytest.raises(ExistingFileError, match=r"keys.sqlite is there: keys of a gallery's rows"):
        KeyStore.create(tmp_path / "keys.sqlite", OTHER)
    opened = engine_at(tmp_path)
    opened.keys.rotate(OTHER, tell=lambda done, total: None)
    with pytest.raises(WrongKeyError, match="has another key since it was opened"):
        filled[0].count(Where())
    assert engine_at(tmp_path, OTHER).known(["id4"]) == {"id4"}
    file = tmp_path / "keys.sqlite"
    content = file.read_bytes()
    file.write_bytes(b"x" * 4096)
    with pytest.raises(InputError, match=r"keys.sqlite: damaged \(file is not a database\); restore it"):
        engine_at(tmp_path, OTHER)
    file.write_bytes(content)
    with keystore.sqlite3.connect(file) as database:
        database.execute("UPDATE keys SET wrapped = zeroblob(60)")
    database.close()
    with pytest.raises(InputError, match=r"the data key [0-9a-f]{32} is damaged"):
        engine_at(tmp_path, OTHER).count(Where(above=1))
    file.unlink()
    with pytest.raises(MissingFileError, match="without it nothing in the gallery can be opened"):
        engine_at(tmp_path, OTHER)


def test_a_full_disk_is_said(filled, monkeypatch):
    def full(*words):
        raise keystore.sqlite3.OperationalError("database or disk is full")

    engine, _ = filled
    monkeypatch.setattr(engine.keys, "_check_current", full)
    with pytest.raises(WriteError, match="database or disk is full; free the disk"):
        engine.erase(Where(above=1))


WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from filelock import FileLock
from tests.gallery.conftest import is_meant, rows_of
from reid_lit.gallery.engine import engine_of
from reid_lit.gallery.master import Master
from reid_lit.gallery.sealed import sealed_engine
folder = Path(sys.argv[1])
rows, master, lock = engine_of("lancedb", str(folder / "store")), Master(b"m" * 32, source=""), FileLock(folder / ".lock")
engine = sealed_engine(rows, folder, master, lock, dim=8, precision="float32")
for first in range(int(sys.argv[2]), 10**6, 4):
    with engine.lock:
        engine.add(rows_of(np.random.default_rng(first), 4, dim=8, first=first)[0])
    print(first, flush=True)
    time.sleep(0.1)  # the other's turn
"""


def test_what_two_killed_writers_have_acknowledged_is_there(tmp_path):
    KeyStore.create(tmp_path / "keys.sqlite", MASTER)
    engine_at(tmp_path).create(schema(DIM))
    words = [sys.executable, "-c", WRITER, str(tmp_path)]
    starts = (0, 500_000)
    writers = [subprocess.Popen([*words, str(start)], stdout=subprocess.PIPE, text=True, cwd=ROOT) for start in starts]
    acknowledged = []
    for writer in writers:
        acknowledged += [int(next(writer.stdout)) for _ in range(3)]
    for writer in writers:
        writer.kill()
        acknowledged += [int(line) for line in writer.communicate()[0].splitlines()]
    engine = engine_at(tmp_path)
    found = numbers(engine.scan(Where(), ["number"]))
    assert len(found) == len(set(found))
    assert {first + k for first in acknowledged for k in range(4)} <= set(found)
    assert len({row["owner"] for row in raw(engine).values() if row["number"] % 4 == 1}) == 1  # ann's, of both
    assert engine.damaged() == []


KILLED = """
import os, sys
from pathlib import Path
from reid_lit.gallery.keystore import KeyStore
from reid_lit.gallery.master import Master
store, step = KeyStore(Path(sys.argv[1]), Master(b"m" * 32, source="")), sys.argv[2]
kill = lambda: os.kill(os.getpid(), 9)
if step == "committed":
    store._compact = kill
store.rotate(Master(b"o" * 32, source=""), tell=lambda done, total: kill() if str(done) == step else None)
"""


@pytest.mark.parametrize("step", ["1", "4000", "committed"])
def test_a_killed_change_of_key_leaves_one_of_both(tmp_path, step):
    file = tmp_path / "keys.sqlite"
    store = KeyStore.create(file, MASTER)
    pairs = store.for_persons([None] * 4000)
    done = subprocess.run([sys.executable, "-c", KILLED, str(file), step], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    opens, fails = (OTHER, MASTER) if step == "committed" else (MASTER, OTHER)
    assert KeyStore(file, opens).of([owner for owner, _ in pairs]) == dict(pairs)
    with pytest.raises(WrongKeyError):
        KeyStore(file, fails)


def test_the_key_is_read_with_care(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    file, text = tmp_path / "doors.key", "ab" * 32
    assert read_master(None) is None
    with pytest.raises(MissingFileError, match=r"key=@.*doors.key: there is no such file"):
        read_master(f"@{file}")
    made_master(f"@{file}", apart_from=tmp_path / "gallery")
    assert file.stat().st_mode & 0o777 == 0o600
    made = file.read_text()
    made_master(f"@{file}", apart_from=tmp_path / "gallery")
    assert file.read_text() == made
    with pytest.raises(InputError, match=r"new_key=@.*: keep the key elsewhere"):
        made_master(f"@{tmp_path / 'gallery' / 'k'}", apart_from=tmp_path / "gallery", name="new_key")
    file.chmod(0o640)
    with pytest.raises(InputError, match=r"others may read it; chmod 600 "):
        read_master(f"@{file}")
    file.chmod(0o600)
    file.write_text(text[:-1])
    with pytest.raises(InputError, match="no key; a key has 64 hexadecimal digits"):
        read_master(f"@{file}")
    for given in (text, "@"):
        with pytest.raises(InputError, match="key: give @ and a file, or set REID_GALLERY_KEY") as error:
            read_master(given)
        assert text not in str(error.value)
    monkeypatch.setenv(VARIABLE, f"{text}0")
    with pytest.raises(InputError, match=r"REID_GALLERY_KEY: no key") as error:
        read_master(None)
    assert text not in str(error.value)
    monkeypatch.setenv(VARIABLE, text)
    assert read_master(None).derived("a", b"g") != read_master(None).derived("b", b"g")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="needs the package cryptography"):
        read_master(None)


def test_a_sealed_gallery_answers_as_an_open_one(calibrated_run, crops, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    entries = [
        Entry(
            path=str(path), person=f"Anna Karenina {k % 4}", camera="front entrance", time=moment("2026-03-04", name="")
        )
        for k, path in enumerate(crops[:12])
    ]
    opened = reid_lit.gallery.create(tmp_path / "open", calibrated_run, thumbnails=True)
    closed = reid_lit.gallery.create(tmp_path / "sealed", calibrated_run, key=f"@{tmp_path / 'a.key'}", thumbnails=True)
    for gallery in (opened, closed):
        assert gallery.enrol(entries[:11]).added == 11
    assert closed.enrol(entries[:11]).known == 11
    where = Where(persons=("Anna Karenina 1", "Anna Karenina 2"))
    answers = [
        [replace(each, hits=tuple(replace(hit, score=round(hit.score, 4), match=None) for hit in each.hits))
         for meant in (None, where) for each in gallery.query(crops[:3], top=4, where=meant)]
        for gallery in (opened, closed)
    ]  # fmt: skip
    assert answers[0] == answers[1]
    assert closed.query(crops[0])[0].is_match
    assert closed.thumbnails([0, 3]) == opened.thumbnails([0, 3])
    assert list(closed.rows()) == list(opened.rows())
    secrets = [b"Anna Karenina", b"front entrance", str(crops[0]).encode(), crops[0].name.encode()]
    secrets += [opened.vector_of(k).tobytes()[:16] for k in range(11)]
    secrets += [next(iter(opened.thumbnails([0]).values()))[-40:], next(opened.rows())["id"].encode()]
    secrets += [np.array([entries[0].time.timestamp() * 1e6]).astype("<i8").tobytes()]
    on_disk = {name: b"".join(files(tmp_path / name)) for name in ("open", "sealed")}
    assert all(secret in on_disk["open"] for secret in secrets)
    assert not [secret for secret in secrets if secret in on_disk["sealed"]]
    assert not (closed.folder / "vectors").exists()
    with pytest.raises(InputError, match=r"plain=false: .* is sealed, and what is exported is not"):
        closed.export(tmp_path / "x.parquet")
    assert closed.export(tmp_path / "x.parquet", plain=True) == opened.export(tmp_path / "y.parquet") == 11
    read = [pyarrow.parquet.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in "xy"]
    assert read[0] == read[1]
    with pytest.raises(InputError, match="approximate=true: a sealed gallery has no index"):
        closed.query(crops[0], approximate=True)
    with pytest.raises(InputError, match="is sealed; give key=@<file>, or set REID_GALLERY_KEY to its key"):
        reid_lit.gallery.open(closed.folder)
    with pytest.raises(InputError, match="is not sealed; leave the key out"):
        reid_lit.gallery.open(opened.folder, key=f"@{tmp_path / 'a.key'}")
    assert "key" not in json.loads((closed.folder / "gallery.json").read_text())
    change = {"key": f"@{tmp_path / 'a.key'}", "new_key": f"@{tmp_path / 'b.key'}"}
    assert len(rotate(closed.folder, **change)) == 11
    rotate(closed.folder, **change, data=True)  # as after a kill: the new key is its key already
    again = reid_lit.gallery.open(closed.folder, key=f"@{tmp_path / 'b.key'}")
    assert again.enrol(entries).added == 1
    assert again.erase(Where(persons=("Anna Karenina 1",))) == 3
    assert not any(hit.person == "Anna Karenina 1" for hit in again.query(crops[1], top=20)[0].hits)
    with pytest.raises(WrongKeyError):
        rotate(closed.folder, key=f"@{tmp_path / 'a.key'}", new_key=f"@{tmp_path / 'c.key'}")
    with pytest.raises(InputError, match="new_key: it is the gallery's key already"):
        rotate(closed.folder, key=f"@{tmp_path / 'b.key'}", new_key=f"@{tmp_path / 'b.key'}")
    assert not (tmp_path / "c.key").exists()


def test_the_commands(calibrated_run, command, tmp_path, monkeypatch):
    def verb(*words, check=True):
        return command(*words, cwd=tmp_path, module="reid_lit.gallery", check=check)

    made = verb("create", "gallery=doors", f"run={calibrated_run}", "key=@a.key").stdout
    assert "sealed by the key of @a.key: who loses the key loses the gallery" in made
    key = (tmp_path / "a.key").read_text().strip()
    done = verb("rotate", "gallery=doors", "key=@a.key", "new_key=@b.key", "data=true").stdout
    assert "doors: the key of @b.key opens it, and the old one does not; its rows are sealed anew" in done
    monkeypatch.setenv(VARIABLE, (tmp_path / "b.key").read_text())
    assert json.loads(verb("list", "gallery=doors", "json=true").stdout) == []
    (tmp_path / "a.key").unlink()
    assert not [file for file in files(tmp_path) if key.encode() in file or bytes.fromhex(key) in file]
