"""No code of a table of generalisation reads its target before the last epoch."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from reid_lit.data.problems import DataError
from reid_lit.overrides import key_of
from reid_lit.paths import packaged
from reid_lit.run.datasets import make_data
from reid_lit.run.folder import Run
from reid_lit.run.identity import is_of
from reid_lit.tables.command import chosen_rows, read_request
from reid_lit.tables.jobs import JobMaker
from reid_lit.tables.spec import LAPTOP, SIZES, cells, read_table, table_names
from reid_lit.testing.tests import find_tests
from reid_lit.training.once import train_once

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),  # Lightning 2.6 with torch 2.15
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*logging interval"),
]
EXPERIMENTS = ("generalisation", "real_generalisation", "synthetic_generalisation")
SELECTION = ("dataset.val_persons", "callbacks", "before", "objective")
"""How keys start by which weights might be chosen, or learnt elsewhere."""
TABLES = [name for name in table_names() if name.startswith("generalisation/")]


def value_of(key, overrides):
    (override,) = [each for each in OverridesParser.create().parse_overrides(overrides) if each.key_or_group == key]
    return OmegaConf.to_container(OmegaConf.create([override.value()]), resolve=False)[0]


def reader(option):
    """What reads an option of `dataset`; the reader of CUHK01 for CUHK02, which shows its persons too."""
    content = OmegaConf.load(packaged("conf") / "dataset" / f"{option}.yaml")
    return (
        content["_target_"].replace("cuhk02.CUHK02", "cuhk01.CUHK01")
        if "_target_" in content
        else reader(content.defaults[0])
    )


def sets(entries):
    """The persons of each entry, by the data set that shows them; the world of a drawn one."""
    entries = [{"dataset": entry} if isinstance(entry, str) else entry for entry in entries]
    return {entry.get("world", reader(entry["dataset"])) for entry in entries}


def test_a_data_set_is_known_by_its_persons():
    assert sets(["cuhk03"]) == sets(["cuhk03_labeled", "cuhk03_classic", {"dataset": "cuhk03", "images": "labeled"}])
    assert sets(["cuhk01"]) == sets(["cuhk02"]) != sets(["cuhk03"])


@pytest.mark.parametrize(
    ("table", "size"),
    [(name, size) for name in TABLES for size in SIZES if size in ("paper", *read_table(name))],
)
def test_no_row_trains_on_its_target_or_is_told_of_it(table, size):
    found = cells(read_table(table), size)
    assert found
    for cell in found:
        assert value_of("experiment", cell.train) in EXPERIMENTS
        told = [key_of(each) for each in cell.train if is_of("tested", each)]
        told += [key for key in map(key_of, cell.train) if key.startswith(SELECTION)]
        assert not told
        assert [key_of(each) for each in cell.evaluate] == ["test_on"]
        target = sets(value_of("test_on", cell.evaluate))
        assert len(target) == 1
        assert not target & sets(value_of("dataset.members", cell.train)), f"{table} {size}: {cell.label}"


@pytest.mark.parametrize("protocol", ["p1", "p2", "p3"])
def test_sources_are_those_of_the_published_rows(protocol):
    for cell in cells(read_table(f"generalisation/{protocol}"), "paper"):
        members = {
            member if isinstance(member, str) else member["dataset"]: ""
            if isinstance(member, str)
            else member["train_on"]
            for member in value_of("dataset.members", cell.train)
        }
        assert members.pop("cuhk_sysu") == "all"
        if "msmt17" in members:
            assert members.pop("msmt17") == ("trainval" if protocol == "p2" else "all")
        assert {*members.values()} == {"" if protocol == "p2" else "all"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_they_train_has_no_test_no_validation_and_keeps_the_last_epoch(compose, name):
    config = compose(f"+experiment={name}")
    assert config.test_on is None
    assert config.dataset.val_persons == 0
    assert config.callbacks.checkpoint.get("monitor") is None
    assert not config.before


class Sentinel:
    """Sees each file or folder below a place that Python opens or lists; asking whether it is there is no reading."""

    def __init__(self):
        self.place, self.seen = "", []
        sys.addaudithook(self)  # it cannot be taken away: without a place it does nothing

    def __call__(self, event, arguments):
        if self.place and event in ("open", "os.listdir", "os.scandir"):
            path = arguments[0]
            path = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
            if os.path.realpath(path).startswith(self.place):
                self.seen.append((event, path))

    def watch(self, place):
        self.place, self.seen = os.path.realpath(place) if place else "", []


@pytest.fixture(scope="module")
def sentinel():
    watching = Sentinel()
    yield watching
    watching.watch(None)


@pytest.fixture
def world(drawn, tmp_path, sentinel):
    """Two drawn sources, and a target whose images are none."""
    root = tmp_path / "data" / "synthetic"
    root.mkdir(parents=True)
    (root / "campus-tiny-0").symlink_to(drawn / "synthetic" / "campus-tiny-0")
    shutil.copytree(drawn / "synthetic" / "campus-tiny-0", tmp_path / "other")
    target = root / "plaza-tiny-0"
    shutil.copytree(drawn / "synthetic" / "plaza-tiny-0", target)
    for image in target.rglob("*.jpg"):
        image.write_bytes(b"the target, unread")
    sentinel.watch(target)
    yield tmp_path
    sentinel.watch(None)


def job(world, *more):
    """The words of a row's training, on small images, as the table starts it; and those of its test."""
    table = "generalisation/small"
    words = (
        "machine.workers=0", "trainer.max_epochs=1", "transform.size=[32,16]", "sampler.persons=2",
        "loader.batch_size=8", "trainer.precision=32-true", "+trainer.limit_train_batches=2", f"data_root={world}/data", *more,
    )  # fmt: skip
    asked = read_request([f"+table={table}", f"size={LAPTOP}", "rows=MixStyle", f"table_dir={world}", *words])
    spec = read_table(table)
    (cell,) = [
        cell for cell in cells(spec, LAPTOP, asked.overrides) if cell.row in chosen_rows(spec, asked.rows, LAPTOP)
    ]
    place = JobMaker(asked, "MixStyle").place(cell, 0, wanted=True)
    assert place.evaluation is not None
    sources = f"dataset.members=[{{dataset: synthetic, world: campus, size: tiny}}, {{dataset: market1501, root: {world}/other}}]"
    return [[*each.overrides, sources] for each in (place.training, place.evaluation)]


def test_a_training_goes_through_while_its_target_cannot_be_read(compose, world, sentinel, drawn):
    training, testing = job(world)
    config = compose(*training)
    facts, rows = train_once(config, Run(Path(config.run_dir)))
    assert facts["epochs"] == 1
    assert not rows
    assert not sentinel.seen
    tested = compose(*(word for word in testing if not word.startswith("run=")))
    with pytest.raises(DataError, match="plaza-tiny-0"):  # the test reads it, and the sentinel sees that
        find_tests(tested, make_data(tested))
    assert {event for event, _ in sentinel.seen} >= {"open"}
    target = world / "data" / "synthetic" / "plaza-tiny-0"
    shutil.rmtree(target)
    target.symlink_to(drawn / "synthetic" / "plaza-tiny-0")
    assert [test.row for test in find_tests(tested, make_data(tested))] == ["synthetic_plaza"]


def test_a_training_that_tests_itself_on_the_target_reads_it_first(compose, world, sentinel):
    training, testing = job(world)
    config = compose(*training, *(word for word in testing if word.startswith("test_on=")))
    with pytest.raises(DataError, match="plaza-tiny-0"):
        train_once(config, Run(Path(config.run_dir)))
    assert sentinel.seen
