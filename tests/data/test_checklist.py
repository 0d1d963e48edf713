"""Frequent mistakes of readers, transforms and evaluations, each of one data set; see also ``test_every_set.py``."""

import inspect
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets import (
    caviar4reid,
    cuhk01,
    cuhk02,
    cuhk03,
    cuhk03_sample,
    cuhk_sysu,
    dukemtmc,
    grid,
    ilids,
    market1501,
    prid2011,
    stored_splits,
    synergy_sports,
    veri776,
    viper,
    ward,
)
from reid_lit.data.transforms.transform import Transform
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import score_queries
from reid_lit.paths import packaged
from reid_lit.records import JUNK

CLASSIC = cuhk03.Options(protocol="classic")
CUHK03_NP = ["bounding_box_train/0001_c1_1.png", "query/0002_c1_2.png", "bounding_box_test/0002_c2_1.png"]


@pytest.fixture
def market_split(tmp_path):
    return market1501.read(market1501.SAMPLE.write(tmp_path))


def test_labels_are_the_same_in_every_run(tmp_path):
    root = market1501.SAMPLE.write(tmp_path)
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=2, workers=0)
    labels = []
    for _ in range(3):
        data = market1501.Market1501(root=root, transform=transform, sampler=ShuffleSampler, loader=loader)
        data.setup()
        labels.append([(s.path.name, label) for s, label in zip(data.split.train, data._labels, strict=True)])
    assert labels[0] == labels[1] == labels[2]
    assert [label for _, label in labels[0]] == [0, 0, 1]


def test_a_double_extension_is_kept(market_split):
    for shots in (market_split.query, market_split.gallery):
        assert [s.path.name[:4] for s in shots if s.path.name.endswith(".jpg.jpg")] == ["0003"]


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


def test_junk_is_removed_from_a_ranking_and_distractors_are_not(market_split):
    assert [s.person_id for s in market_split.gallery] == [JUNK, 0, 1, 3]
    scores = ranked(market_split, ["-1", "0000", "0001", "0003"])
    assert scores.first_match.item() == 2  # behind the distractor, not behind the junk
    assert scores.average_precision.item() == pytest.approx(0.5)


def test_dukes_extra_persons_are_distractors(tmp_path):
    split = dukemtmc.read(dukemtmc.SAMPLE.write(tmp_path))
    assert ranked(split, ["7140", "0005"]).first_match.item() == 2


def np_release(root):
    for name in CUHK03_NP:
        (root / "detected" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "detected" / name).touch()


SETS = {
    "market1501": (market1501.SAMPLE.write, market1501.read),
    "dukemtmc": (dukemtmc.SAMPLE.write, dukemtmc.read),
    "ward": (ward.SAMPLE.write, ward.read),
    "cuhk03": (cuhk03_sample.sample(cuhk03.Options()).write, cuhk03.read),
    "cuhk03_np": (np_release, cuhk03.read),
    "veri776": (veri776.SAMPLE.write, veri776.read),
    "viper": (viper.SAMPLE.write, viper.read),
    "caviar4reid": (caviar4reid.SAMPLE.write, caviar4reid.read),
    "cuhk01": (cuhk01.sample().write, cuhk01.read),
    "cuhk02": (cuhk02.SAMPLE.write, cuhk02.read),
    "cuhk_sysu": (cuhk_sysu.SAMPLE.write, cuhk_sysu.read),
    "grid": (grid.sample().write, grid.read),
    "ilids": (ilids.SAMPLE.write, ilids.read),
    "prid2011": (prid2011.sample().write, prid2011.read),
    "synergy_sports": (synergy_sports.SAMPLE.write, synergy_sports.read),
}


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
        ("veri776", "image_test/0002_c021_00030670_0.jpg"),
        ("viper", "cam_a/1001_0.bmp"),
        ("caviar4reid", "0001021.jpg"),
        ("cuhk01", "campus/0001005.png"),
        ("cuhk02", "P1/cam1/1.png"),
        ("cuhk_sysu", "cropped_images/1_1.jpg"),
        ("grid", "probe/0001_9_1.jpeg"),
        ("grid", "gallery/10001_2_1.jpeg"),
        ("ilids", "Persons/00010011.jpg"),
        ("prid2011", "single_shot/cam_a/0001_a.png"),
        ("synergy_sports", "reid_val/query/0300_0050_0001_2.jpeg"),
    ],
)
def test_a_pattern_fits_the_whole_name_or_is_an_error(tmp_path, name, image):
    write, read = SETS[name]
    write(tmp_path)
    read(tmp_path)
    (tmp_path / image).touch()
    with pytest.raises(ValueError, match=re.escape(image.rsplit("/")[-1])):
        read(tmp_path)


def test_junk_acts_in_evaluation_and_is_never_trained_on(market_split):
    split = market_split  # alone, not combined with another data set
    with_junk = ranked(split, ["-1", "0001", "0000", "0003"])
    without = ranked(replace(split, gallery=split.gallery[1:]), ["0001", "0000", "0003"])
    assert with_junk.first_match.item() == without.first_match.item() == 1
    assert with_junk.average_precision.item() == without.average_precision.item()


def test_stored_splits_hold_no_paths():
    testsets = cuhk03_sample.sample(CLASSIC).files["testsets.json"].decode()
    for text in (*(stored_splits.file_of(name).read_text() for name in stored_splits.SHA256), testsets):
        content = json.loads(text)
        content.pop("about", None)
        assert not re.search(r"[/\\]|\.(?:png|bmp)", json.dumps(content))


def test_training_transforms_never_touch_a_query(market_data):
    class Forbidden(torch.nn.Module):
        def forward(self, *_):
            raise RuntimeError("a training transform")

    data = market_data(train=[Forbidden()])
    data.setup()
    for stage in ({}, {"validating": True}, {"testing": True}, {"predicting": True}):
        data.trainer = SimpleNamespace(global_rank=0, world_size=1, num_nodes=1, training=False, **stage)
        batch = next(iter(data.test_dataloader()))
        assert torch.equal(data.on_after_batch_transfer(batch, 0).image, batch.image.float() / 255)


def test_query_and_training_images_are_resized_alike(market_data):
    data = market_data()
    data.setup()
    train, test = (loader.dataset for loader in (data.train_dataloader(), data.test_dataloader()))
    assert (train.size, train.interpolation) == (test.size, test.interpolation)


@pytest.mark.parametrize("file", sorted(packaged("conf").glob("transform/*.yaml")), ids=lambda file: file.stem)
def test_every_papers_transform_says_its_interpolation(file):
    papers = {"softmax": "bicubic", "strong": "bilinear"}
    assert inspect.signature(Transform).parameters["interpolation"].default is inspect.Parameter.empty
    config = OmegaConf.load(file)
    while "interpolation" not in config:
        config = OmegaConf.load(file.with_name(f"{config.defaults[0]}.yaml"))
    assert config.interpolation == papers.get(file.stem, config.interpolation)
