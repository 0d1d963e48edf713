"""EmbAE's three stages as commands, from the plaza to the campus."""

import pytest
import torch

TINY = ("dataset.size=tiny", "transform.size=[32,16]", "loader.workers=0", "loader.batch_size=16", "~callbacks.pictures",
        "trainer.max_epochs=2")  # fmt: skip


def parts_that_differ(run, other):
    first, second = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (run, other)
    )
    return {key.partition(".")[0] for key in first.keys() & second.keys() if not torch.equal(first[key], second[key])}


@pytest.mark.slow
def test_each_stage_takes_up_the_one_before_and_two_ranks_train_the_last(command, drawn, tmp_path):
    def train(experiment, folder, *more):
        return command(
            f"+experiment={experiment}", *TINY, f"data_root={drawn}", f"hydra.run.dir={folder}", *more, cwd=tmp_path
        )

    train("synthetic_embae", "one", "sampler.persons=4", "test_on=[synthetic]")
    train("synthetic_embae_autoencoder", "two", "model.weights=one", "model.cameras=3")
    assert parts_that_differ(tmp_path / "one", tmp_path / "two") == set()
    ddp = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    train("synthetic_embae_cam", "three", "model.weights=two", "model.cameras=3", "model.nuisance_epochs=1", *ddp)
    assert parts_that_differ(tmp_path / "two", tmp_path / "three") == {"neck", "nuisance", "decoder"}
    assert (tmp_path / "three" / "metrics.json").is_file()
