"""Packs as they are written: equal records, a killed one that goes on, and what stops it."""

import copy
import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from reid_lit.checkup.examine import examine
from reid_lit.data.feeding.decode import decode, decode_batch
from reid_lit.data.feeding.images import bad_images
from reid_lit.data.file_headers import header_of
from reid_lit.data.packing import one_shard, shards
from reid_lit.data.packing.pack import pack
from reid_lit.data.problems import MISPLACED
from reid_lit.data.sets import synergy_sports
from reid_lit.data.sets.csv_list import CsvList
from reid_lit.data.sets.synergy_parts import hidden_test
from reid_lit.errors import ExistingFileError, FailedError, InputError, WriteError
from reid_lit.figures.tiles import picture
from reid_lit.files.access import read_bytes
from reid_lit.files.index import INDEX, UNFINISHED, Encoding, PackError, read_index
from reid_lit.pages.thumbnails import ThumbnailSize, thumbnails

SMALL = 0.008  # megabytes of a shard


@pytest.fixture
def data(market_data, market):
    for number, path in enumerate(sorted(market.rglob("*.jpg"))):  # each image is another one
        noise = np.random.default_rng(number).integers(0, 255, (24, 12, 3), np.uint8)
        Image.fromarray(noise).save(path, quality=90)
    return market_data()


def pointed(data, root):
    moved = copy.copy(data)
    moved.root = root
    return moved


@pytest.fixture
def packed(data, tmp_path):
    """The same data set, pointed at where its pack is to be."""
    return pointed(data, tmp_path / "pack")


def write(data, packed, **changes):
    return pack(data, packed, **{"encoding": None, "shard_mb": SMALL} | changes)


def shots(data):
    return data.read().shots


