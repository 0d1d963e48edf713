import random
from pathlib import Path

import pytest
from PIL import Image

from reid_lit.data.file_headers import files_of
from reid_lit.data.spread import spread
from reid_lit.data.statistics import Listing, distractors, lists_of, sides, statistics_of, to_json
from reid_lit.data.statistics_tables import tables
from reid_lit.records import Shot, Split


def drawn_shots(number, seed, persons=range(-1, 9)):
    generator = random.Random(seed)
    return tuple(
        Shot(Path(f"{seed}_{k}.jpg"), generator.choice(persons), generator.randrange(4)) for k in range(number)
    )


@pytest.mark.parametrize("seed", range(5))
def test_numbers_of_a_list_are_those_of_counting_one_by_one(seed):
    query, gallery = drawn_shots(6, seed, range(9)), drawn_shots(80, 100 + seed)
    strangers = []
    for shot in gallery:
        if shot.person_id != -1 and not any(asking.person_id == shot.person_id for asking in query):
            strangers.append(shot)
    assert distractors(query, gallery) == tuple(strangers)
    told = statistics_of(Listing(gallery, strangers), headers=0)
    assert told.distractors == len(strangers)
    assert (told.total.images, told.total.junk) == (80, sum(shot.person_id == -1 for shot in gallery))
    for camera in range(4):
        assert told.images_of_camera.get(camera, 0) == sum(shot.camera_id == camera for shot in gallery)
    asked = {shot.person_id for shot in query}
    assert set(told.images_of_person) == asked & {shot.person_id for shot in gallery}
    for person in told.images_of_person:
        own = [shot for shot in gallery if shot.person_id == person]
        assert told.images_of_person[person] == len(own)
        assert told.cameras_of_person[person] == len({shot.camera_id for shot in own})
    assert told.total.persons == len(asked & set(told.images_of_person)) + len({shot.person_id for shot in strangers})


def test_spread():
    assert spread([]) is None
    told = spread([4, 1, 2, 9])
    assert (told.minimum, told.median, told.mean, told.maximum) == (1, 3, 4, 9)


def test_every_list_is_named_and_all_holds_each_image_once():
    train, query, gallery, more = (drawn_shots(5, seed) for seed in range(4))
    split = Split("s", train, query, gallery)
    held = Split("v", (), more[:2], more[2:])
    lists = lists_of(split, held)
    assert list(lists) == ["train", "validation query", "validation gallery", "query", "gallery", "all"]
    assert len(lists["all"].shots) == 20
    assert lists["gallery"].strangers == distractors(query, gallery)
    assert (lists["train"].strangers, lists["query"].strangers) == (None, None)
    tests = (Split("one", (), query, gallery), Split("two", (), query, more))
    lists = lists_of(Split("s", train, (), (), tests=tests), None)
    assert list(lists) == ["train", "one query", "one gallery", "two query", "two gallery", "all"]
    assert len(lists["all"].shots) == 20


def test_sides_hold_each_list_once_without_strangers():
    query, gallery = drawn_shots(3, 0, [1]), drawn_shots(30, 1, range(4))
    held = Split("v", (), drawn_shots(2, 2, [5]), drawn_shots(2, 3, [5, 6]))
    shots = sides(lists_of(Split("s", drawn_shots(4, 4), query, gallery), held))
    assert shots["train"] == list(drawn_shots(4, 4))
    assert shots["test"] == [*query, *(shot for shot in gallery if shot.person_id == 1)]
    assert {shot.person_id for shot in shots["validation"]} == {5}


def test_tables_name_every_list_and_camera():
    lists = lists_of(Split("s", drawn_shots(9, 0), drawn_shots(5, 1, range(3)), drawn_shots(9, 2)), None)
    made = list(tables("s", {name: statistics_of(listing, headers=0) for name, listing in lists.items()}))
    for table in made[:3]:
        assert list(table.columns[0].cells) == ["train", "query", "gallery", "all"]
    assert list(made[0].columns[2].cells) == ["9", "5", "9", "23"]
    assert list(made[3].columns[0].cells) == ["c1", "c2", "c3", "c4"]
    assert sum(int(cell) for cell in made[3].columns[4].cells) == 23


@pytest.fixture
def files(tmp_path):
    """Nine images of rising size, the last a PNG, and one that is none."""
    paths = [tmp_path / f"{k}.{'png' if k == 8 else 'jpg'}" for k in range(9)]
    for k, path in enumerate(paths):
        Image.new("RGB", (10 + k, 20 + k)).save(path)
    (tmp_path / "x.jpg").write_bytes(b"<html>")
    return [*paths, tmp_path / "x.jpg"]


def test_files(files):
    told = files_of(files, most=100)
    assert told.sizes == tuple((20 + k, 10 + k) for k in range(9))
    assert (told.looked_at, told.unreadable, told.formats) == (10, 1, {"JPEG": 8, "PNG": 1})
    assert (told.height.minimum, told.height.median, told.height.maximum) == (20, 24, 28)
    assert (told.width.minimum, told.width.median, told.width.maximum) == (10, 14, 18)
    assert told.megabytes == sum(len(path.read_bytes()) for path in files) / 1e6


def test_of_many_files_an_even_choice_is_opened(files):
    told = files_of(files, most=3)
    assert told.looked_at == 3
    assert [height for height, _ in told.sizes] == [20, 23, 26]


def test_nothing_readable_and_nothing_at_all(files):
    told = files_of(files[-1:], most=5)
    assert (told.height, told.unreadable) == (None, 1)
    empty = to_json(statistics_of(Listing(()), headers=5))
    assert (empty["images"], empty["images_per_person"], empty["height"]) == (0, None, None)
