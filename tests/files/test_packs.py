"""Packs as they are read: an index from anywhere, shards that are not what it says, maps over processes."""

import json
import multiprocessing
import re
import shutil
import subprocess
import tarfile

import pytest

from reid_lit.data.packing.contents import Item
from reid_lit.data.packing.shards import finish, write_shards
from reid_lit.files.access import (
    check_hashes,
    entries,
    exists,
    files_below,
    is_dir,
    is_file,
    opened,
    pack_of,
    read_bytes,
    state,
)
from reid_lit.files.index import INDEX, UNFINISHED, PackError, read_index

LONG = f"long/{'n' * 150}.jpg"
FILES = {
    "train/1.jpg": b"one", "train/2.jpg": bytes(range(256)) * 5, "query/3.jpg": b"", "list.txt": b"a b c", LONG: b"far",
    "gallery/Zoë 4.jpg": b"four",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """The files, each by itself."""
    for name, content in FILES.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    return tmp_path / "folder"


@pytest.fixture
def pack(folder, tmp_path):
    """The same files in two shards."""
    items = [Item(name, folder / name, state(folder / name)) for name in FILES]
    index = write_shards(items, tmp_path / "pack", encoding=None, shard_bytes=6000, tell=lambda *_: None)
    finish(tmp_path / "pack", index)
    assert len(index.shards) == 2
    return tmp_path / "pack"


def test_a_pack_is_read_as_the_folder(folder, pack):
    for name, content in FILES.items():
        path = pack / name
        assert (read_bytes(path), opened(path).read(), state(path)[0]) == (content, content, len(content))
        assert [is_file(path), exists(path), is_dir(path)] == [True, True, False]
        assert [is_file(path.parent), exists(path.parent), is_dir(path.parent)] == [False, True, True]
    for place in ("", "train", "query", "long", "gallery"):
        assert sorted(entries(pack / place)) == sorted(entries(folder / place))
    below = [path.relative_to(pack) for path in files_below(pack)]
    assert below == [path.relative_to(folder) for path in files_below(folder)]
    check_hashes(pack / name for name in FILES)


@pytest.mark.parametrize("name", ["train/9.jpg", "train/1.jpg/x", "other/1.jpg", "../pack/none.jpg"])
def test_what_is_not_there_is_missing_as_in_a_folder(pack, name):
    for call in (read_bytes, opened, state, entries):
        with pytest.raises(FileNotFoundError):
            call(pack / name)
    assert not exists(pack / name)


def test_paths_may_be_relative_or_lead_up_first(pack, monkeypatch):
    monkeypatch.chdir(pack.parent)
    for root in ("pack", "../" + pack.parent.name + "/pack", "pack/train/.."):
        assert read_bytes(type(pack)(root) / "train" / "1.jpg") == b"one"


def test_tar_reads_a_shard(pack, tmp_path):
    (tmp_path / "out").mkdir()
    for shard in sorted(pack.glob("*.tar")):
        subprocess.run(["tar", "xf", str(shard)], cwd=tmp_path / "out", check=True)
    assert {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files_below(tmp_path / "out")
    } == FILES


def test_a_folder_in_place_of_a_pack_is_seen_and_a_new_pack_too(folder, pack):
    old = pack.rename(pack.with_name("old"))
    assert read_bytes(old / "train" / "1.jpg") == b"one"
    shutil.copytree(folder, pack)
    (pack / "train" / "1.jpg").write_bytes(b"new")
    entries(pack / "train")
    assert read_bytes(pack / "train" / "1.jpg") == b"new"


def test_a_process_maps_no_more_shards_than_it_may_have_open_files(pack, monkeypatch):
    monkeypatch.setattr("reid_lit.files.pack.MAPS", 1)
    for _ in range(2):
        assert {name: read_bytes(pack / name) for name in FILES} == FILES
        assert len(pack_of(pack)[0]._maps) == 1


def child(path, answers):
    answers.put((read_bytes(path), state(path)[0]))


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_workers_read_with_maps_of_their_own_or_of_their_parent(pack, way):
    context = multiprocessing.get_context(way)
    read_bytes(pack / "train" / "1.jpg")  # mapped before the fork
    answers = context.Queue()
    workers = [context.Process(target=child, args=(pack / name, answers)) for name in ("train/1.jpg", LONG)]
    for worker in workers:
        worker.start()
    assert sorted(answers.get(timeout=60) for _ in workers) == [(b"far", 3), (b"one", 3)]
    for worker in workers:
        worker.join()


def other(data):
    return data.replace(b"four", b"five")


def swapped(data):
    return bytes(len(data))


@pytest.mark.parametrize(
    ("damage", "fact"),
    [
        (None, "images-00001.tar is missing"),
        (lambda data: data[:-512], "images-00001.tar is cut short"),
        (lambda data: data + bytes(512), "images-00001.tar was exchanged or changed: it has"),
        (swapped, "images-00001.tar was exchanged or changed: it does not hold"),
        (other, "images-00001.tar was exchanged or changed: its SHA-256 is"),
    ],
)
def test_a_shard_that_is_not_the_one_is_one_clear_error(pack, damage, fact):
    shard = pack / "images-00001.tar"
    data, sha256 = shard.read_bytes(), read_index(pack / INDEX).shards[1].sha256
    shard.unlink()
    if damage is not None:
        shard.write_bytes(damage(data))

    def read_all():
        for name in FILES:
            state(pack / name)
        check_hashes(pack / name for name in FILES)

    with pytest.raises(PackError, match=re.escape(fact)) as caught:
        read_all()
    assert sha256 in str(caught.value)
    assert "copy this file anew" in str(caught.value)


def test_headers_that_tar_would_read_otherwise_are_found(pack):
    """A shard whose hash is right, by an index that was forged for it."""
    index = json.loads((pack / INDEX).read_text())
    _, second, third, _ = index["shards"][0]["files"]
    second[0], third[0] = third[0], second[0]
    (pack / INDEX).write_text(json.dumps(index))
    found, _ = pack_of(pack)
    found.check_hash(0)
    with pytest.raises(PackError, match=r"holds 'train/2.jpg' where the index has something else"):
        found.check_headers(0)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda i: i.update(format="zip"), "not the index of a pack"),
        (lambda i: i.update(version=2), "format version 2, and this release reads 1"),
        (lambda i: i.update(shards={}), "no list of shards"),
        (lambda i: i.update(images="smaller"), "images='smaller' is unknown"),
        (lambda i: i.update(images={"size": [0, 8], "interpolation": "bicubic", "quality": 9}), "from 1 to 8192"),
        (lambda i: i.update(images={"size": [8, 8], "interpolation": "no", "quality": 9}), "interpolation='no'"),
        (lambda i: i.update(images={"size": [8, 8], "interpolation": "bicubic", "quality": True}), "quality=True"),
        (lambda i: i["shards"].__setitem__(0, 7), "shard 0 has no list of files"),
        (lambda i: i["shards"][0].update(file="../other.tar"), "shard 0 is called '../other.tar'"),
        (lambda i: i["shards"][0].update(file="/etc/passwd"), "shard 0 is called '/etc/passwd'"),
        (lambda i: i["shards"][1].update(file="images-00000.tar"), "shard 1 is called 'images-00000.tar'"),
        (lambda i: i["shards"][0].update(sha256="x"), "sha256='x'"),
        (lambda i: i["shards"][0].update(bytes=-1), "bytes=-1"),
        (lambda i: i["shards"][0].update(bytes=10**30), f"bytes={10**30}"),
        *((lambda i, n=name: i["shards"][0]["files"][0].__setitem__(0, n), "is no path below a folder") for name in (
            "/etc/passwd", "../x.jpg", "a/../../x", "", "a//b", ".", "a/./b", "a\0b", INDEX, UNFINISHED, "images-00000.tar",
            7, None, ["x"],
        )),
        (lambda i: i["shards"][0]["files"][0].__setitem__(0, "train"), "is a file and a folder"),
        (lambda i: i["shards"][0]["files"][0].__setitem__(0, "list.txt"), "twice"),
        (lambda i: i["shards"][0]["files"][0].__setitem__(1, 0), "which cannot be"),
        (lambda i: i["shards"][0]["files"][0].__setitem__(1, 513), "which cannot be"),
        (lambda i: i["shards"][0]["files"][1].__setitem__(1, 512), "which cannot be"),
        (lambda i: i["shards"][0]["files"][-1].__setitem__(2, 10**9), "which cannot be"),
        (lambda i: i["shards"][0]["files"][0].__setitem__(2, -3), "a row is"),
        (lambda i: i["shards"][0]["files"][0].__setitem__(2, 3.0), "a row is"),
        (lambda i: i["shards"][0]["files"][0].__setitem__(2, True), "a row is"),
        (lambda i: i["shards"][0]["files"][0].pop(), "a row is"),
    ],
)  # fmt: skip
def test_an_index_from_a_stranger_is_checked(pack, change, fact):
    index = json.loads((pack / INDEX).read_text())
    change(index)
    (pack / INDEX).write_text(json.dumps(index))
    with pytest.raises(PackError, match=re.escape(fact)) as caught:
        is_dir(pack / "train")
    assert str(pack / INDEX) in str(caught.value)
    assert "copy the pack anew" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "7", "\x80"])
