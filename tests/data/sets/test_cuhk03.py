import json
import logging
import re
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from reid_lit.data.counts import count
from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.cuhk03 import CUHK03, Options, read
from reid_lit.data.sets.cuhk03_archive import unpack
from reid_lit.data.transforms.transform import Transform

PERSONS = (4, 3, 2, 1, 2)
"""Persons of each camera pair in the small archive."""


def pixels(kind, pair, person, number):
    """An image whose corners tell where it belongs, 6 high and 4 wide."""
    image = np.zeros((6, 4, 3), np.uint8)
    image[0, 0] = (250, 20, 5)  # red, green, blue: not the same mirrored, transposed or reversed
    image[0, -1] = (pair, person, number)
    image[-1, 0] = (1 if kind == "detected" else 2, 0, 0)
    return image


def present(kind, pair, person, number):
    if (pair, person) == (4, 1) and kind == "labeled":
        return number <= 5  # a person with one view only
    return number in (1, 2, 6, 10) or (kind == "detected" and number == 7)


@pytest.fixture
def archive(tmp_path):
    """A small ``cuhk-03.mat`` as MATLAB 7.3 writes it: references, transposed arrays, sizes in place of empty cells."""
    path = tmp_path / "cuhk03" / "cuhk-03.mat"
    path.parent.mkdir()
    with h5py.File(path, "w", userblock_size=512) as file:
        kept = file.create_group("#refs#")

        def reference(data, **attributes):
            dataset = kept.create_dataset(str(len(kept)), data=data)
            dataset.attrs.update(attributes)
            return dataset.ref

        def cells(shape, of):
            array = np.empty(shape, h5py.ref_dtype)
            for place in np.ndindex(*shape):
                array[place] = of(*place)
            return array

        def cell(kind, pair, number, person):
            if present(kind, pair, person, number):
                return reference(np.transpose(pixels(kind, pair, person, number), (2, 1, 0)))
            return reference(np.array([0, 0], np.uint64), MATLAB_empty=np.uint8(1))

        def cell_of(kind, pair, row, column):
            return cell(kind, pair, row + 1, column + 1)

        for kind in ("detected", "labeled"):
            pairs = [
                reference(cells((10, persons), partial(cell_of, kind, pair)))
                for pair, persons in enumerate(PERSONS, start=1)
            ]
            file.create_dataset(kind, data=cells((1, 5), lambda _, pair, pairs=pairs: pairs[pair]))
        sets = [np.array([[1, 1 + k % 4], [2, 1 + k % 3]], float).T for k in range(20)]  # MATLAB: 2 × 2, transposed
        file.create_dataset("testsets", data=cells((1, 20), lambda _, k: reference(sets[k])))
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
    return path


@pytest.fixture
def memory():
    place = Path("/dev/shm")  # 14,000 files on a disk take a while
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def real(reid_data, memory):
    """Empty files under all names of a real split file, and the split file."""

    def made(kind, *, names_of=None):
        lists = reid_data("lists")
        config = f"cuhk03_new_protocol_config_{kind}.mat"
        content = loadmat(lists / f"cuhk03_new_protocol_config_{names_of or kind}.mat", squeeze_me=True)
        (memory / f"images_{kind}").mkdir()
        for name in content["filelist"]:
            (memory / f"images_{kind}" / name).touch()
        shutil.copy(lists / config, memory / config)
        return memory

    return made


def data(root, **options):
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=2, workers=0)
    return CUHK03(root=root, transform=transform, sampler=ShuffleSampler, loader=loader, **options)


def write_split(folder, kind, names):
    """A split file: the first person trains, the second is tested, with the first image of each view as query."""
    labels = [1 + int(name.split("_")[1]) - 1 for name in names]
    test = [i for i, label in enumerate(labels) if label > 1]
    query = [i for i in test if names[i].endswith(("_1_01.png", "_2_06.png"))]
    content = {
        "filelist": np.array([[name] for name in names], object),
        "labels": np.array(labels, np.uint16)[:, None],
        "camId": np.array([int(name[6]) for name in names], np.uint8)[:, None],
        "train_idx": np.array([i + 1 for i, label in enumerate(labels) if label == 1], np.uint16)[:, None],
        "query_idx": np.array([i + 1 for i in query], np.uint16)[:, None],
        "gallery_idx": np.array([i + 1 for i in test if i not in query], np.uint16)[:, None],
    }
    savemat(folder / f"cuhk03_new_protocol_config_{kind}.mat", content)