def test_loaders_give_the_same_batches_in_the_same_order(data, packed):
    index = write(data, packed)
    assert len(index.shards) > 1
    for workers in (0, 2):
        for one in (data, packed):
            one.loader = replace(one.loader, workers=workers)
            one._labels = None
            one.setup("fit")
        for name in ("train_dataloader", "test_dataloader"):
            batches = [list(getattr(one, name)()) for one in (data, packed)]
            assert len(batches[0]) > 1
            for left, right in zip(*batches, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_a_shard_holds_the_lists_in_their_order(data, packed):
    names = [name for shard in write(data, packed).shards for name in shard.names]
    listed = [shot.path.relative_to(data.root).as_posix() for shot in shots(data)]
    assert names == [*listed, "query/Thumbs.db"]


def test_every_reader_of_an_image_reads_it_from_the_pack(data, packed, tmp_path):
    write(data, packed)
    size = ThumbnailSize(width=8, height=16, quality=80)
    for here, there in zip(shots(data), shots(packed), strict=True):
        assert read_bytes(there.path) == here.path.read_bytes()
        assert header_of(there.path) == header_of(here.path)
        assert picture(there.path).tobytes() == picture(here.path).tobytes()
        for folder in (None, tmp_path / "thumbs"):
            (left,), (right,) = (thumbnails([str(shot.path)], folder, size).values() for shot in (here, there))
            assert left
            assert (left == right) == (folder is None)  # files are named by their images
    assert not bad_images([shot.path for shot in shots(packed)], root=packed.root, processes=1)


def test_good_images_are_remembered_until_the_shard_changes(data, packed, tmp_path, monkeypatch):
    write(data, packed)
    paths, memory, hashed = [shot.path for shot in shots(packed)], tmp_path / "memory.json", []
    monkeypatch.setattr("reid_lit.data.feeding.images.check_hashes", lambda paths: hashed.append(len(list(paths))))
    for _ in range(2):
        bad_images(paths, root=packed.root, memory=memory)
    assert hashed == [len(paths), 0]
    os.utime(packed.root / "images-00000.tar", ns=(1, 1))
    (packed.root / INDEX).touch()  # a pack that is opened anew
    packed.read()
    bad_images(paths, root=packed.root, memory=memory)
    assert 0 < hashed[-1] < len(paths)


class Killed(BaseException):
    pass


@pytest.fixture
def killed(data, packed, monkeypatch):
    """Packs, and is killed while the third shard is written."""
    fill, calls = one_shard._fill, []

    def die(*arguments):
        calls.append(1)
        if len(calls) == 3:
            arguments[0].write(b"half a file")
            raise Killed
        return fill(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(one_shard, "_fill", die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # kill -9 tidies nothing up
        with pytest.raises(Killed):
            write(data, packed)
    assert not (packed.root / INDEX).exists()
    assert list(packed.root.glob(".images-*"))
    return packed


def written(packed):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(packed.root.iterdir())}


def test_a_killed_pack_goes_on_and_keeps_finished_shards(data, killed, tmp_path):
    with pytest.raises(PackError, match="unfinished pack"):
        killed.read()
    before = written(killed)
    index = write(data, killed)
    after = written(killed)
    assert [before[f"images-0000{k}.tar"] for k in (0, 1)] == [after[f"images-0000{k}.tar"] for k in (0, 1)]
    assert set(after) == {INDEX, *(shard.file for shard in index.shards)}
    whole = pointed(data, tmp_path / "again")
    write(data, whole)
    assert {name: content for name, (_, content) in after.items()} == {n: c for n, (_, c) in written(whole).items()}


def test_a_kept_shard_that_was_damaged_is_written_again(data, killed):
    shard = killed.root / "images-00001.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + b"x")
    write(data, killed)
    assert shard.read_bytes() == whole


def test_a_finished_pack_is_mended_by_the_same_command(data, packed):
    write(data, packed)
    before = written(packed)
    (packed.root / "images-00000.tar").write_bytes(b"")
    (packed.root / "images-00002.tar").unlink()
    write(data, packed)
    after = written(packed)
    assert {name: content for name, (_, content) in after.items()} == {n: c for n, (_, c) in before.items()}
    assert after["images-00001.tar"] == before["images-00001.tar"]
    write(data, packed)
    assert written(packed) == after


def test_a_killed_pack_takes_what_has_changed_meanwhile(data, killed):
    victim = shots(data)[1].path
    Image.new("RGB", (9, 9)).save(victim)
    write(data, killed)
    assert read_bytes(killed.root / victim.relative_to(data.root)) == victim.read_bytes()
    assert len(shots(killed)) == len(shots(data))


@pytest.mark.parametrize("change", ["touched", "removed", "added"])
def test_a_finished_pack_of_a_changed_source_stays_and_says_so(data, packed, change):
    write(data, packed)
    victim = data.root / "query" / "Thumbs.db"
    if change == "touched":
        victim.write_bytes(b"another")
    elif change == "removed":
        victim.unlink()
    else:
        victim = victim.with_name("zzz.txt")
        victim.touch()
    before = written(packed)
    with pytest.raises(ExistingFileError, match=f"its source has changed since: query/{victim.name}"):
        write(data, packed)
    assert written(packed) == before


def test_a_source_that_changes_while_it_is_packed_is_an_error_and_nothing_is_lost(data, packed, monkeypatch):
    fill, victim = one_shard._fill, shots(data)[-1].path

    def slow(*arguments):
        victim.write_bytes(b"changed")
        return fill(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(one_shard, "_fill", slow)
        with pytest.raises(InputError, match=f"{victim} has changed while it was packed; run the same command again"):
            write(data, packed)
    assert (packed.root / UNFINISHED).is_file()
    write(data, packed)
    assert read_bytes(packed.root / victim.relative_to(data.root)) == b"changed"


def test_a_file_that_comes_late_is_found_at_the_end(data, packed, monkeypatch):
    record = shards._record

    def late(folder, index):
        record(folder, index)
        (data.root / "query" / "late.txt").touch()

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_record", late)
        with pytest.raises(
            InputError, match=r"1 file has changed while the data set was packed, such as query/late.txt"
        ):
            write(data, packed)
    assert not (packed.root / INDEX).exists()


@pytest.mark.parametrize("name", ["holiday.png", "images.tar"])
def test_a_folder_that_holds_something_else_is_left_alone(data, packed, name):
    packed.root.mkdir()
    (packed.root / name).write_bytes(b"mine")
    with pytest.raises(ExistingFileError, match=f"holds something else than a pack, such as {name}"):
        write(data, packed)
    assert [path.name for path in packed.root.iterdir()] == [name]
    for root in (data.root, data.root / "query" / "pack"):
        with pytest.raises((ExistingFileError, InputError), match=r"something else|lies in"):
            write(data, pointed(data, root))


def test_tar_files_of_somebody_else_are_left_alone(data, packed):
    packed.root.mkdir()
    (packed.root / "images-00000.tar").write_bytes(b"mine")
    with pytest.raises(ExistingFileError, match="something else"):
        write(data, packed)
    assert (packed.root / "images-00000.tar").read_bytes() == b"mine"


def test_other_settings_are_no_resume(data, killed):
    with pytest.raises(ExistingFileError, match=r"holds a pack with images as they were in shards of 0.008 MB"):
        write(data, killed, shard_mb=1)


def test_two_at_once_are_refused(data, killed):
    with shards._alone(killed.root), pytest.raises(ExistingFileError, match="another process is writing this pack"):
        write(data, killed)


@pytest.mark.parametrize(("shard_mb", "fact"), [(0, "shard_mb=0: give"), (0.0016, "shard_mb=0.0016: .* alone has")])
def test_a_shard_that_holds_no_image_is_refused(data, packed, shard_mb, fact):
    with pytest.raises(InputError, match=fact):
        write(data, packed, shard_mb=shard_mb)


def test_a_full_disk_keeps_what_is_finished(data, packed, monkeypatch):
    fill, calls = one_shard._fill, []

    def full(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return fill(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(one_shard, "_fill", full)
        with pytest.raises(WriteError, match=r"No space left on device.*finished shards are kept"):
            write(data, packed)
    assert sorted(path.name for path in packed.root.iterdir()) == ["images-00000.tar", UNFINISHED]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
        with pytest.raises(WriteError, match="0 MB are free there"):
            write(data, packed)
    kept = written(packed)["images-00000.tar"]
    write(data, packed)
    assert written(packed)["images-00000.tar"] == kept


def test_images_are_made_smaller_and_the_index_says_how(data, packed):
    victim = data.root / "query" / "0001_c1s1_001051_00.jpg"
    write(data, packed, encoding=Encoding(size=(16, 8), interpolation="bilinear", quality=90))
    images = json.loads((packed.root / INDEX).read_text())["images"]
    assert images == {"size": [16, 8], "interpolation": "bilinear", "quality": 90, "format": "by the ending of a name"}
    assert [shot.path.name for shot in shots(packed)] == [shot.path.name for shot in shots(data)]
    path = packed.root / "query" / victim.name
    assert header_of(path) == (16, 8, "JPEG")
    resized = decode(victim, size=(16, 8), interpolation="bilinear").permute(1, 2, 0).numpy()
    settings = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    assert read_bytes(path) == cv2.imencode(".jpg", resized[:, :, ::-1], settings)[1].tobytes()
    assert read_bytes(packed.root / "query" / "Thumbs.db") == b"no image"


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "jpeg"])
def test_the_format_is_that_of_the_name(tmp_path, ending):
    from reid_lit.data.packing.contents import _encoded

    file = tmp_path / f"image.{ending}"
    Image.radial_gradient("L").resize((12, 24)).convert("RGB").save(file)
    made = tmp_path / f"made.{ending}"
    made.write_bytes(_encoded(file, Encoding(size=(16, 8), interpolation="bicubic", quality=95)))
    assert header_of(made) == (16, 8, {"jpeg": "JPEG", "png": "PNG", "bmp": "BMP", "webp": "WEBP"}[ending])
    if ending in ("png", "bmp"):
        assert torch.equal(*(decode(path, size=(16, 8), interpolation="bicubic") for path in (file, made)))


def test_an_image_that_cannot_be_decoded_stops_size_alone(data, packed, tmp_path):
    victim = shots(data)[3].path
    victim.write_bytes(victim.read_bytes()[:200])
    encoding = Encoding(size=(16, 8), interpolation="bicubic", quality=90)
    with pytest.raises(InputError, match=rf"size=\[16, 8\]: {victim}: not a readable image.*without size="):
        write(data, packed, encoding=encoding, shard_mb=0.003)
    assert (packed.root / "images-00000.tar").is_file()
    whole = pointed(data, tmp_path / "whole")
    write(data, whole)
    assert read_bytes(whole.root / victim.relative_to(data.root)) == victim.read_bytes()


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"size": (16,)}, "size="),
        ({"size": (0, 8)}, "size="),
        ({"quality": 101}, "quality=101"),
        ({"interpolation": "area"}, "interpolation='area'"),
    ],
)
def test_an_encoding_that_is_none_is_refused(changes, fact):
    with pytest.raises(InputError, match=fact):
        Encoding(**{"size": (16, 8), "interpolation": "bicubic", "quality": 95} | changes)


