"""The official counts of every data set come out of a tree with the official names, or with as many as the recipe says."""

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from scipy.io import loadmat

from reid_lit.data.counts import Count, count
from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.caviar4reid import Caviar4Reid
from reid_lit.data.sets.cuhk01 import CUHK01
from reid_lit.data.sets.cuhk02 import CUHK02
from reid_lit.data.sets.cuhk02 import PERSONS as CUHK02_PERSONS
from reid_lit.data.sets.cuhk03 import CUHK03
from reid_lit.data.sets.dukemtmc import DukeMTMC
from reid_lit.data.sets.grid import PARTITIONS, Grid, partitions
from reid_lit.data.sets.ilids import Ilids
from reid_lit.data.sets.market1501 import Market1501
from reid_lit.data.sets.msmt17 import MSMT17
from reid_lit.data.sets.prid2011 import Prid2011
from reid_lit.data.sets.synergy_parts import hidden_test
from reid_lit.data.sets.synergy_sports import SynergySports
from reid_lit.data.sets.vehicleid import TESTED, VehicleID
from reid_lit.data.sets.viper import Viper
from reid_lit.data.transforms.transform import Transform
from reid_lit.records import Shot, Split


@pytest.fixture
def memory():
    place = Path("/dev/shm")  # tens of thousands of files on a disk take a while
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


def touch(root, names):
    names = [root / name for name in names]
    for folder in {path.parent for path in names}:
        folder.mkdir(parents=True, exist_ok=True)
    for path in names:
        path.touch()


def checked(kind, root, **options):
    """The split, after its lists were compared with the official counts."""
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=2, workers=0)
    data = kind(root=root, transform=transform, sampler=ShuffleSampler, loader=loader, **options)
    split = data.read()
    lists = {"train": split.train}
    for test in split.tested:
        prefix = f"{test.name} " if split.tests else ""
        lists |= {f"{prefix}query": test.query, f"{prefix}gallery": test.gallery}
    official = data.official()
    assert official.keys() <= lists.keys()
    for name, right in official.items():
        found = asdict(count(lists[name]))
        assert {key: found[key] for key, value in asdict(right).items() if value is not None} == {
            key: value for key, value in asdict(right).items() if value is not None
        }, name
    data.split = split
    known = any(name.endswith("query") for name in official)
    assert [view.whole() for view in data.tests()] == [True if known else None] * len(split.tested)
    return split


def images(split):
    return [len(shots) for shots in (split.train, split.query, split.gallery)]


def spread(total, persons, least=1):
    """``total`` images over ``persons``, each with ``least`` or more."""
    more, rest = divmod(total - least * persons, persons)
    return [least + more + (person < rest) for person in range(persons)]


@pytest.mark.parametrize(("kind", "prefix"), [(Market1501, "market1501"), (DukeMTMC, "dukeMTMC")])
def test_market_and_duke(official, kind, prefix):
    expected = {"market1501": [12936, 3368, 19732], "dukeMTMC": [16522, 2228, 17661]}
    root = official(prefix, False)
    assert images(checked(kind, root)) == expected[prefix]
    if kind is Market1501:
        assert images(checked(kind, root, train_on="all")) == [29419, 0, 0]


@pytest.mark.parametrize("kind", ["detected", "labeled"])
def test_cuhk03(reid_data, memory, kind):
    config = reid_data("lists") / f"cuhk03_new_protocol_config_{kind}.mat"
    touch(memory / f"images_{kind}", loadmat(config, squeeze_me=True)["filelist"])
    shutil.copy(config, memory)
    expected = {"detected": [7365, 1400, 5332], "labeled": [7368, 1400, 5328]}
    assert images(checked(CUHK03, memory, images=kind)) == expected[kind]
    checked(CUHK03, memory, images=kind, camera="pair_view")
    assert images(checked(CUHK03, memory, images=kind, train_on="all")) == [sum(expected[kind]), 0, 0]


