"""The list of frequent mistakes of parsers (datasets.md, section 11): no reader here makes one of them."""

import inspect
import json
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from scipy.io import savemat

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets import cuhk03, dukemtmc, market1501, msmt17, synergy_sports, viper, ward
from reid_lit.data.transforms.transform import Transform
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import score_queries
from reid_lit.paths import packaged
from reid_lit.records import JUNK

MARKET = [
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0002_c6s1_000451_01.jpg",
    "bounding_box_train/0010_c2s1_000551_01.jpg",
    "query/0001_c1s1_001051_00.jpg",
    "query/0003_c5s1_000301_00.jpg.jpg",
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "bounding_box_test/0000_c1s1_000151_01.jpg",
    "bounding_box_test/0001_c3s1_000301_01.jpg",
    "bounding_box_test/0003_c1s1_000301_01.jpg.jpg",
]
DUKE = [
    "bounding_box_train/0001_c1_f0046182.jpg",
    "bounding_box_train/0001_c8_f0046302.jpg",
    "query/0005_c1_f0046985.jpg",
    "bounding_box_test/0005_c2_f0044158.jpg",
    "bounding_box_test/7140_c1_f0044278.jpg",
]
WARD = [f"{person:04}{camera:04}{frame:04}.png" for person in (1, 2, 3) for camera in (1, 2, 3) for frame in (1, 2)]
CUHK03 = [f"images_detected/{pair}_001_{1 + (n > 5)}_{n:02d}.png" for pair in (1, 2) for n in (1, 2, 6, 10)]
CUHK03_NP = [
    "detected/bounding_box_train/0001_c1_1.png",
    "detected/bounding_box_train/0001_c2_10.png",
    "detected/query/0002_c1_2.png",
    "detected/bounding_box_test/0002_c2_1.png",
    "detected/bounding_box_test/0002_c1_3.png",
]
VIPER = [f"cam_{camera}/{person:03}_{angle}.bmp" for person in range(632) for camera, angle in (("a", 0), ("b", 90))]
SYNERGY = [
    "reid_training/0001_0001_0001.jpeg",
    "reid_training/0001_0001_0002.jpeg",
    "reid_training/0002_0002_0001.jpg",
    "reid_val/query/0300_0050_0001.jpeg",
    "reid_val/gallery/0300_0050_0002.jpeg",
]
MSMT = {
    "list_train.txt": "0000/0000_000_01_0303morning_0008_0.jpg 0\n0001/0001_000_15_0303noon_0017_2.jpg 1\n",
    "list_val.txt": "0000/0000_001_04_0303morning_0015_0.jpg 0\n",
    "list_query.txt": "0000/0000_000_01_0303morning_0015_0.jpg 0\n",
    "list_gallery.txt": "0000/0000_002_12_0303morning_0016_0.jpg 0\n",
}


@dataclass(frozen=True)
class Tree:
    """A data set in small: its images, how it is read, the camera in a name (from 1), and a fake beside its images."""

    names: list[str]
    read: Callable
    camera: str
    fake: str


TREES = {
    "market1501": Tree(MARKET, market1501.read, r"_c(\d)s", "bounding_box_train/0002_c1s1_000451_03_fake_1to2.jpg"),
    "dukemtmc": Tree(DUKE, dukemtmc.read, r"_c(\d)_", "bounding_box_train/0001_c1_f0046182_fake_1to2.jpg"),
    "ward": Tree(WARD, ward.read, r"/\d{7}(\d)\d{4}\.", "000100010001_fake.png"),
    "cuhk03": Tree(CUHK03, cuhk03.read, r"_(\d)_\d\d\.", "images_detected/1_001_1_01_fake.png"),
    "cuhk03_classic": Tree(
        CUHK03,
        partial(cuhk03.read, options=cuhk03.Options(protocol="classic")),
        r"_(\d)_\d\d\.",
        "images_detected/1_001_1_01_fake.png",
    ),
    "cuhk03_np": Tree(CUHK03_NP, cuhk03.read, r"_c(\d)_", "detected/bounding_box_train/0001_c1_1_fake.png"),
    "viper": Tree(VIPER, viper.read, "", "cam_a/001_0_fake.bmp"),
    "synergy_sports": Tree(SYNERGY, synergy_sports.read, "", "reid_training/0001_0001_0001_fake.jpeg"),
    "msmt17": Tree([], msmt17.read, r"/\d{4}_\d{3}_(\d\d)_", "train/0000/0000_000_01_0303morning_0008_0_fake.jpg"),
}
LISTED = [name for name in TREES if name != "msmt17"]  # whose images are looked for in folders


