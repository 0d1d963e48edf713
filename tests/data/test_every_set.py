"""The contract of a data set: every option of ``conf/dataset`` reads its own sample, a small copy in its layout."""

import copy
import os
import random
import re
import shutil
from dataclasses import replace
from itertools import chain

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from reid_lit.checkup.counts import COUNTS
from reid_lit.checkup.examine import examine
from reid_lit.checkup.matches import without_match
from reid_lit.data.packing.pack import pack
from reid_lit.data.problems import MissingDataError
from reid_lit.data.sets.synthetic import Synthetic
from reid_lit.evaluation.protocol import Protocol
from reid_lit.files.access import read_bytes
from reid_lit.paths import options, packaged
from reid_lit.records import JUNK
from reid_lit.run.datasets import make_data

OPTIONS = options("dataset")
ANY_NAME = ("folder", "images")
"""Options whose images may have any names."""

PARTLY_READ = ("ward_pairs",)
"""Options that test with the first image of a person in one camera, and with no other image of that camera."""

TRAINED_ON_ALONE = ("cuhk03_viper_ward", "cuhk_sysu")
"""Options that train on everybody that they read, so that nobody is left to test."""

OTHER_FILES = ("Thumbs.db", ".DS_Store", "readme.txt")


@pytest.fixture(scope="module", params=OPTIONS)
def option(request):
    return request.param


@pytest.fixture(scope="module")
def data(option, tmp_path_factory):
    """The data set of the option; nothing writes into its folder."""
    root = tmp_path_factory.mktemp(option)
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        config = hydra.compose(
            "train", [f"dataset={option}", f"data_root={root}", "machine.workers=0"], return_hydra_config=True
        )
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        made = make_data(config)
    HydraConfig.instance().cfg = None
    for member in members_of(made):
        member.sample().write(member.root)
    return made


@pytest.fixture
def copies(data, tmp_path):
    """The data sets that the option consists of, each with a copy of its sample that a test may change."""
    copied = []
    for number, member in enumerate(members_of(data)):
        twin = copy.copy(member)
        twin.root = shutil.copytree(member.root, tmp_path / str(number) / member.root.name)
        copied.append(twin)
    return copied


def members_of(data):
    return getattr(data, "members", (data,))


def lists(split):
    return [shots for shots in (split.train, *chain(*((test.query, test.gallery) for test in split.tested))) if shots]


def below(shots, root):
    return [(shot.path.relative_to(root).as_posix(), shot.person_id, shot.camera_id) for shot in shots]


def test_every_image_has_the_person_and_the_camera_of_its_name(data, option):
    for member in members_of(data):
        images = member.sample().images
        shots = below(member.read().shots, member.root)
        assert len(shots) > 2
        assert {name: (person, camera) for name, person, camera in shots}.items() <= images.items()
        if option not in PARTLY_READ:
            assert len(shots) == len(images)


def test_cameras_count_from_zero(data, option):
    cameras = {shot.camera_id for shot in data.read().shots}
    assert min(cameras) == (-1 if option == "images" else 0)


def test_there_is_something_to_train_on_and_to_test_unless_nobody_is_known(option, data):
    split = data.read()
    known = any(shot.person_id != JUNK for shot in split.shots)
    assert bool(split.train) == known
    if option not in TRAINED_ON_ALONE:
        assert all(bool(test.query) == known and test.gallery for test in split.tested)


def test_nobody_is_trained_on_and_tested(data):
    split = data.read()
    trained = {shot.person_id for shot in split.train} - {JUNK}
    if len(members_of(data)) == 1:  # of several, each numbers its own test persons
        assert trained.isdisjoint(shot.person_id for shots in lists(split)[1:] for shot in shots)
    images = {shot.path for shot in split.train}
    for shots in lists(replace(split, train=())):
        assert images.isdisjoint(shot.path for shot in shots)


def test_every_query_finds_its_person_and_is_no_junk(data):
    split = data.read()
    for test in split.tested:
        assert JUNK not in {shot.person_id for shot in test.query}
    assert without_match(split, Protocol(), data.root) == []


def test_lists_are_sorted_whatever_the_order_of_a_folder(data, shuffled):
    split = data.read()
    for shots in lists(split):
        persons = [shot.person_id for shot in shots if shot.person_id != JUNK]
        assert persons == sorted(persons)
    for seed in range(3):
        shuffled(seed)
        assert data.read() == split


def test_a_missing_folder_is_named_with_what_to_do(data, copies, tmp_path):
    for member in copies:
        shutil.rmtree(member.root)
        with pytest.raises(MissingDataError) as caught:
            member.read()
        for part in (member.root.name, str(member.root.parent), caught.value.problem.cure):
            assert part
            assert part in str(caught.value)
        assert re.search(r"dataset|folder", caught.value.problem.cure)


def test_a_moved_copy_reads_the_same(copies, tmp_path):
    for member in copies:
        before, split = member.root, member.read()
        member.root = tmp_path / "elsewhere" / "deeper" / before.name
        member.root.parent.mkdir(parents=True, exist_ok=True)
        before.rename(member.root)
        moved = member.read()
        assert [below(shots, member.root) for shots in lists(moved)] == [below(shots, before) for shots in lists(split)]


def test_other_files_are_passed_over(copies):
    for member in copies:
        split = member.read()
        image = split.shots[0].path.name
        for folder in {member.root, *(path for path in member.root.rglob("*") if path.is_dir())}:
            for name in (*OTHER_FILES, f"._{image}"):
                (folder / name).touch()
        assert member.read() == split


def test_an_added_image_of_another_name_is_an_error_or_is_not_read(copies, option):
    if option in ANY_NAME:
        pytest.skip("its images may have any names")
    for member in copies:
        split = member.read()
        image = split.train[0].path
        fake = image.with_name(f"{image.stem}_fake_1to2{image.suffix}")
        shutil.copy(image, fake)
        problems = []
        assert member.read(problems.append) == split
        for problem in problems:
            assert fake.name in str(problem)


def test_the_doctor_finds_nothing_but_fewer_images_than_the_whole_set_has(copies):
    for member in copies:
        if not isinstance(member, Synthetic):  # it would draw the set itself
            findings = examine(member, protocol=Protocol()).findings
            assert [str(problem) for problem in findings if problem.kind != COUNTS] == []


def test_a_pack_reads_the_same_and_the_doctor_finds_the_same(copies, tmp_path):
    for number, member in enumerate(copies):
        member.prepare_data = lambda: None  # the sample of the synthetic set is not what it would draw
        packed = copy.copy(member)
        packed.root = tmp_path / "packs" / str(number) / member.root.name
        index = pack(member, packed, encoding=None, shard_mb=0.02)
        names = [name for shard in index.shards for name in shard.names]
        assert {*member.sample().images, *member.sample().files} <= {*names}

        def moved(text, member=member, packed=packed):
            return text.replace(str(member.root), str(packed.root))

        split = member.read()
        assert repr(packed.read()) == moved(repr(split))
        for here, there in zip(split.shots, packed.read().shots, strict=True):
            assert read_bytes(there.path) == here.path.read_bytes()
        if not isinstance(member, Synthetic):
            left, right = (examine(one, protocol=Protocol()) for one in (member, packed))
            assert [str(problem) for problem in right.findings] == [moved(str(problem)) for problem in left.findings]
            assert [fact for fact in right.facts if fact.name != "pack"] == list(left.facts)


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
        if not self.entries:
            raise StopIteration
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