@pytest.fixture
def small(plant, tmp_path):
    names = [f"1_00{person}_{1 + (n > 5)}_{n:02d}.png" for person in (1, 2) for n in (1, 2, 6, 7)]
    root = plant(tmp_path / "small", [f"images_detected/{name}" for name in names])
    write_split(root, "detected", names)
    return root


def test_split_file(small):
    split = read(small)
    assert [(s.path.name, s.person_id, s.camera_id) for s in split.train] == [
        ("1_001_1_01.png", 1, 0),
        ("1_001_1_02.png", 1, 0),
        ("1_001_2_06.png", 1, 1),
        ("1_001_2_07.png", 1, 1),
    ]
    assert [s.path.name for s in split.query] == ["1_002_1_01.png", "1_002_2_06.png"]
    assert [s.path.name for s in split.gallery] == ["1_002_1_02.png", "1_002_2_07.png"]
    assert (split.name, split.rules.name, split.rules.single_gallery_shot) == ("cuhk03", "cuhk03_new_detected", 0)


@pytest.mark.parametrize("folder", ["cuhk03", "CUHK03", "cuhk03_release"])
def test_parent_folder_finds_the_data_set(small, tmp_path, folder):
    (tmp_path / "parent").mkdir()
    small.rename(tmp_path / "parent" / folder)
    assert len(read(tmp_path / "parent").train) == 4


def test_jpeg_copies_of_the_listed_images_are_found(small):
    for path in (small / "images_detected").iterdir():
        path.rename(path.with_suffix(".jpg"))
    assert len(read(small).train) == 4


@pytest.mark.parametrize("kind", ["detected", "labeled"])
def test_real_split_files(real, kind):
    root = real(kind)
    split = read(root, options=Options(images=kind))
    lists = (split.train, split.query, split.gallery)
    train, gallery, views, gallery_views = {
        "detected": (7365, 5332, [3601, 3764], [2617, 2715]),
        "labeled": (7368, 5328, [3607, 3761], [2615, 2713]),
    }[kind]
    assert [len(shots) for shots in lists] == [train, 1400, gallery]
    assert [len({s.person_id for s in shots}) for shots in lists] == [767, 700, 700]
    assert [[sum(s.camera_id == c for s in shots) for c in (0, 1)] for shots in lists] == [
        views,
        [700, 700],
        gallery_views,
    ]
    assert {s.person_id for shots in lists for s in shots} == set(range(1, 1468))
    seen = {(s.person_id, s.camera_id) for shots in lists for s in shots}
    alone = [person for person in range(1, 1468) if not {(person, 0), (person, 1)} <= seen]
    assert alone == ([1351] if kind == "labeled" else [])
    paired = read(root, options=Options(images=kind, camera="pair_view"))
    assert [{s.camera_id for s in shots} for shots in (paired.train, paired.query, paired.gallery)] == [
        set(range(10))
    ] * 3
    assert all(s.camera_id % 2 == t.camera_id for s, t in zip(paired.gallery, split.gallery, strict=True))
    assert sum(s.path.name.startswith("1_") for s in split.shots) in range(8177 - 20, 8177 + 20)


@pytest.mark.parametrize("kind", ["detected", "labeled"])
def test_the_other_kinds_split_file_is_refused(real, kind):
    other = {"detected": "labeled", "labeled": "detected"}[kind]
    missing = {"detected": 12, "labeled": 11}[kind]
    with pytest.raises(
        ValueError, match=rf"{missing} of the 1409\d images that .*{kind}\.mat .* split files of their own"
    ):
        read(real(kind, names_of=other), options=Options(images=kind))