@pytest.fixture
def grow(tmp_path):
    """Makes a tree of empty files; gives it and its folder."""

    def grown(name):
        root = tmp_path / name
        for image in TREES[name].names:
            (root / image).parent.mkdir(parents=True, exist_ok=True)
            (root / image).touch()
        if name == "cuhk03":
            names = [image.split("/")[1] for image in CUHK03]
            indices = {"train_idx": [1, 2, 3, 4], "query_idx": [5, 7], "gallery_idx": [6, 8]}
            content = {key: np.array(value, np.uint16)[:, None] for key, value in indices.items()}
            content["labels"] = np.array([[int(name[0])] for name in names], np.uint16)
            content["filelist"] = np.array([[name] for name in names], object)
            savemat(root / "cuhk03_new_protocol_config_detected.mat", content)
        if name == "cuhk03_classic":
            record = {"testsets": [[[2, 1]]] * 20, "images": {"detected": len(CUHK03), "labeled": 0}}
            (root / "testsets.json").write_text(json.dumps(record))
        if name == "msmt17":
            for folder in ("train/0000", "test"):
                (root / folder).mkdir(parents=True)
            for file, lines in MSMT.items():
                (root / file).write_text(lines)
        return root, TREES[name].read

    return grown


def lists(split):
    return [split.train, *(shots for test in split.tested for shots in (test.query, test.gallery))]


def below(split, root):
    return [[replace(shot, path=shot.path.relative_to(root)) for shot in shots] for shots in lists(split)]


class Shuffled:
    """``os.scandir`` in another order."""

    def __init__(self, entries, generator):
        self.entries = list(entries)
        generator.shuffle(self.entries)

    def __enter__(self):
        return iter(self.entries)

    def __exit__(self, *_):
        return None

    def __iter__(self):
        return iter(self.entries)

    def __next__(self):
        return self.entries.pop()

    def close(self):
        pass


@pytest.fixture
def shuffled(monkeypatch):
    """Turns the order in which folders are listed."""
    scandir, listdir = os.scandir, os.listdir

    def turn(seed):
        generator = random.Random(seed)
        monkeypatch.setattr(os, "scandir", lambda *place: Shuffled(scandir(*place), generator))
        monkeypatch.setattr(os, "listdir", lambda *place: Shuffled(listdir(*place), generator).entries)

    return turn


@pytest.mark.parametrize("name", TREES)
def test_1_lists_do_not_depend_on_the_order_of_a_folder(grow, shuffled, name):
    root, read = grow(name)
    split = read(root)
    assert all(any(shots) for shots in lists(split))
    for seed in range(3):
        shuffled(seed)
        assert read(root) == split
    for shots in lists(split):
        assert [s.person_id for s in shots] == sorted(s.person_id for s in shots)


def test_1_labels_are_the_same_in_every_run_and_rank(grow, shuffled, monkeypatch):
    root, _ = grow("market1501")
    monkeypatch.setattr(
        "reid_lit.data.base.sound", lambda split, **_: split, raising=False
    )  # the images are empty files
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=2, workers=0)
    seen = []
    for seed in range(3):
        shuffled(seed)
        data = market1501.Market1501(root=root, transform=transform, sampler=ShuffleSampler, loader=loader)
        data.setup()
        seen.append([(s.path.name, label) for s, label in zip(data.split.train, data._labels, strict=True)])
    assert seen[0] == seen[1] == seen[2]
    assert [label for _, label in seen[0]] == [0, 0, 1]


