from pathlib import Path

import pytest

from reid_lit.models.predecessor import check_target
from reid_lit.records import Shot, Split


def target(*names):
    return Split(name="campus", train=tuple(Shot(Path(name), -1, 0) for name in names), query=(), gallery=())


@pytest.mark.parametrize("weights", ["run", "run/checkpoints/last.ckpt"])
def test_a_target_that_is_the_source_is_refused(tmp_path, monkeypatch, weights):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "training_list.txt").write_text(f"{tmp_path}/a.jpg\n{tmp_path}/b.jpg\n")
    with pytest.raises(ValueError, match=r"1 of the 2 training images of campus.*b\.jpg.*dataset=<another"):
        check_target(weights, target("b.jpg", "c.jpg"))
    check_target(weights, target("c.jpg"))


def test_where_nothing_is_known_of_the_source_nothing_is_refused(tmp_path):
    check_target(None, target("a.jpg"))
    check_target(str(tmp_path), target("a.jpg"))
