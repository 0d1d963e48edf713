import csv
import shutil
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from reid_lit.evaluation.distance import pairwise_distance
from reid_lit.evaluation.protocol import Protocol
from reid_lit.testing import hidden_distances

SMALL = [
    "transform.size=[64,32]",
    "loader.batch_size=8",
    "sampler.persons=2",
    "machine.workers=0",
    "trainer.log_every_n_steps=2",
]


@pytest.fixture
def challenge(drawn, tmp_path):
    """A small tree in the challenge's layout: 6 training persons, 3 validation persons, 4 hidden queries."""
    images = sorted((drawn / "synthetic" / "plaza-tiny-0").glob("bounding_box_train/*.jpg"))
    root = tmp_path / "data_reid"
    names = [f"reid_training/{p:04}_{p}_{f:02}.jpeg" for p in range(6) for f in range(6)]
    names += [f"reid_val/query/{p:04}_{p}_00.jpeg" for p in range(6, 9)]
    names += [f"reid_val/gallery/{p:04}_{p}_{f:02}.jpeg" for p in range(6, 9) for f in (1, 2)]
    names += [f"reid_test/query/{n}.jpeg" for n in (2, 10, 1, 30)]
    names += [f"reid_test/gallery/{n}.jpeg" for n in (11, 3, 5)]
    for image, name in zip(images * 3, names, strict=False):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, root / name)
    return root


@pytest.mark.slow
def test_the_challenges_file_holds_the_distances_of_the_hidden_test(command, challenge, tmp_path):
    command(
        "+experiment=synergy_stronger", "backbone=resnet18", "backbone.weights=none", "machine=cpu", "trainer=cpu", "trainer.precision=32-true",
        "trainer.max_epochs=1", f"dataset.root={challenge}", "hydra.run.dir=run", *SMALL, cwd=tmp_path,
    )  # fmt: skip
    done = command("run=run", "file=submission.csv", cwd=tmp_path, module="reid_lit.submission")
    assert "4 queries × 3 gallery images" in done.stdout
    with (tmp_path / "submission.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["", "3", "5", "11"]
    assert [row[0] for row in rows] == ["1", "2", "10", "30"]
    distances = torch.tensor([[float(value) for value in row[1:]] for row in rows])
    assert distances.shape == (4, 3)
    assert ((distances >= 0) & (distances <= 2)).all()  # cosine
    assert distances.unique().numel() > 3


def test_rows_are_queries_and_columns_the_gallery(tmp_path):
    from pathlib import Path

    from reid_lit.data.sets.synergy_submission import write

    distance = pairwise_distance(torch.eye(2), torch.eye(3)[:, :2])
    write(tmp_path / "a.csv", distance, (Path("7.jpg"), Path("8.jpg")), (Path("1.jpg"), Path("2.jpg"), Path("3.jpg")))
    assert (tmp_path / "a.csv").read_text().splitlines() == [",1,2,3", "7,0,1.41421,1", "8,1.41421,0,1"]


def test_the_hidden_test_has_no_tracks(monkeypatch):
    model = SimpleNamespace(evaluation=Protocol(tracks="mean"))
    monkeypatch.setattr(hidden_distances, "trained_model", lambda *_: model)
    with pytest.raises(ValueError, match="tracks=mean: the images of the hidden test have no tracks"):
        hidden_distances.hidden_distances(OmegaConf.create({"run": "run"}))
