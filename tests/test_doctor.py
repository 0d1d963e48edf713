"""The doctor as a command."""

import json
import shutil

import pytest


@pytest.fixture
def plaza(drawn, tmp_path):
    """A copy of the drawn set, which is laid out like Market-1501."""
    return shutil.copytree(drawn / "synthetic" / "plaza-tiny-0", tmp_path / "copy of plaza")


def doctor(command, *arguments, cwd, check=False, **environment):
    return command(*arguments, cwd=cwd, module="reid_lit.doctor", check=check, environment=environment)


@pytest.mark.slow
def test_a_sound_set_ends_with_0_and_leaves_nothing_behind(command, drawn, tmp_path):
    (tmp_path / "here").mkdir()
    done = doctor(command, "dataset.size=tiny", f"data_root={drawn}", cwd=tmp_path / "here", check=True)
    assert "nothing is wrong" in done.stdout
    for word in ("cameras per person", "torch", "gpu", "bf16-mixed", "faiss", "wandb", "resnet50"):
        assert word in done.stdout
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.slow
def test_findings_end_with_1_in_a_table_and_in_json(command, plaza, tmp_path):
    victim = sorted(plaza.glob("bounding_box_train/*.jpg"))[0]
    victim.write_bytes(b"<html></html>")
    (plaza / "query").rename(plaza / "bounding_box_test" / "query")
    # the root holds a space, for Hydra and for the shell
    root = f'dataset.root="{plaza}"'
    done = doctor(command, "dataset=market1501", root, "json=found.json", cwd=tmp_path, COLUMNS="80")
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert f"mv '{plaza}/bounding_box_test/query' '{plaza}/query'" in done.stdout
    (data_set,) = json.loads((tmp_path / "found.json").read_text())["data_sets"]
    kinds = [finding["kind"] for finding in data_set["findings"]]
    assert kinds == ["misplaced folder", "counts", "counts", "not an image"]
    assert data_set["findings"][-1]["examples"] == [victim.name]
    assert data_set["findings"][-1]["place"] == str(victim.parent)


@pytest.mark.slow
def test_the_files_of_another_data_set_are_recognised(command, plaza, tmp_path):
    done = doctor(command, "dataset=dukemtmc", f'dataset.root="{plaza}"', cwd=tmp_path)
    assert done.returncode == 1
    assert "market1501, by 196" in done.stdout
    assert f"""dataset=market1501 'dataset.root="{plaza}"'""" in done.stdout
