"""Where the weights of one split lie, and of which split they are where none is named."""

import pytest
from omegaconf import OmegaConf

from reid_lit.errors import MissingFileError
from reid_lit.run.folder import Run
from reid_lit.run.split_rounds import trained_run
from reid_lit.testing.load import _trained


@pytest.fixture
def run(tmp_path):
    for split_id in (0, 2):
        folder = tmp_path / "run" / f"split_{split_id}" / "checkpoints"
        folder.mkdir(parents=True)
        (folder / "last.ckpt").touch()
    return tmp_path / "run"


def test_a_run_of_several_splits_asks_for_one_of_them(run):
    def found(**dataset):
        return trained_run(OmegaConf.create({"run": str(run), "dataset": dataset})).folder

    assert found(split_id=2) == run / "split_2"
    for dataset in ({}, {"split_id": None}, {"split_id": 1}):
        with pytest.raises(MissingFileError, match=r"run has weights for each split, of 0, 2, .* run=.*/split_0"):
            found(**dataset)


def test_the_test_of_a_split_has_the_weights_of_that_split(run, tmp_path):
    place = run / "evaluate" / "now" / "split_2"
    place.mkdir(parents=True)
    config = OmegaConf.create({"run": str(tmp_path / "moved")})
    assert _trained(Run(place), config).folder == run / "split_2"
    elsewhere = tmp_path / "out" / "split_0"
    elsewhere.mkdir(parents=True)
    assert _trained(Run(elsewhere), OmegaConf.create({"run": str(run)})).folder == run / "split_0"