@pytest.mark.parametrize("name", TREES)
def test_2_other_files_are_passed_over(grow, name):
    root, read = grow(name)
    split = read(root)
    for folder in {root, *(path for path in root.rglob("*") if path.is_dir())}:
        for other in ("Thumbs.db", ".DS_Store", "._0001_c1s1_001051_00.jpg", "._000100010001.png", "._1_001_1_01.png",
                      "._001_0.bmp", "._0001_0001_0001.jpeg", "readme.txt"):  # fmt: skip
            (folder / other).touch()
    assert read(root) == split


def test_2_a_double_extension_is_kept(grow):
    root, read = grow("market1501")
    split = read(root)
    assert [s.path.name for s in split.query if s.path.name.endswith(".jpg.jpg")] == ["0003_c5s1_000301_00.jpg.jpg"]
    assert [s.path.name for s in split.gallery if s.path.name.endswith(".jpg.jpg")] == ["0003_c1s1_000301_01.jpg.jpg"]


def ranked(split, order):
    """Scores of the split's first query when the gallery is ranked in ``order`` (names' beginnings, nearest first)."""
    person = {
        role: torch.tensor([s.person_id for s in shots])
        for role, shots in (("q", split.query[:1]), ("g", split.gallery))
    }
    camera = {
        role: torch.tensor([s.camera_id for s in shots])
        for role, shots in (("q", split.query[:1]), ("g", split.gallery))
    }
    places = [next(k for k, start in enumerate(order) if s.path.name.startswith(start)) for s in split.gallery]
    gallery = torch.tensor(places, dtype=torch.float32)[:, None] + 1
    return score_queries(
        Ranker(torch.zeros(1, 1), gallery, Lists(person["q"], camera["q"], person["g"], camera["g"]), Protocol())
    )


def test_3_junk_is_removed_from_a_ranking_and_distractors_are_not(grow):
    root, read = grow("market1501")
    split = read(root)
    assert [s.person_id for s in split.gallery] == [JUNK, 0, 1, 3]
    scores = ranked(split, ["-1", "0000", "0001", "0003"])
    assert scores.first_match.item() == 2  # behind the distractor, not behind the junk
    assert scores.average_precision.item() == pytest.approx(0.5)


def test_3_dukes_extra_persons_are_distractors(grow):
    root, read = grow("dukemtmc")
    assert ranked(read(root), ["7140", "0005"]).first_match.item() == 2


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("market1501", "query/0001_c11s1_001051_00.jpg"),
        ("market1501", "query/x0001_c1s1_001051_00.jpg"),
        ("market1501", "query/0001_c1s1_001051_00_2.jpg"),
        ("market1501", "bounding_box_test/00001_c1s1_001051_00.jpg"),
        ("dukemtmc", "query/0005_c12_f0046985.jpg"),
        ("dukemtmc", "query/10005_c1_f0046985.jpg"),
        ("ward", "00010001000100.png"),
        ("cuhk03", "images_detected/11_001_1_01.png"),
        ("cuhk03", "images_detected/1_001_12_01.png"),
        ("cuhk03_np", "detected/query/0002_c12_2.png"),
        ("cuhk03_np", "detected/query/10002_c1_2.png"),
        ("viper", "cam_a/1001_0.bmp"),
        ("synergy_sports", "reid_val/query/0300_0050_0001_2.jpeg"),
    ],
)
def test_4_a_pattern_fits_the_whole_name_or_is_an_error(grow, name, image):
    root, read = grow(name)
    (root / image).touch()
    with pytest.raises(ValueError, match=re.escape(image.rsplit("/")[-1])):
        read(root)


def test_4_cameras_of_two_digits(grow):
    root, read = grow("msmt17")
    split = read(root)
    assert [s.camera_id for s in (*split.train, *split.gallery)] == [0, 14, 11]