def test_viper(memory):
    touch(memory, [f"cam_{c}/{person:03d}_{angle}.bmp" for person in range(632) for c, angle in (("a", 0), ("b", 90))])
    for split_id in range(Viper.SPLITS):
        split = checked(Viper, memory, split_id=split_id)
        assert images(split) == [632, 0, 0]
        assert [images(test) for test in split.tests] == [[0, 316, 316], [0, 316, 316]]
    assert images(checked(Viper, memory, train_on="all")) == [1264, 0, 0]


def test_prid2011(memory):
    views = {"cam_a": 385, "cam_b": 749}
    touch(
        memory / "single_shot", [f"{c}/person_{p + 1:04}.png" for c, persons in views.items() for p in range(persons)]
    )
    for split_id in range(Prid2011.SPLITS):
        assert images(checked(Prid2011, memory, split_id=split_id)) == [200, 100, 649]
    assert images(checked(Prid2011, memory, train_on="all")) == [400, 0, 0]


def test_cuhk01(memory):
    touch(memory / "campus", [f"{person:04}{image:03}.png" for person in range(1, 972) for image in (1, 2, 3, 4)])
    split = checked(CUHK01, memory, split_id=5)
    assert images(split) == [4 * 485, 0, 0]
    assert [images(test) for test in split.tests] == [[0, 972, 972], [0, 972, 972]]
    assert images(checked(CUHK01, memory, train_on="all")) == [3884, 0, 0]


def test_cuhk02(memory):
    places = [(f"P{pair}/cam{view}", persons) for pair, persons in CUHK02_PERSONS.items() for view in (1, 2)]
    touch(
        memory,
        [f"{place}/{p + 1:03}_{image}.png" for place, persons in places for p in range(persons) for image in (1, 2)],
    )
    assert images(checked(CUHK02, memory)) == [4 * 1577, 478, 478]
    assert images(checked(CUHK02, memory, train_on="all")) == [7264, 0, 0]


def test_caviar4reid(memory):
    touch(memory, [f"{p:04}{image:03}.jpg" for p in range(1, 73) for image in range(1, 21 if p > 22 else 11)])
    assert images(checked(Caviar4Reid, memory)) == [220, 500, 500]
    assert images(checked(Caviar4Reid, memory, train_on="all")) == [1220, 0, 0]


def test_grid(memory):
    pairs = [f"{folder}/{p + 1:04}_{1 + k}_1.jpeg" for k, folder in enumerate(("probe", "gallery")) for p in range(250)]
    touch(memory, [*pairs, *(f"gallery/0000_{1 + n % 8}_{n}.jpeg" for n in range(775))])
    (memory / PARTITIONS).write_bytes(partitions([list(range(1 + k, 126 + k)) for k in range(Grid.SPLITS)]))
    assert images(checked(Grid, memory, split_id=9)) == [250, 125, 900]
    assert images(checked(Grid, memory, train_on="all")) == [500, 0, 0]


def test_ilids(memory):
    touch(memory / "Persons", [f"{p:04}{k + 1:03}.jpg" for p, n in enumerate(spread(476, 119, 2)) for k in range(n)])
    assert images(checked(Ilids, memory, split_id=9)) == [59 * 4, 60, 60]
    assert images(checked(Ilids, memory, train_on="all")) == [476, 0, 0]


@pytest.mark.parametrize(("val", "hidden"), [("reid_val", "reid_test"), ("reid_test", "reid_challenge")])
def test_synergy_sports(memory, val, hidden):
    touch(
        memory / "data_reid",
        [
            *(f"reid_training/{p:04}_{p:04}_{f:04}.jpeg" for p, n in enumerate(spread(8569, 436)) for f in range(n)),
            *(f"{val}/query/{p:04}_{p:04}_0000.jpeg" for p in range(436, 486)),
            *(f"{val}/gallery/{p:04}_{p:04}_{f:04}.jpeg" for p, n in enumerate(spread(910, 50), 436) for f in range(1, n + 1)),
            *(f"{hidden}/query/{number}.jpeg" for number in range(468)),
            *(f"{hidden}/gallery/{number}.jpeg" for number in range(468, 468 + 8703)),
        ],
    )  # fmt: skip
    assert images(checked(SynergySports, memory)) == [8569, 50, 910]
    assert images(checked(SynergySports, memory, train_on="trainval", test_on=None)) == [9529, 0, 0]
    query, gallery = hidden_test(memory)
    assert (len(query), len(gallery)) == (468, 8703)
    assert gallery[-1].name == "9170.jpeg"


