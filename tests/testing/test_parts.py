"""A model of parts is embedded, scored and loaded like any other, its parts before their reductions too."""

import json

import numpy as np
import pytest
import torch

import reid_lit
from reid_lit.testing.embeddings_file import read


@pytest.fixture(scope="module")
def run(command, drawn, tmp_path_factory):
    """A finished PCB of three stripes, tested by its stripes before their reduction."""
    place = tmp_path_factory.mktemp("parts")
    command(
        "+experiment=synthetic_pcb", "dataset.size=tiny", f"data_root={drawn}", "transform.size=[48,16]", "model.pool.stripes=3",
        "sampler.persons=4", "loader.batch_size=16", "machine.workers=0", "trainer.max_epochs=1", "evaluation.feature=pooled",
        "hydra.run.dir=run", cwd=place,
    )  # fmt: skip
    return place / "run"


def scores(folder):
    (row,) = json.loads((folder / "metrics.json").read_text())["results"]
    return row["scores"], row["stamp"]["feature"]


def test_a_file_of_pooled_parts_scores_as_the_run_did(run, command):
    command(f"run={run}", "file=e.safetensors", cwd=run.parent, module="reid_lit.embed")
    file = read(run.parent / "e.safetensors")
    parts = file.embedding["query"].unflatten(1, (3, 512))
    torch.testing.assert_close(parts.norm(dim=-1), torch.ones(parts.shape[:2]))
    command("embeddings=e.safetensors", "hydra.run.dir=again", cwd=run.parent, module="reid_lit.evaluate")
    again, feature = scores(run.parent / "again")
    assert feature == "pooled"
    assert again == pytest.approx(scores(run)[0])


def test_it_is_loaded_and_gives_the_parts_of_an_image(run):
    embed = reid_lit.load(run)
    (row,) = embed(np.full((48, 16, 3), 90, np.uint8), color="rgb")
    assert embed.origin.feature == "pooled"
    assert row.unflatten(0, (3, 512)).norm(dim=-1).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
