import re

import pytest

from reid_lit.data.sets import csv_file
from reid_lit.data.sets.camera_names import names_camera
from reid_lit.data.sets.drafting import draft
from reid_lit.data.sets.guessing import guess
from reid_lit.data.sets.person_folders import read

CHOICE = {"train_fraction": 0.5, "val_fraction": 0.0, "split_seed": 0}


def shelves(first, second, images=2):
    return [f"{one}/{two}/{k}.jpg" for one in first for two in second for k in range(images)]


FOURS = [f"{k:04d}" for k in range(4)]
CAMERA_FIRST = {
    "by names": shelves(["cam1", "cam2", "cam3", "cam4", "cam5"], ["0001", "0002"]),
    "by places": shelves(["entrance", "hall-2"], ["7", "8"]),
    "by numbers": shelves(["a", "b", "d"], FOURS),
    "not all by all": [name for name in shelves(["a", "b", "d"], FOURS) if name[:6] not in ("a/0000", "b/0001")],
    "split": [f"{part}/{name}" for part, ids in (("train", "12"), ("query", "34"), ("gallery", "34")) for name in shelves(["c1", "c2"], ids)],
}  # fmt: skip


@pytest.mark.parametrize("case", CAMERA_FIRST)
def test_cameras_are_not_read_as_persons(plant, tmp_path, case):
    root = plant(tmp_path, CAMERA_FIRST[case])
    with pytest.raises(ValueError, match=r"read as person/camera/image: .*; dataset\.layout=camera/person/image reads"):
        read(root)
    split = read(root, layout="camera/person/image")
    second, first = ({name.split("/")[place] for name in CAMERA_FIRST[case]} for place in (-2, -3))
    assert {shot.person_id for shot in split.shots} == set(range(1, len(second) + 1))
    assert {shot.camera_id for shot in split.shots} == set(range(len(first)))
    assert all(shot.path.parents[1].name == sorted(first)[shot.camera_id] for shot in split.shots)
    if case != "split":
        assert read(root, layout="person/camera/image").shots  # who says so is believed


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["ann", "bob"], ["cam1", "cam2", "cam3"]),
        (FOURS, ["1", "2", "3"]),
        (["1", "2", "3", "4"], ["1", "2", "3", "4"]),
    ],
)
def test_persons_are_persons(plant, tmp_path, first, second):
    assert {shot.person_id for shot in read(plant(tmp_path, shelves(first, second))).shots} == set(
        range(1, len(first) + 1)
    )


def test_tracks_of_persons_are_no_cameras(plant, tmp_path):
    assert read(
        plant(tmp_path, [f"{p}/{p}{track}/{k}.jpg" for p in "ab" for track in range(5) for k in range(2)])
    ).shots


def test_folders_of_cameras_alone(plant, tmp_path):
    root = plant(tmp_path, [f"cam{camera}/{k}.jpg" for camera in (1, 2) for k in range(3)])
    with pytest.raises(
        ValueError, match=r"read as person/image: its 2 folders have the names of cameras: cam1, cam2; "
    ):
        read(root)
    split = read(root, layout="camera/image")
    assert [(shot.person_id, shot.camera_id) for shot in split.train] == [(-1, 0)] * 3 + [(-1, 1)] * 3
    assert (split.query, split.gallery) == ((), ())
    assert {shot.camera_id for shot in read(root, layout="image").train} == {0}


def test_init_says_which_pattern_reads_it(plant, tmp_path):
    root = plant(tmp_path, CAMERA_FIRST["by names"])
    with pytest.raises(ValueError, match="names of the persons are those of cameras") as error:
        draft(root, root / "reid.csv", pattern=None, **CHOICE)
    pattern = re.search(r"""'pattern="(.*?)"'""", str(error.value))[1]
    made = draft(root, root / "reid.csv", pattern=pattern, **CHOICE)
    assert {(person, camera[:3]) for _, person, camera, _ in made.rows} == {("0001", "cam"), ("0002", "cam")}


def test_a_pattern_or_a_list_that_swaps_them_is_refused(plant, tmp_path):
    root = plant(
        tmp_path, [f"c{camera}_{person:03d}_{k}.jpg" for camera in (1, 2) for person in range(4) for k in (0, 1)]
    )
    swapped = r"(^|/)(?P<person>[^/_]+)_(?P<camera>[^/_]+)_[^/]*$"
    with pytest.raises(ValueError, match=r"2 persons \(c1, c2\) by 4 cameras .* swap the groups"):
        draft(root, root / "reid.csv", pattern=swapped, **CHOICE)
    rows = [f"{file.name},{file.name[:2]},{file.name[3:6]}" for file in sorted(root.glob("*.jpg"))]
    (root / "reid.csv").write_text("\n".join(["path,person,camera", *rows]))
    with pytest.raises(ValueError, match="swap the names of the columns 'person' and 'camera'"):
        csv_file.read(root)


NAMES = {
    "camera first": ([f"c{c}_{p:03d}_{k}.png" for c in (1, 2) for p in range(5) for k in (0, 1)], "001", "c1"),
    "words": ([f"cam0{c}_person{p}_frame{k}.jpg" for c in (1, 2) for p in range(5) for k in (0, 1)], "person1", "cam01"),
    "a word": ([f"person_{p:03d}_{k}.jpg" for p in range(5) for k in range(3)], "001", None),
    "numbers": ([f"{c}-{p:03d}-{k}.jpg" for c in (1, 2) for p in range(5) for k in (0, 1)], "001", "1"),
    "camera last": ([f"{p:03d}_{k}_cam{c}.jpg" for c in (1, 2) for p in range(5) for k in (0, 1)], "001", "cam1"),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMES)
def test_a_proposal_follows_what_names_say(plant, tmp_path, case):
    names, person, camera = NAMES[case]
    pattern = guess(names)
    found = {tuple(re.search(pattern, name).groupdict().get(key) for key in ("person", "camera")) for name in names}
    assert (person, camera) in found
    assert len({each[0] for each in found}) == 5
    with pytest.raises(ValueError, match=r"which gives 5 persons.*\(\S+: person \S+.*; \S+: .*; \S+: ") as error:
        draft(plant(tmp_path, names), tmp_path / "reid.csv", pattern=None, **CHOICE)
    assert pattern in str(error.value)


def test_words_of_cameras():
    assert all(map(names_camera, ["c1", "C10", "cam_a", "Camera 3", "cctv", "entrance", "Hall2", "gate_b", "ch02"]))
    assert not any(map(names_camera, ["p1", "carl", "cameron", "0001", "c", "lefty", "c1_person", "doortje"]))


def test_names_of_another_set_in_market_1501s_folders_are_pointed_at_init(plant, tmp_path, market_data, market):
    plant(market / "bounding_box_train", ["0002_c10s1_000001_01.jpg"])
    with pytest.raises(
        ValueError, match=r"1 of 8 .* not named like .*: python -m reid_lit\.init folder=\S+ makes a list"
    ):
        market_data().read()
    assert draft(market, market / "reid.csv", pattern=None, **CHOICE).rows