@pytest.mark.parametrize("name", [name for name, tree in TREES.items() if tree.camera])
def test_5_cameras_count_from_zero_in_every_list(grow, name):
    root, read = grow(name)
    for shots in lists(read(root)):
        assert shots
        for shot in shots:
            assert shot.camera_id == int(re.search(TREES[name].camera, shot.path.as_posix())[1]) - 1


@pytest.mark.parametrize(("name", "folders"), [("viper", ("cam_a", "cam_b")), ("synergy_sports", ("query", "gallery"))])
def test_5_cameras_that_are_folders_count_from_zero(grow, name, folders):
    root, read = grow(name)
    for shots in lists(read(root))[1:]:
        assert {shot.camera_id for shot in shots} == {folders.index(shot.path.parent.name) for shot in shots}


def test_6_junk_acts_in_evaluation_and_is_never_trained_on(grow):
    root, read = grow("market1501")
    split = read(root)  # alone, not combined with another data set
    with_junk = ranked(split, ["-1", "0001", "0000", "0003"])
    without = ranked(replace(split, gallery=split.gallery[1:]), ["0001", "0000", "0003"])
    assert with_junk.first_match.item() == without.first_match.item() == 1
    assert with_junk.average_precision.item() == without.average_precision.item()


@pytest.mark.parametrize("name", LISTED)
def test_8_fakes_beside_the_training_images_are_an_error(grow, name):
    root, read = grow(name)
    (root / TREES[name].fake).touch()
    with pytest.raises(ValueError, match=re.escape(TREES[name].fake.split("/")[-1])):
        read(root)


def test_8_fakes_beside_listed_images_are_not_read(grow):
    root, read = grow("msmt17")
    split = read(root)
    (root / TREES["msmt17"].fake).touch()
    assert read(root) == split


@pytest.mark.parametrize("name", TREES)
def test_9_a_moved_data_set_is_the_same(grow, tmp_path, name):
    root, read = grow(name)
    before = below(read(root), root)
    moved = tmp_path / "elsewhere" / "deeper"
    moved.parent.mkdir()
    root.rename(moved)
    assert below(read(moved), moved) == before


def test_9_stored_splits_hold_no_paths(grow):
    root, _ = grow("cuhk03_classic")
    for file in (viper.SPLITS_FILE, root / "testsets.json"):
        content = json.loads(file.read_text())
        content.pop("about", None)
        assert not re.search(r"[/\\]|\.(?:png|bmp)", json.dumps(content))


def test_10_training_transforms_never_touch_a_query(market_data):
    class Forbidden(torch.nn.Module):
        def forward(self, *_):
            raise RuntimeError("a training transform")

    data = market_data(train=[Forbidden()])
    data.setup()
    for stage in ({}, {"validating": True}, {"testing": True}, {"predicting": True}):
        data.trainer = SimpleNamespace(global_rank=0, world_size=1, training=False, **stage)
        batch = next(iter(data.test_dataloader()))
        assert torch.equal(data.on_after_batch_transfer(batch, 0).image, batch.image.float() / 255)


def test_10_query_and_training_images_are_resized_alike(market_data):
    data = market_data()
    data.setup()
    train, test = (loader.dataset for loader in (data.train_dataloader(), data.test_dataloader()))
    assert (train.size, train.interpolation) == (test.size, test.interpolation)


@pytest.mark.parametrize("file", sorted(packaged("conf").glob("transform/*.yaml")), ids=lambda file: file.stem)
def test_10_every_papers_transform_says_its_interpolation(file):
    papers = {"softmax": "bicubic", "strong": "bilinear"}
    assert inspect.signature(Transform).parameters["interpolation"].default is inspect.Parameter.empty
    config = OmegaConf.load(file)
    while "interpolation" not in config:
        config = OmegaConf.load(file.with_name(f"{config.defaults[0]}.yaml"))
    assert config.interpolation == papers.get(file.stem, config.interpolation)
