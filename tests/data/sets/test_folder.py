import pytest

from reid_lit.data.sets.person_folders import person_names, read


def nested(persons, cameras=("door", "hall"), images=3):
    return [f"{person}/{camera}/{number}.jpg" for person in persons for camera in cameras for number in range(images)]


def flat(persons, images=3):
    return [f"{person}/{number}.png" for person in persons for number in range(images)]


def test_person_camera_image(plant, tmp_path):
    split = read(plant(tmp_path, nested("abcd")))
    train, test = ({s.person_id for s in shots} for shots in (split.train, split.query + split.gallery))
    assert (len(train), len(test)) == (2, 2)
    assert train.isdisjoint(test)
    assert train | test == {1, 2, 3, 4}
    assert len(split.query) == 4
    assert len(split.gallery) == 8
    for shot in (*split.train, *split.query, *split.gallery):
        assert shot.camera_id == ("door", "hall").index(shot.path.parent.name)
        assert person_names(split)[shot.person_id] == shot.path.parents[1].name


def test_person_image_needs_the_rule_any_camera(plant, tmp_path):
    split = read(plant(tmp_path, flat(["zoe", "Ann", "Łukasz", "1"])))
    assert any("any_camera" in note for note in split.notes)
    assert len(split.query) == 2
    assert person_names(split) == {1: "1", 2: "Ann", 3: "zoe", 4: "Łukasz"}
    assert {shot.camera_id for shot in split.train} == {0}


def test_extensions_of_any_case_and_no_others(plant, tmp_path):
    names = [f"{person}/x.{ext}" for person in "ab" for ext in ("JPG", "jpeg", "png", "Bmp", "webp", "txt", "svg")]
    split = read(plant(tmp_path, names))
    assert len(split.train) == 5
    assert len(split.query + split.gallery) == 5


def test_ready_made(plant, tmp_path):
    names = [f"train/{name}" for name in nested("ab")] + [f"query/{name}" for name in nested("cd", images=1)]
    split = read(plant(tmp_path, [*names, *(f"gallery/{name}" for name in nested("cde", images=2))]))
    assert [len(shots) for shots in (split.train, split.query, split.gallery)] == [12, 4, 12]
    assert person_names(split) == dict(enumerate("abcde", start=1))


def test_ready_made_shares_no_person(plant, tmp_path):
    names = ["train/a/1.jpg", "train/b/1.jpg", "query/b/1.jpg", "gallery/b/2.jpg"]
    with pytest.raises(ValueError, match=r"1 person is in training .* b \(train/b/1\.jpg and query/b/1\.jpg\)"):
        read(plant(tmp_path, names))


def test_lone_image_is_a_distractor_in_testing(plant, tmp_path):
    plant(tmp_path, nested(["aa", "bb", "cc"]))
    plant(tmp_path, [f"lone{number}/door/1.jpg" for number in range(6)])
    split = read(tmp_path, train_fraction=0.2)
    lone = {shot.person_id for shot in split.gallery} - {shot.person_id for shot in split.query}
    assert f"distractors: {len(lone)} test persons with a single image" in split.notes
    assert lone


def test_fraction_and_seed(plant, tmp_path):
    root = plant(tmp_path, nested("abcdefghij"))
    assert len({s.person_id for s in read(root, train_fraction=0.7).train}) == 7
    assert len({s.person_id for s in read(root, train_fraction=0.999).train}) == 9
    assert len({s.person_id for s in read(root, train_fraction=0.001).train}) == 1
    assert len({frozenset(s.person_id for s in read(root, split_seed=seed).train) for seed in range(5)}) > 1


ERRORS = {
    "empty": ([], FileNotFoundError, "no image"),
    "no images": (["a/readme.txt"], FileNotFoundError, "no image"),
    "images at the top": (["a/1.jpg", "1.jpg"], ValueError, r"1 image is in .* itself, such as 1\.jpg"),
    "one person": (nested("a"), ValueError, r"holds 1 person \(a\)"),
    "mixed persons": (flat("a") + nested("b"), ValueError, r"mixes person/image \(a/0\.png\) and .* \(b/door/0\.jpg\)"),
    "mixed in a person": (flat("a") + nested("a"), ValueError, "mixes person/image"),
    "too deep": (["a/door/monday/1.jpg"], ValueError, "one folder too deep"),
    "no query": (["a/1.jpg", "b/1.jpg", "c/1.jpg"], ValueError, r"\d test persons? of .*, but none has two images"),
    "half a split": (["train/a/1.jpg", "query/b/1.jpg"], FileNotFoundError, "has train/ but no gallery/"),
    "train alone": (["train/a/1.jpg"], FileNotFoundError, "has train/ but no query/, gallery/"),
    "empty gallery": (
        ["train/a/1.jpg", "query/b/1.jpg", "gallery/b/1.txt"],
        FileNotFoundError,
        r"no image .* in .*gallery",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(plant, tmp_path, case):
    names, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        read(plant(tmp_path, names))


def test_missing_folder_and_fraction(plant, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"^train_fraction=1\.0: outside"):
        read(plant(tmp_path, nested("ab")), train_fraction=1.0)