def test_a_problem_is_reported_and_the_rest_is_read(small):
    (small / "images_detected" / "1_001_1_02.png").unlink()
    problems = []
    split = read(small, report=problems.append)
    assert [problem.examples for problem in problems] == [("1_001_1_02",)]
    assert len(split.train) == 3


@pytest.mark.parametrize("inner", ["", "cuhk03-np", "CUHK03-NP", "cuhk03/CUHK03-NP"])
def test_folders_of_cuhk03_np(plant, tmp_path, inner):
    names = ["bounding_box_train/0001_c1_1.png", "bounding_box_train/0001_c2_10.png", "query/0002_c1_3.png",
             "bounding_box_test/0002_c2_4.png", "bounding_box_test/0002_c1_22.jpg"]  # fmt: skip
    plant(tmp_path / inner / "labeled", names)
    split = read(tmp_path, options=Options(images="labeled"))
    assert [(s.person_id, s.camera_id) for s in split.train] == [(1, 0), (1, 1)]
    assert [(s.person_id, s.camera_id) for s in split.gallery] == [(2, 0), (2, 1)]
    assert split.rules.name == "cuhk03_new_labeled"
    assert "CUHK03-NP" in split.notes[0]
    with pytest.raises(
        ValueError, match=r"^camera=pair_view: .* do not hold the camera pair; set dataset\.camera=view"
    ):
        read(tmp_path, options=Options(images="labeled", camera="pair_view"))
    plant(tmp_path / inner / "labeled", ["query/0002_c3_3.png"])
    with pytest.raises(ValueError, match=r"1 of 2 .* named like CUHK03-NP \(0001_c1_1\.png\): 0002_c3_3\.png"):
        read(tmp_path, options=Options(images="labeled"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "detcted"}, r"^images='detcted': unknown; choose one of detected, labeled"),
        ({"protocol": "old"}, r"^protocol='old'"),
        ({"camera": "pair"}, r"^camera='pair'.*view, pair_view"),
        (
            {"split_id": 3},
            r"^split_id=3: protocol=new has no such split; set it to 0, or protocol=classic",
        ),
        ({"split_id": 20, "protocol": "classic"}, r"^split_id=20: .*classic has no such split; set it to 0 … 19"),
    ],
)
def test_unknown_options(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        data(tmp_path, **options).read()


def test_what_is_missing_is_said(tmp_path, small, archive):
    with pytest.raises(FileNotFoundError) as caught:
        read(tmp_path / "nowhere")
    for words in ("no such folder", "nowhere", "images_detected", "cuhk03-np", "$REID_DATA", "dataset=synthetic"):
        assert words in str(caught.value)
    split_file = small / "cuhk03_new_protocol_config_detected.mat"
    split_file.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"CUHK03: no cuhk03_new_protocol_config_detected\.mat in .*Zhong"
    ) as caught:
        read(small)
    assert "h5py" not in str(caught.value)
    with pytest.raises(
        FileNotFoundError, match=r"no testsets\.json in .* unpacks them from cuhk-03\.mat, which is not"
    ):
        read(small, options=Options(protocol="classic"))
    with pytest.raises(FileNotFoundError, match=r"no images_detected and no testsets\.json in") as caught:
        read(archive.parent, options=Options(protocol="classic"))
    assert f"a training run unpacks them from {archive}" in str(caught.value)
    assert "pip install h5py" in str(caught.value)


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>quota exceeded", b"", b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_damaged_split_file(small, content):
    (small / "cuhk03_new_protocol_config_detected.mat").write_bytes(content)
    expected = "is a web page" if content.startswith(b"<") else "cannot be read as a split file of CUHK03"
    with pytest.raises(ValueError, match=rf"config_detected\.mat {expected}"):
        read(small)