def damaged(root):
    """A copy with a broken image, a copy of an image, an odd name and a folder that is misplaced."""
    train = root / "bounding_box_train"
    (train / "0002_c1s1_000451_03.jpg").write_bytes(b"<html></html>")
    shutil.copy(train / "0010_c1s1_000551_01.jpg", root / "bounding_box_test" / "0003_c1s1_000301_01.jpg.jpg")
    shutil.copy(train / "0010_c1s1_000551_01.jpg", train / "odd name.jpg")
    (root / "query").rename(root / "bounding_box_test" / "query")


def test_the_doctor_finds_the_same_in_a_pack(data, packed):
    damaged(data.root)
    write(data, packed)
    here, there = (examine(one) for one in (data, packed))
    assert len(here.findings) >= 4
    for left, right in zip(here.findings, there.findings, strict=True):
        assert str(left.place).replace(str(data.root), str(packed.root)) == str(right.place)
        assert (left.kind, left.fact.replace(str(data.root), str(packed.root)), left.examples) == (
            right.kind,
            right.fact,
            right.examples,
        )
        assert (left.cure.replace(str(data.root), str(packed.root)) == right.cure) == (left.kind != MISPLACED)
    facts = [fact for fact in there.facts if fact.name != "pack"]
    assert facts == list(here.facts)
    (about,) = (fact.value for fact in there.facts if fact.name == "pack")
    assert "all hashes and headers are those of the index" in about