def test_an_index_that_is_no_json_object(pack, text):
    (pack / INDEX).write_bytes(text.encode("latin-1"))
    with pytest.raises(PackError, match=r"no JSON|not the index of a pack"):
        read_bytes(pack / "train" / "1.jpg")


def test_a_shard_that_is_a_pipe_or_a_link_to_nothing_does_not_hang(pack):
    import os

    (pack / "images-00000.tar").unlink()
    os.mkfifo(pack / "images-00000.tar")
    with pytest.raises(PackError, match="no regular file"):
        read_bytes(pack / "train" / "1.jpg")
    (pack / "images-00000.tar").unlink()
    (pack / "images-00000.tar").symlink_to("nothing")
    with pytest.raises(PackError, match="is missing"):
        read_bytes(pack / "train" / "1.jpg")


def test_an_unfinished_pack_says_so(pack):
    (pack / INDEX).rename(pack / UNFINISHED)
    with pytest.raises(PackError, match="unfinished pack; run the command again"):
        is_dir(pack / "train")


def test_a_shard_is_as_large_as_asked_and_holds_what_the_index_says(pack):
    for shard in read_index(pack / INDEX).shards:
        assert (pack / shard.file).stat().st_size == shard.size <= 6000
        with tarfile.open(pack / shard.file) as content:
            listed = [(member.name, member.offset_data, member.size) for member in content]
        assert listed == [(name, *place) for name, place in zip(shard.names, shard.places, strict=True)]