def test_archive_is_unpacked_whole(archive):
    calls = []
    unpack(archive, archive.parent, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 24) for done in range(1, 25)]
    for kind in ("detected", "labeled"):
        expected = {
            f"{pair}_{person:03d}_{1 if number < 6 else 2}_{number:02d}.png": pixels(kind, pair, person, number)
            for pair, persons in enumerate(PERSONS, start=1)
            for person in range(1, persons + 1)
            for number in range(1, 11)
            if present(kind, pair, person, number)
        }
        found = {path.name: np.asarray(Image.open(path)) for path in (archive.parent / f"images_{kind}").iterdir()}
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    content = json.loads((archive.parent / "testsets.json").read_text())
    assert [len(content["testsets"]), content["testsets"][5]] == [20, [[1, 2], [2, 3]]]
    assert content["images"] == {"detected": 5 * 12, "labeled": 4 * 11 + 5}
    assert sorted(path.name for path in archive.parent.iterdir()) == [
        "cuhk-03.mat", "images_detected", "images_labeled", "testsets.json",
    ]  # fmt: skip


def test_classic_splits(archive):
    unpack(archive, archive.parent)
    splits = [read(archive.parent, options=Options(protocol="classic", split_id=k)) for k in range(20)]
    for k, split in enumerate(splits):
        assert split.query == split.gallery
        assert {s.path.name[:5] for s in split.query} == {f"1_{1 + k % 4:03d}", f"2_{1 + k % 3:03d}"}
        assert len({s.person_id for s in split.train}) == 10
        assert len(split.train) + len(split.query) == 60
    assert splits[0].rules.name == "cuhk03_classic_detected"
    assert splits[0].rules.single_gallery_shot == 10
    numbers = {s.path.name[:5]: s.person_id for s in splits[0].shots}
    assert [numbers[key] for key in sorted(numbers)] == list(range(1, 13))
    labeled = read(archive.parent, options=Options(protocol="classic", images="labeled", camera="pair_view"))
    assert len(labeled.train) + len(labeled.query) == 49
    assert {s.camera_id for s in labeled.train} == set(range(10)) - {7}  # (4, 1) has one view only


def test_a_training_run_opens_the_archive_once(archive, monkeypatch, caplog):
    run = data(archive.parent.parent, protocol="classic")
    with caplog.at_level(logging.INFO):
        run.prepare_data()
    assert "unpacking CUHK03: 24 of 24 persons" in caplog.text
    assert len([r for r in caplog.records if "unpacking" in r.message]) == 10
    monkeypatch.setattr(h5py, "File", None)
    for again in (data(archive.parent, protocol="classic", images="labeled", split_id=7), run):
        again.prepare_data()
        assert len({s.person_id for s in again.read().query}) == 2


def test_images_that_are_there_stay_as_they_are(archive):
    unpack(archive, archive.parent)
    shutil.rmtree(archive.parent / "images_labeled")
    (archive.parent / "images_detected" / "mine.txt").touch()
    (archive.parent / "testsets.json").unlink()
    data(archive.parent, protocol="classic").prepare_data()
    assert (archive.parent / "images_detected" / "mine.txt").exists()
    assert len(list((archive.parent / "images_labeled").iterdir())) == 49


def test_the_new_protocol_does_not_unpack_in_vain(archive):
    run = data(archive.parent)
    run.prepare_data()  # there is no split file, so the images would not do
    assert not (archive.parent / "images_detected").exists()
    names = [f"1_00{p}_{v}_{n:02d}.png" for p in (1, 2) for v, n in ((1, 1), (1, 2), (2, 6), (2, 7))]
    write_split(archive.parent, "detected", names)
    run.prepare_data()
    assert len(run.read().train) == 4


@pytest.mark.parametrize("moment", [0, 7, 70, 106])
def test_a_killed_unpacking_leaves_nothing_and_the_next_is_whole(archive, monkeypatch, moment):
    saved, save = [], Image.Image.save

    def killed(image, path):
        saved.append(path)
        if len(saved) > moment:
            raise KeyboardInterrupt
        save(image, path)

    if moment < 106:
        monkeypatch.setattr(Image.Image, "save", killed)
    else:  # all images are written, nothing is renamed
        monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, archive.parent)
    assert [path.name for path in archive.parent.iterdir()] == ["cuhk-03.mat"]
    monkeypatch.undo()
    unpack(archive, archive.parent)
    assert len(read(archive.parent, options=Options(protocol="classic")).shots) == 60


