from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reid_lit.records import Shot
from reid_lit.run.lineage import Lineage, check_apart, inherited, read_lineage


def shots(*names):
    return tuple(Shot(Path(name), -1, 0) for name in names)


def started(**weights):
    return OmegaConf.create({part: {"weights": str(value)} for part, value in weights.items()})


def test_it_is_kept_whole_and_added_up_over_both_keys(tmp_path):
    first, second = Lineage(frozenset("ab"), frozenset("a")), Lineage(frozenset("c"), frozenset("c"))
    first.write(tmp_path / "first")
    second.write(tmp_path / "second")
    assert read_lineage(tmp_path / "first") == first
    config = started(model=tmp_path / "first", backbone=tmp_path / "second" / "checkpoints" / "last.ckpt")
    assert inherited(config) == Lineage(frozenset("abc"), frozenset("ac"))


def test_a_run_that_kept_no_labelled_list_has_read_all_labels_and_a_file_alone_tells_nothing(tmp_path):
    (tmp_path / "training_list.txt").write_text("/a.jpg\n")
    assert read_lineage(tmp_path) == Lineage(frozenset({"/a.jpg"}), frozenset({"/a.jpg"}))
    assert inherited(started(model="none", backbone="imagenet")) == Lineage()
    assert inherited(started(model=tmp_path / "nowhere" / "w.safetensors")) == Lineage()


def test_a_target_whose_persons_are_known_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = frozenset({f"{tmp_path}/a.jpg", f"{tmp_path}/b.jpg"})
    with pytest.raises(ValueError, match=r"1 of the 2 training images of campus.*b\.jpg.*set another target"):
        check_apart(shots("b.jpg", "c.jpg"), known, name="campus")
    check_apart(shots("c.jpg"), known, name="campus")
    check_apart((), known, name="campus")
