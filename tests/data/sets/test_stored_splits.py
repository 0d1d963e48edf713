"""The random splits that we stored: whose they are, and that nothing changes them."""

import importlib
import json

import pytest

from reid_lit.data.sets import stored_splits
from reid_lit.data.sets.stored_splits import SHA256, file_of, stored_split
from reid_lit.errors import InputError


@pytest.mark.parametrize("name", SHA256)
def test_what_is_stored_is_what_the_function_draws(name):
    content = json.loads(file_of(name).read_text())
    assert content["splits"] == importlib.import_module(f"reid_lit.data.sets.{name}").draw_splits()
    assert "draw_splits" in content["about"]
    assert len({json.dumps(split) for split in content["splits"]}) == stored_splits.SPLITS


@pytest.mark.parametrize("name", SHA256)
def test_a_note_says_that_they_are_ours(name):
    split, note = stored_split(name, 7)
    assert split == json.loads(file_of(name).read_text())["splits"][7]
    assert note.startswith(f"split 7 of the 10 stored ones ({name}_splits.json, SHA-256 {SHA256[name][:12]}")
    assert "drawn by us: the authors fixed none" in note


def test_a_changed_file_is_refused(monkeypatch, tmp_path):
    changed = tmp_path / "viper_splits.json"
    changed.write_text(file_of("viper").read_text().replace("[1, ", "[2, ", 1))
    monkeypatch.setattr(stored_splits, "file_of", lambda _: changed)
    with pytest.raises(
        InputError, match=rf"{changed}: its SHA-256 is .*, not {SHA256['viper'][:12]}.*; install reid_lit anew"
    ):
        stored_split("viper", 0)


@pytest.mark.parametrize("split_id", [10, -1])
def test_a_split_that_is_not_there_is_refused(split_id):
    with pytest.raises(InputError, match=rf"split_id={split_id!r}: unknown; choose one of 0, 1, 2, .*9"):
        stored_split("viper", split_id)
