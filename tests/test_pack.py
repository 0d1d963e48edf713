"""The command that packs: of one data set and of several, and a training on what it wrote."""

import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from reid_lit.data.packing.contents import Item, content_of
from reid_lit.data.sets.viper import Viper
from reid_lit.data.sets.ward import SAMPLE as WARD
from reid_lit.errors import InputError
from reid_lit.files.access import read_bytes, state
from reid_lit.files.index import INDEX, Encoding, read_index
from reid_lit.pack import pack
from reid_lit.run.datasets import make_data
from reid_lit.run.identity import training_hash

TINY = "{dataset: synthetic, size: tiny}"
CAMPUS = "{dataset: synthetic, size: tiny, world: campus}"


@pytest.fixture
def data_root(drawn, tmp_path):
    """The drawn worlds beside samples of other data sets."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "synthetic").symlink_to(drawn / "synthetic")
    WARD.write(tmp_path / "data" / "WARD")
    return tmp_path / "data"


def read(compose, *words):
    data = make_data(compose(*words))
    data.prepare_data()
    return data.read()


@pytest.mark.parametrize(
    ("words", "folders"),
    [
        (["dataset=joint", f"dataset.members=[{TINY},ward]"], ["WARD", "synthetic/plaza-tiny-0"]),
        (
            ["dataset=joint", f"dataset.members=[{TINY},{CAMPUS}]"],
            ["synthetic/campus-tiny-0", "synthetic/plaza-tiny-0"],
        ),
        (["dataset=transfer", f"dataset.source={TINY}", "dataset.target=ward"], ["WARD", "synthetic/plaza-tiny-0"]),
        (
            ["dataset=transfer", f"dataset.source=[{TINY},ward]", f"dataset.target={CAMPUS}"],
            ["WARD", "synthetic/campus-tiny-0", "synthetic/plaza-tiny-0"],
        ),
        (
            ["dataset=joint", f"dataset.members=[{{dataset: ward, train_on: all}},{TINY}]"],
            ["WARD", "synthetic/plaza-tiny-0"],
        ),
    ],
)
def test_a_pack_of_each_member_is_read_by_data_root(compose, data_root, tmp_path, words, folders):
    out = tmp_path / "packs"
    pack(compose(*words, f"data_root={data_root}", f"out={out}", config_name="pack"))
    assert sorted(file.parent.relative_to(out).as_posix() for file in out.rglob(INDEX)) == folders
    here, there = (read(compose, *words, f"data_root={root}") for root in (data_root, out))
    assert repr(there) == repr(here).replace(str(data_root), str(out))
    for left, right in zip(here.shots, there.shots, strict=True):
        assert read_bytes(right.path) == left.path.read_bytes()


@pytest.mark.parametrize("split_id", [0, 7])
def test_every_split_is_read_from_one_pack(compose, tmp_path, split_id):
    Viper.sample(None).write(tmp_path / "VIPeR")
    pack(compose("dataset=viper", f"data_root={tmp_path}", f"out={tmp_path}/pack/VIPeR", config_name="pack"))
    words = ["dataset=viper", f"dataset.split_id={split_id}"]
    here, there = (read(compose, *words, f"data_root={root}") for root in (tmp_path, tmp_path / "pack"))
    assert repr(there) == repr(here).replace(str(tmp_path), str(tmp_path / "pack"))


def test_data_root_changes_no_name_of_a_training(compose, tmp_path):
    from omegaconf import OmegaConf

    names = {
        training_hash(OmegaConf.to_container(compose("dataset=market1501", f"data_root={root}"), resolve=False), 0)
        for root in (tmp_path, tmp_path / "packs")
    }
    assert len(names) == 1


def test_what_the_size_is_stands_in_the_index(compose, data_root, tmp_path, capsys):
    words = ["dataset.size=tiny", f"data_root={data_root}", f"out={tmp_path}/pack", "size=[32,16]", "shard_mb=0.2"]
    pack(compose(*words, config_name="pack"))
    index = read_index(tmp_path / "pack" / "plaza-tiny-0" / INDEX)
    assert index.encoding.size == (32, 16)
    assert len(index.shards) > 1
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "images re-encoded to 32 × 16 pixels (bicubic, quality 95); read by dataset.root=" in printed


def test_a_grey_format_keeps_its_values_and_one_of_few_colours_is_refused(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(4, 3) * 20
    item, encoding = grey_item(tmp_path / "a.pgm", grey), Encoding(size=(4, 3), interpolation="bicubic", quality=95)
    again = Image.open(io.BytesIO(content_of(item, encoding)))
    assert (np.asarray(again) == grey).all()
    item = grey_item(tmp_path / "a.gif", grey)
    with pytest.raises(
        InputError, match=r"a\.gif cannot be encoded again as what it shows: \.gif does not hold all of"
    ):
        content_of(item, encoding)
    assert content_of(item, None) == item.source.read_bytes()


def grey_item(path, values):
    Image.fromarray(values).save(path)
    return Item(path.name, path, state(path))


def test_images_of_few_colours_are_found_before_anything_is_packed(compose, tmp_path):
    for person in range(2):
        for camera in range(2):
            folder = tmp_path / "crops" / f"anna {person}" / f"cam{camera}"
            folder.mkdir(parents=True)
            Image.fromarray(np.full((4, 3), 40 * camera, np.uint8)).save(folder / f"{person}.gif")
    words = ["dataset=folder", f"dataset.root={tmp_path}/crops", f"out={tmp_path}/pack"]
    with pytest.raises(InputError, match=r"4 images such as .*\.gif would be rounded to 256 colours"):
        pack(compose(*words, "size=[8,4]", config_name="pack"))
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        ([], "give out=<a new folder"),
        (["out=x", "size=7"], r"size=\[7\]: give \[height,width\]"),
        (["out=x", "size=[7,a]"], "size="),
        (["out=x", "size=[7,7]", "quality=0"], "quality=0: give"),
        (["out=x", "size=[7,7]", "interpolation=area"], "interpolation='area': unknown"),
        (["out=x", "shard_mb=-1"], "shard_mb=-1: give"),
        (["out=x", "shard_mb=many"], "shard_mb=many: give"),
    ],
)
def test_words_that_are_none_are_refused_before_anything_is_written(
    compose, data_root, tmp_path, monkeypatch, words, fact
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=fact):
        pack(compose("dataset.size=tiny", f"data_root={data_root}", *words, config_name="pack"))
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_training_on_a_pack_is_the_training_on_the_folder(command, drawn, tmp_path):
    done = command(
        "dataset.size=tiny", f"data_root={drawn}", "out=packs/synthetic", cwd=tmp_path, module="reid_lit.pack"
    )
    assert "dataset.root=packs/synthetic" in done.stdout
    short = [
        "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[32,16]", "loader.batch_size=16", "machine.workers=1",
        "trainer.max_epochs=1",
    ]  # fmt: skip
    for name, root in (("folder", drawn), ("pack", "packs")):
        command(*short, f"data_root={root}", f"hydra.run.dir={name}", cwd=tmp_path)
    scores, pictures = [], []
    for name in ("folder", "pack"):
        scores.append(json.loads((tmp_path / name / "metrics.json").read_text())["results"][0]["scores"])
        (picture,) = (tmp_path / name).rglob("ranked_lists.png")
        pictures.append(hashlib.sha256(picture.read_bytes()).hexdigest())
    assert scores[0] == scores[1]
    assert pictures[0] == pictures[1]
