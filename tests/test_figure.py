"""The figures as a command."""

import json

import pytest
from PIL import Image

from reid_lit.run.near_names import near_names

OFFLINE = {"WANDB_MODE": "offline"}


def figure(command, *arguments, cwd, **options):
    return command(*arguments, cwd=cwd, module="reid_lit.figure", environment=OFFLINE, **options)


def test_a_figure_and_its_numbers_and_without_a_name_all_names(command, tmp_path):
    done = figure(command, "figure=learning_rate", "+experiment=market_strong", "output=a b", cwd=tmp_path)
    assert "a b has learning_rate.png and learning_rate.json" in done.stdout
    with Image.open(tmp_path / "a b" / "learning_rate.png") as picture:
        assert picture.width > 600
    assert len(json.loads((tmp_path / "a b" / "learning_rate.json").read_text())["epoch"]) == 120
    assert [path.name for path in tmp_path.iterdir()] == ["a b"]
    done = figure(command, "+experiment=market_strong", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "no figure is chosen; give figure=<name>, of activation, erasing, features_2d, health, learning_rate, losses,"
    )
    line = "figure=normes: no 'normes'; did you mean norms"
    assert near_names(["figure=normes"], config_name="figure")[0].startswith(line)


def test_without_a_word_the_figures_are_listed(command, tmp_path):
    done = figure(command, cwd=tmp_path)
    listed = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  ")]
    assert [name for name, _ in listed] == [
        "activation", "erasing", "features_2d", "health", "learning_rate", "losses", "norms", "score_by_epoch", "scores",
        "table",
    ]  # fmt: skip
    assert dict(listed)["norms"].startswith("Strong Baseline, Fig. 11: norms of f_t and f_i")
    assert done.stdout.count("python -m reid_lit.figure figure=") == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_figures_of_a_run_and_in_wandb(command, tmp_path, drawn):
    tiny = [
        "+experiment=synthetic_strong", "loss=id_triplet", "dataset.size=tiny", f"data_root={drawn}", "trainer.max_epochs=3",
        "scheduler.build.milestones=[2]", "transform.size=[32,16]", "transform.train.crop.pad=2", "sampler.persons=4",
        "loader.batch_size=16", "machine.workers=0", "dataset.val_persons=4", "trainer.log_every_n_steps=1",
    ]  # fmt: skip
    command(*tiny, "hydra.run.dir=run", cwd=tmp_path)
    done = figure(command, "figure=norms", "run=run", "logger=wandb", cwd=tmp_path)
    norms = json.loads((tmp_path / "figures" / "norms.json").read_text())
    assert norms["images"] == sum(norms["norms"]["f_i"]["images"])
    assert f"C.V. = σ/μ {norms['norms']['f_t']['variation']:.3f}" in done.stdout
    figure(command, "figure=losses", "runs=[run]", cwd=tmp_path)
    losses = json.loads((tmp_path / "figures" / "losses.json").read_text())
    assert losses["every"] == 1
    assert len(losses["losses"]["triplet"]["bnneck"]["loss"]) >= 3
    figure(command, "figure=score_by_epoch", "runs={Strong: run}", "logger=wandb", cwd=tmp_path)
    assert json.loads((tmp_path / "figures" / "score_by_epoch.json").read_text())["Strong"]["epoch"] == [1, 2, 3]
    sent = {path.name.rpartition("_0_")[0] for path in (tmp_path / "figures" / "wandb").rglob("*.png")}
    assert sent == {"norms", "score_by_epoch"}


@pytest.mark.slow
def test_all_necks_in_two_dimensions(command, tmp_path):
    done = figure(
        command, "figure=features_2d", "figure.digits={channels: [2, 4, 4], iterations: 6}", cwd=tmp_path
    )  # fmt: skip
    panels = json.loads((tmp_path / "figures" / "features_2d.json").read_text())["panels"]
    assert list(panels) == list("abcdefgh")
    assert all(len(panel["points"]) == 599 for panel in panels.values())
    assert panels["g"]["points"] != panels["h"]["points"]
    assert "h) bnneck, embedding: " in done.stdout