def test_the_doctor_names_a_shard_that_is_not_the_one(data, packed):
    write(data, packed)
    shard = packed.root / "images-00001.tar"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    (finding,) = (finding for finding in examine(packed).findings if finding.kind == "pack")
    assert finding.place == shard
    assert read_index(packed.root / INDEX).shards[1].sha256 in finding.fact
    assert finding.cure.startswith("copy this file anew")
    (packed.root / INDEX).write_text("{}")
    (finding,) = examine(packed).findings
    assert "not the index of a pack" in finding.fact


def test_a_training_stops_at_once_at_a_shard_that_is_not_the_one(data, packed):
    write(data, packed)
    shard = packed.root / "images-00001.tar"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(PackError, match=r"images-00001.tar was exchanged or changed: its SHA-256 is"):
        packed.setup("fit")
    shard.unlink()
    decode_batch([shots(packed)[0].path], size=(16, 8), interpolation="bilinear")
    with pytest.raises(PackError, match=r"images-00001.tar is missing"):
        pointed(data, packed.root).setup("fit")


def test_an_image_that_the_parts_lack_is_an_error(data, packed):
    data.parts = lambda: {"query": data.root / "query"}
    with pytest.raises(
        FailedError, match=r"is in the lists of market1501, but not in what Market1501\.parts\(\) names"
    ):
        write(data, packed)
    assert not packed.root.exists()


def test_the_hidden_test_of_a_challenge_is_packed_too(market_data, tmp_path, plant):
    parts = {name: getattr(market_data(), name) for name in ("transform", "sampler", "loader")}
    names = [f"reid_challenge/{part}/{number:04}.jpeg" for part in ("query", "gallery") for number in (3, 1)]
    root = plant(synergy_sports.SAMPLE.write(tmp_path / "data_reid"), names)
    data = synergy_sports.SynergySports(root=root, **parts)
    packed = pointed(data, tmp_path / "pack")
    write(data, packed)
    assert repr(hidden_test(packed.root)) == repr(hidden_test(root)).replace(str(root), str(packed.root))


def test_a_list_with_absolute_paths_is_written_anew(data, tmp_path):
    parts = {name: getattr(data, name) for name in ("transform", "sampler", "loader")}
    rows = [(shot.path, shot.person_id, shot.camera_id) for shot in data.read().query + data.read().gallery]
    file = tmp_path / "lists" / "mine.csv"
    file.parent.mkdir()
    file.write_text("path;id2;person;camera\n" + "".join(f"{path};x;{who};{where}\n" for path, who, where in rows))
    listed = CsvList(root=file, train_fraction=0.5, **parts)
    packed = pointed(listed, tmp_path / "pack")
    write(listed, packed)
    assert repr(packed.read()) == repr(listed.read()).replace(str(data.root), str(packed.root))
    assert read_bytes(packed.root / "reid.csv").startswith(b"path,person,camera\nquery/0001_c1s1_001051_00.jpg,1,0\n")


def test_a_pack_is_packed_again(data, packed, tmp_path):
    write(data, packed)
    again = pointed(data, tmp_path / "again")
    write(packed, again, shard_mb=1)
    assert [read_bytes(shot.path) for shot in shots(again)] == [shot.path.read_bytes() for shot in shots(data)]