@pytest.mark.parametrize("folders", [("train", "test"), ("mask_train_v2", "mask_test_v2")])
def test_msmt17(memory, folders):
    for folder in folders:
        (memory / folder).mkdir()
    lists = {"train": (30000, 1041), "val": (2621, 1041), "query": (11659, 3060), "gallery": (82161, 3060)}
    for name, (total, persons) in lists.items():
        lines = [
            f"{p:04}/{p:04}_{k:03}_{1 + k % 15:02}_0303morning_{k:04}_0.jpg {p}"
            for p, n in enumerate(spread(total, persons))
            for k in range(n)
        ]
        (memory / f"list_{name}.txt").write_text("\n".join(lines) + "\n")
    split = checked(MSMT17, memory)
    assert images(split) == [30000, 11659, 82161]
    assert {shot.person_id for shot in split.shots} == set(range(4101))
    assert {shot.camera_id for shot in split.gallery} == set(range(15))
    assert images(checked(MSMT17, memory, train_on="trainval")) == [32621, 11659, 82161]


def test_vehicleid(memory):
    (memory / "image").mkdir()
    (memory / "train_test_split").mkdir()
    test = [f"{100 * v + k:07} {v}" for v, n in enumerate(spread(TESTED[800], 800), 20000) for k in range(n)]
    for name, lines in (("train_list", ["0000001 1"]), ("test_list_800", test)):  # 113,346 training lines take a while
        (memory / "train_test_split" / f"{name}.txt").write_text("\n".join(lines))
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=2, workers=0)
    data = VehicleID(root=memory, transform=transform, sampler=ShuffleSampler, loader=loader)
    data.split = data.read()
    assert [images(view.split)[1:] for view in data.tests()] == [[5693, 800]] * 10
    assert [view.whole() for view in data.tests()] == [True] * 10


def test_counts_in_words():
    shots = [Shot(path=Path(f"{n}.jpg"), person_id=n, camera_id=n % 2) for n in (-1, 0, 1)]
    assert count(shots) == Count(images=3, persons=2, cameras=2, junk=1)
    assert str(count(shots)) == "3 images (1 junk), 2 persons, 2 cameras"
    assert str(Count(images=3, persons=2)) == "3 images, 2 persons"
    assert str(count(shots[1:2])) == "1 image, 1 person, 1 camera"


def made_up(right, camera):
    """As many shots of as many persons as were counted."""
    return tuple(
        Shot(Path(f"{camera}/{n}.jpg"), person_id=min(n, right.persons - 1), camera_id=camera)
        for n in range(right.images)
    )


@pytest.mark.parametrize("kind", [SynergySports, CUHK03, MSMT17, Market1501])
def test_a_cut_copy_is_not_whole(kind, tmp_path):
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=2, workers=0)
    data = kind(root=tmp_path, transform=transform, sampler=ShuffleSampler, loader=loader)
    official = data.official()
    query, gallery = (made_up(official[role], camera) for camera, role in enumerate(("query", "gallery")))
    for shown, answer in (
        ((query, gallery), True),
        ((query[:3], gallery), False),
        ((query, gallery[:-1]), False),
        ((query, (*gallery, gallery[0])), False),
        ((query, gallery[:-2] + gallery[:2]), official["gallery"].images - official["gallery"].persons > 1),
    ):
        data.split = Split(name="cut", train=(), query=shown[0], gallery=shown[1])
        assert data.whole() is answer


def test_a_test_that_nobody_counted_is_neither_whole_nor_cut(tmp_path):
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=2, workers=0)
    data = CUHK03(root=tmp_path, transform=transform, sampler=ShuffleSampler, loader=loader, protocol="classic")
    data.split = Split(name="cuhk03", train=(), query=made_up(Count(images=9, persons=3), 0), gallery=())
    assert data.whole() is None
