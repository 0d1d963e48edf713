"""What a run looks for, by the names in its config alone."""

import pytest

from reid_lit.run.composing import composed
from reid_lit.run.presence import missing_roots


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("REID_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["dataset=market1501"], ["Market-1501-v15.09.15"]),
        (["dataset=synthetic"], []),
        (["dataset=synthetic", "test_on=[viper,{dataset: ward, root: /nowhere/w}]"], ["viper", "ward"]),
        (["+experiment=duke_to_market_arn"], ["dukemtmc", "market1501"]),
        (["+experiment=plaza_to_campus_arn"], []),
        (["dataset=joint", "dataset.members=[market1501,synthetic]"], ["market1501"]),
        (["dataset=csv", "dataset.root=/nowhere/a.csv"], ["a.csv"]),
    ],
)
def test_what_is_not_there(root, words, names):
    assert sorted(missing_roots(composed(tuple(words)))) == names


def test_what_is_there_is_not_missing(root):
    (root / "Market-1501-v15.09.15").mkdir()
    assert not missing_roots(composed(("dataset=market1501",)))
    assert missing_roots(composed(("dataset=market1501", f"data_root={root}/other")))


def test_generated_images_that_are_not_made_yet_are_missing(root):
    words = ("dataset.fakes=bounding_box_train_camstyle", "dataset.size=tiny")
    assert list(missing_roots(composed(words))) == ["dataset.fakes"]
    (root / "synthetic" / "plaza-tiny-0" / "bounding_box_train_camstyle").mkdir(parents=True)
    assert not missing_roots(composed(words))
    assert list(missing_roots(composed((words[0], "dataset=market1501")))) == ["Market-1501-v15.09.15"]
