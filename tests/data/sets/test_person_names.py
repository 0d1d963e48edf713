import unicodedata

import pytest

from reid_lit.data.sets import csv_file, person_folders
from reid_lit.data.sets.drafting import draft
from reid_lit.data.sets.person_names import means_nobody

CHOICE = {"pattern": None, "train_fraction": 0.5, "val_fraction": 0.0, "split_seed": 0}


def crops(persons, cameras=("c1", "c2"), images=2):
    return [f"{person}/{camera}/{k}.jpg" for person in persons for camera in cameras for k in range(images)]


@pytest.mark.parametrize(
    "name", ["unknown", "Unknown", "NaN", "none", "N/A", "n.a.", "<NA>", "?", "??", "", "-", "-2", "-1.0"]
)
def test_nobody(name):
    assert means_nobody(name)


@pytest.mark.parametrize("name", ["0", "0000", "1", "Nancy", "Noa", "unknown_soldier", "no7", "Ø", "张三", "-x1"])
def test_somebody(name):
    assert not means_nobody(name)


@pytest.mark.parametrize("name", ["unknown", "nan", "-2"])
def test_a_name_that_means_nobody_is_never_a_person(plant, tmp_path, name):
    root = plant(tmp_path, crops(["ann", "bob", "cho", name]))
    with pytest.raises(ValueError, match=rf"1 person of .* means nobody: '{name}' \(4 images\); dataset\.junk=\[-1,"):
        person_folders.read(root)
    with pytest.raises(ValueError, match="means nobody"):
        draft(root, root / "reid.csv", **CHOICE)


def test_names_of_junk_are_junk_in_folders_lists_and_drafts(plant, tmp_path):
    root = plant(tmp_path, crops(["ann", "bob", "cho", "unknown", "-1"]))
    split = person_folders.read(root, junk=[-1, "unknown"])
    assert sum(shot.person_id == -1 for shot in split.gallery) == 8
    assert {shot.person_id for shot in split.shots} == {-1, 1, 2, 3}
    assert "junk: 4 images of person 'unknown', which dataset.junk names" in split.notes
    made = draft(root, root / "reid.csv", **CHOICE, junk=[-1, "unknown"])
    assert sum(person == "-1" for _, person, _, _ in made.rows) == 8
    rows = [
        "path,person,camera",
        *(f"{name},{','.join(name.split('/')[:2])}" for name in crops(["ann", "bob", "unknown"])),
    ]
    (root / "reid.csv").write_text("\n".join(rows))
    assert sum(shot.person_id == -1 for shot in csv_file.read(root, junk=["unknown"]).shots) == 4


def test_two_forms_of_a_name_are_one_person(plant, tmp_path):
    composed, apart = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    names = ["train/ann/c1/0.jpg", *(f"query/{apart}/c1/{k}.jpg" for k in (0, 1)), f"gallery/{composed}/c2/0.jpg"]
    split = person_folders.read(plant(tmp_path, names))
    assert {shot.person_id for shot in split.query} == {shot.person_id for shot in split.gallery}
    assert any("1 person name in two forms of Unicode" in note and composed in note for note in split.notes)


def test_a_path_in_the_other_form_is_found(plant, tmp_path):
    names = [f"{unicodedata.normalize('NFD', 'é')}{k}.jpg" for k in range(4)]
    root = plant(tmp_path, names)
    rows = [f"{unicodedata.normalize('NFC', name)},{'ab'[k // 2]}" for k, name in enumerate(names)]
    (root / "reid.csv").write_text("\n".join(["path,person", *rows]), encoding="utf-8")
    assert {shot.path.name for shot in csv_file.read(root).shots} == set(names)


def test_a_list_of_names_that_are_no_text_is_refused_with_a_cure(plant, tmp_path):
    root = plant(tmp_path, [*crops("ab"), "c/c1/caf\udce9.jpg"])
    with pytest.raises(
        ValueError, match=r"1 of 9 files in .* not UTF-8: c/c1/caf\\xe9\.jpg; convmv -r -f latin1"
    ) as error:
        draft(root, root / "reid.csv", **CHOICE)
    assert str(error.value).encode()
