import json
import threading

import cv2
import pytest

from reid_lit.synthetic import write as module
from reid_lit.synthetic.plan import FOLDERS, counts, plan
from reid_lit.synthetic.write import RECORD, write


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write(tmp_path_factory.mktemp("synthetic") / "tiny", size="tiny")


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.glob("*/*")}


def test_the_set_is_the_plan(tiny):
    assert {path.name for path in tiny.iterdir()} == {*FOLDERS, RECORD}
    drawings = plan("plaza", "tiny")
    assert set(contents(tiny)) == {f"{drawing.folder}/{drawing.name}" for drawing in drawings}
    assert json.loads((tiny / RECORD).read_text())["counts"] == counts(drawings)


def test_all_images_decode_to_the_size_of_market(tiny):
    for path in tiny.glob("*/*.jpg"):
        assert cv2.imread(str(path)).shape == (128, 64, 3)


def test_two_workers_draw_the_same_bytes(tiny, tmp_path):
    calls = []
    root = write(tmp_path / "set", size="tiny", workers=2, progress=lambda *call: calls.append(call))
    assert contents(root) == contents(tiny)
    total = len(contents(tiny))
    assert calls[-1] == (total, total)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_another_seed_and_another_world_draw_another_set(tiny, tmp_path):
    seed = contents(write(tmp_path / "seed", size="tiny", seed=1))
    world = contents(write(tmp_path / "world", size="tiny", world="campus"))
    assert not set(contents(tiny).values()) & set(seed.values())
    assert not set(contents(tiny).values()) & set(world.values())


def test_an_identical_set_returns_at_once(tiny, monkeypatch):
    monkeypatch.setattr(module, "draw", None)
    assert write(tiny, size="tiny") == tiny


@pytest.mark.parametrize("change", [{"seed": 1}, {"world": "campus"}, {"size": "small"}])
def test_another_set_is_left_alone(tiny, change):
    with pytest.raises(FileExistsError, match=r'holds the set \{"world": "plaza".*give another root'):
        write(tiny, **{"size": "tiny", **change})


def test_an_older_version_is_left_alone(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    (root / RECORD).write_text(json.dumps({"world": "plaza", "size": "tiny", "seed": 0, "version": 0}))
    with pytest.raises(FileExistsError, match='"version": 0'):
        write(root, size="tiny")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="no finished synthetic set"):
        write(tmp_path, size="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_failed_run_leaves_nothing(tmp_path, monkeypatch):
    drawn = []

    def fails(*arguments):
        drawn.append(arguments)
        if len(drawn) > 20:
            raise MemoryError
        return original(*arguments)

    original = module.draw
    monkeypatch.setattr(module, "draw", fails)
    with pytest.raises(MemoryError):
        write(tmp_path / "set", size="tiny")
    assert not list(tmp_path.iterdir())


def test_a_failed_worker_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "plan", lambda *_: plan("plaza", "tiny"))
    with pytest.raises(RuntimeError, match="huge"):
        write(tmp_path / "set", size="huge", workers=2)
    assert not list(tmp_path.iterdir())


def test_two_at_once_both_return(tiny, tmp_path):
    root, results = tmp_path / "set", []
    threads = [threading.Thread(target=lambda: results.append(write(root, size="tiny"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [root, root]
    assert contents(root) == contents(tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_no_workers_draw_nothing(tmp_path):
    with pytest.raises(ValueError, match="workers=0"):
        write(tmp_path / "set", workers=0)