def test_a_half_folder_is_not_taken_for_whole(archive):
    unpack(archive, archive.parent)
    for path in list((archive.parent / "images_detected").glob("[12]_001_*")):
        path.unlink()
    with pytest.raises(
        ValueError, match=r"holds 50 images, the archive 60; 2 of the 2 test .* none: 1_001, 2_001; remove"
    ):
        read(archive.parent, options=Options(protocol="classic"))
    shutil.rmtree(archive.parent / "images_detected")
    (archive.parent / "images_detected").mkdir()  # as another program that was killed leaves it
    data(archive.parent, protocol="classic").prepare_data()
    assert len(read(archive.parent, options=Options(protocol="classic")).shots) == 60


def test_another_place_to_unpack_to(archive, tmp_path):
    run = data(archive.parent, protocol="classic", extract_to=str(tmp_path / "scratch"))
    run.prepare_data()
    assert [path.name for path in archive.parent.iterdir()] == ["cuhk-03.mat"]
    assert run.read().query[0].path.is_relative_to(tmp_path / "scratch" / "images_detected")


def test_a_place_that_cannot_be_written(archive, monkeypatch):
    def refused(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(OSError, match=rf"{re.escape(str(archive))} cannot be unpacked .*dataset\.extract_to="):
        unpack(archive, archive.parent)


def test_what_is_no_archive(archive, monkeypatch):
    whole = archive.read_bytes()
    archive.write_bytes(b"\n<html><title>Google Drive - Quota exceeded</title>")
    with pytest.raises(ValueError, match=r"cuhk-03\.mat is a web page \(HTML\) .*download it again"):
        unpack(archive, archive.parent)
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cuhk-03\.mat cannot be opened as HDF5 .* cut short"):
        unpack(archive, archive.parent)
    with h5py.File(archive, "w") as file:
        file["detected"] = 1
    with pytest.raises(ValueError, match=r"holds detected but no labeled, testsets"):
        unpack(archive, archive.parent)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModuleNotFoundError, match=r"h5py, which is not installed; pip install h5py"):
        unpack(archive, archive.parent)


@pytest.mark.parametrize("content", ["", "{}", '{"testsets": [[[1, 1]]]}', "[]"])
def test_damaged_test_sets(archive, content):
    unpack(archive, archive.parent)
    (archive.parent / "testsets.json").write_text(content)
    with pytest.raises(ValueError, match=r"testsets\.json does not hold CUHK03's 20 test sets .* remove it"):
        read(archive.parent, options=Options(protocol="classic"))


def test_training_on_all_persons(archive):
    unpack(archive, archive.parent)
    split = data(archive.parent, protocol="classic", camera="pair_view", train_on="all").read()
    assert (count(split.train).persons, count(split.train).images, count(split.train).cameras) == (12, 60, 10)
    assert (split.query, split.gallery, split.tests) == ((), (), ())
    with pytest.raises(ValueError, match=r"^train_on='half': unknown; choose one of split, all"):
        read(archive.parent, train_on="half")


def test_folders_and_split_files_give_the_same_persons(real, memory):
    root = real("detected")
    split = read(root)
    parts = ("bounding_box_train", "query", "bounding_box_test")
    for part, shots in zip(parts, (split.train, split.query, split.gallery), strict=True):
        (memory / "np" / "detected" / part).mkdir(parents=True)
        for number, shot in enumerate(shots):
            (memory / "np" / "detected" / part / f"{shot.person_id:04d}_c{shot.camera_id + 1}_{number}.png").touch()
    again = read(memory / "np")
    for shots, others in ((split.train, again.train), (split.query, again.query), (split.gallery, again.gallery)):
        assert sorted(who(s) for s in shots) == sorted(who(s) for s in others)


def who(shot):
    return (shot.person_id, shot.camera_id)
