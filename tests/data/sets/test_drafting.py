import csv
import io
import subprocess
import sys

import pytest

from reid_lit.data.sets import csv_file, person_folders
from reid_lit.data.sets.drafting import draft

CHOICE = {"pattern": None, "train_fraction": 0.5, "val_fraction": 0.0, "split_seed": 3}


def nested(persons, cameras=("door", "hall"), images=2):
    return [f"{person}/{camera}/{number}.jpg" for person in persons for camera in cameras for number in range(images)]


def flat(persons, images=3):
    return [f"{person}/{number}.png" for person in persons for number in range(images)]


def lists(split):
    return split.train, split.query, split.gallery


def rows(made):
    return list(csv.DictReader(io.StringIO(made.text())))


READY = [
    *(f"train/{name}" for name in nested("ab")),
    *(f"query/{name}" for name in nested("cd", images=1)),
    *(f"gallery/{name}" for name in nested("cde")),
]
LAYOUTS = {
    "person/camera/image": [*nested(["Zoë, 2", "10", "9", "b"]), "-1/door/x.jpg", "lone/hall/1.jpg"],
    "person/image": flat(["anna", "ben", 'the "boss"', "carl"]),
    "whole numbers": flat(["1", "2", "10", "20"]),
    "ready made": READY,
}
LAYOUTS["ready made with validation"] = [*READY, *(f"val/{name}" for name in nested("vw"))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_list_is_the_same_data_set_as_its_folder(plant, tmp_path, layout, seed):
    root = plant(tmp_path, LAYOUTS[layout])
    made = draft(root, root / "reid.csv", **CHOICE | {"split_seed": seed})
    (root / "reid.csv").write_text(made.text(), encoding="utf-8")
    listed, straight = csv_file.read(root), person_folders.read(root, split_seed=seed)
    assert lists(listed) == lists(straight)
    assert (listed.validation and lists(listed.validation)) == (straight.validation and lists(straight.validation))
    assert len(made.rows) == len(LAYOUTS[layout])


def test_no_camera_no_column(plant, tmp_path):
    made = draft(plant(tmp_path, flat("ab")), tmp_path / "reid.csv", **CHOICE)
    assert made.text().splitlines()[0] == "path,person,split"


def test_validation_persons_are_others_and_training_persons_stay(plant, tmp_path):
    root = plant(tmp_path, nested("abcdefghij"))
    plain, held = (
        rows(draft(root, root / "reid.csv", **CHOICE | {"val_fraction": fraction})) for fraction in (0.0, 0.3)
    )
    persons = {
        word: {row["person"] for row in held if row["split"] in word.split()}
        for word in ("train", "val", "query gallery")
    }
    assert {word: len(each) for word, each in persons.items()} == {"train": 5, "val": 3, "query gallery": 2}
    assert len(set.union(*persons.values())) == 10
    assert persons["train"] == {row["person"] for row in plain if row["split"] == "train"}


NAMES = {
    "Market": [
        f"{person:04d}_c{camera}s1_{k:06d}_00.jpg" for person in (2, 7, 11) for camera in (1, 2) for k in range(2)
    ],
    "Duke": [f"{person:04d}_c{camera}_f{k:07d}.jpg" for person in (2, 7, 11) for camera in (1, 2) for k in range(2)],
    "WARD": [f"{person:04d}{camera:04d}{k:04d}.png" for person in (2, 7, 11) for camera in (1, 2) for k in range(2)],
}


@pytest.mark.parametrize("manner", NAMES)
def test_known_names_in_a_flat_folder(plant, tmp_path, manner):
    root = plant(tmp_path, NAMES[manner])
    (root / "notes.txt").write_text("no image")
    made = draft(root, root / "reid.csv", **CHOICE)
    assert {(row["path"], int(row["person"]), int(row["camera"])) for row in rows(made)} == {
        (name, person, camera)
        for name, (person, camera) in zip(
            NAMES[manner], [(p, c) for p in (2, 7, 11) for c in (1, 2) for _ in range(2)], strict=True
        )
    }
    assert any("by file names" in note for note in made.notes)
    assert made.others == {".txt": 1}


def test_market_1501s_own_folders(market):
    made = draft(market, market / "reid.csv", **CHOICE)
    (market / "reid.csv").write_text(made.text())
    split = csv_file.read(market)
    assert [len(shots) for shots in lists(split)] == [7, 3, 5]
    assert sum(shot.person_id == -1 for shot in split.gallery) == 1


def test_a_pattern_reads_any_path(plant, tmp_path):
    root = plant(
        tmp_path, [f"day{day}/cam-{cam}/{who}.{day}{cam}.jpg" for day in "12" for cam in "ab" for who in ("jo", "li")]
    )
    made = draft(root, root / "reid.csv", **CHOICE | {"pattern": r"cam-(?P<camera>\w)/(?P<person>\w+)"})
    assert {(row["person"], row["camera"]) for row in rows(made)} == {
        ("jo", "a"),
        ("jo", "b"),
        ("li", "a"),
        ("li", "b"),
    }
    assert len(made.rows) == 8
    made = draft(root, root / "reid.csv", **CHOICE | {"pattern": r"(?P<person>\w+)\.\d"})
    assert "camera" not in rows(made)[0]


def test_a_list_elsewhere_has_absolute_paths(plant, tmp_path):
    root = plant(tmp_path / "crops", flat("ab"))
    made = draft(root, tmp_path / "lists" / "reid.csv", **CHOICE)
    assert {row["path"] for row in rows(made)} == {str(root / name) for name in flat("ab")}
    above = draft(root, tmp_path / "reid.csv", **CHOICE)
    assert {row["path"] for row in rows(above)} == {f"crops/{name}" for name in flat("ab")}


def test_file_names_that_seem_to_hold_cameras_are_pointed_at(plant, tmp_path):
    root = plant(tmp_path, [f"{name[:4]}/{name}" for name in NAMES["Market"]])
    made = draft(root, root / "reid.csv", **CHOICE)
    (hint,) = [note for note in made.notes if "pattern=" in note]
    pattern = hint.split('pattern="')[1].split('"')[0]
    assert {row["camera"] for row in rows(draft(root, root / "reid.csv", **CHOICE | {"pattern": pattern}))} == {
        "1",
        "2",
    }


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        (
            ["jo_c1_1.jpg", "jo_c1_2.jpg", "li_c2_1.jpg", "li_c2_2.jpg"],
            r"(^|/)(?P<person>[^/_]+)_(?P<camera>[^/_]+)_[^/]*$",
        ),
        (["jo-1.jpg", "jo-2.jpg", "li-1.jpg", "li-2.jpg"], r"(^|/)(?P<person>[^/-]+)-[^/]*$"),
        (["p12.jpg", "q12.jpg", "q13.jpg", "r13x.jpg"], r"(?P<person>\d+)[^/]*$"),
    ],
)
def test_unknown_names_are_shown_with_a_pattern_that_fits(plant, tmp_path, names, fits):
    root = plant(tmp_path, names)
    with pytest.raises(
        ValueError, match=r"4 images of .*, neither in folders of persons nor named in a known way"
    ) as error:
        draft(root, root / "reid.csv", **CHOICE)
    assert ", ".join(names[:3]) in str(error.value)
    assert f"""'pattern="{fits}"'""" in str(error.value)
    draft(root, root / "reid.csv", **CHOICE | {"pattern": fits})


ERRORS = {
    "odd name": ([*NAMES["Duke"], "cover.jpg"], {}, r"1 of 13 images in .* are not named like Market-1501's .*: cover\.jpg;"),
    "no fit": (["a/1.jpg", "b/x.jpg"], {"pattern": r"(?P<person>\w)/\d"}, r"1 of 2 images .* do not fit pattern=.*: b/x\.jpg"),
    "empty camera": (
        ["a/1.jpg", "b/x.jpg"], {"pattern": r"(?P<person>\w)/(?P<camera>\d*)"}, r"1 of 2 .*: b/x\.jpg; .* hold something"
    ),
    "no expression": ([], {"pattern": "(?P<person>"}, r"^pattern=.*: no regular expression"),
    "no person": ([], {"pattern": "(?P<camera>.)"}, r"its groups are camera; give \(\?P<person>"),
    "another group": ([], {"pattern": "(?P<person>.)(?P<frame>.)"}, "its groups are frame, person;"),
    "one person": (nested("a"), {}, r"holds 1 person \(a\)"),
    "two for three": (nested("ab"), {"val_fraction": 0.2}, r"holds 2 persons \(a, b\); a split needs 3"),
    "all train": (nested("ab"), {"train_fraction": 1.0}, r"^train_fraction=1\.0: outside"),
    "nobody tested": (nested("ab"), {"val_fraction": 0.5}, r"^val_fraction=0\.5: with train_fraction=0\.5, no person is left"),
    "half a split": (["train/a/1.jpg"], {}, r"has train/ but no query/, gallery/"),
    "images beside persons": (["a/1.jpg", "1.jpg"], {}, r"1 image is in .* itself, such as 1\.jpg"),
    "empty": ([], {}, "no image"),
    "empty, pattern": ([], {"pattern": "(?P<person>.)"}, "no image .* point folder= at the images"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors(plant, tmp_path, case):
    names, changes, message = ERRORS[case]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        draft(plant(tmp_path, names), tmp_path / "reid.csv", **CHOICE | changes)


def test_a_list_is_drafted_and_read_without_torch():
    """``init`` on a few images answers at once; torch, Lightning and OpenCV take seconds to import."""
    modules = (
        "reid_lit.data.sets.drafting",
        "reid_lit.data.sets.csv_file",
        "reid_lit.data.counts",
        "reid_lit.checkup.page",
    )
    code = (
        f"import sys, {', '.join(modules)}; print(sorted({{'torch', 'pytorch_lightning', 'cv2'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
