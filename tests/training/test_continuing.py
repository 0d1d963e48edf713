"""Rates of trainings that go on, compared with schedules computed here."""

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from reid_lit.errors import InputError
from reid_lit.run.folder import Run, check_epochs
from reid_lit.training.once import train_once

SMALL = [
    "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[32,16]", "loader.batch_size=16",
    "machine.workers=0", "machine.progress_bar=false", "trainer.log_every_n_steps=1", "trainer.max_epochs=2", "~callbacks.pictures",
]  # fmt: skip
STEPS = 5  # of an epoch


@pytest.fixture(scope="module")
def two_epochs(command, drawn, tmp_path_factory):
    """Gives a copy of a run of two epochs by the cosine schedule."""
    place = tmp_path_factory.mktemp("two")
    command(*SMALL, f"data_root={drawn}", "hydra.run.dir=run", cwd=place)
    return place / "run"


def rates(folder, column="lr-SGD/head"):
    with (folder / "log" / "metrics.csv").open() as lines:
        return {int(row["step"]): float(row[column]) for row in csv.DictReader(lines) if row[column]}


def cosine(step, steps, peak=0.05, warm=0.1):
    rising = round(warm * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


def words_of(folder):
    return (folder / ".hydra" / "overrides.yaml").read_text(), (folder / "config.yaml").read_text()


def test_a_stretched_schedule_is_that_of_the_new_length_from_the_next_step_on(two_epochs, command, tmp_path):
    run = shutil.copytree(two_epochs, tmp_path / "run")
    done = command("resume=run", "trainer.max_epochs=4", "stretch=true", cwd=tmp_path)
    seen = rates(run)
    assert {*seen} == set(range(4 * STEPS))
    for step, rate in seen.items():
        assert rate == pytest.approx(cosine(step, (2 if step < 2 * STEPS else 4) * STEPS), rel=1e-9, abs=1e-12)
    assert "goes on after epoch 2 of 4, step 10; learning rate 0.02934, in place of the checkpoint's 0:" in (
        done.stdout + done.stderr
    )
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["epochs"], metrics["stretched"]) == (4, [{"after_epoch": 2, "max_epochs": 4}])
    command("resume=run", cwd=tmp_path)  # what is stretched goes on without being asked again
    assert json.loads((run / "metrics.json").read_text())["stretched"] == metrics["stretched"]
    assert json.loads((run / "metrics.json").read_text())["train_seconds"] == metrics["train_seconds"]


def test_what_is_refused_leaves_the_folder_as_it_was(two_epochs, command, tmp_path):
    run = shutil.copytree(two_epochs, tmp_path / "run")
    before = words_of(run)
    for words, told in (
        (["optimizer.lr=0.0001"], "optimizer.lr=0.0001 where the run has 0.05"),
        (["trainer.max_epochs=4"], "stretch=true"),
        (["trainer.max_epochs=1"], "2 epochs are done"),
        (["test_on=[{dataset: market1501, root: /nowhere/market}]"], "/nowhere/market"),
        (["dataset.root=/dev/null"], "/dev/null"),
    ):
        done = command("resume=run", *words, cwd=tmp_path, check=False)
        assert done.returncode == 1
        assert told in done.stderr
        assert "Traceback" not in done.stderr
        assert words_of(run) == before
    assert len(json.loads((run / "environment.json").read_text())) == 1


def test_a_checkpoint_of_another_length_is_not_gone_on_with(two_epochs, command, tmp_path):
    """Words of the folder that say more epochs than were trained for, as an older version left them."""
    run = shutil.copytree(two_epochs, tmp_path / "run")
    file = run / ".hydra" / "overrides.yaml"
    file.write_text(file.read_text().replace("max_epochs=2", "max_epochs=4"))
    done = command("resume=run", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert (
        "the checkpoint's learning rate is 0, and that of trainer.max_epochs=4 and this schedule would be 0.02934"
        in (done.stderr)
    )


@pytest.mark.slow
def test_steps_go_on_where_they_were(command, drawn, tmp_path):
    words = [*SMALL, f"data_root={drawn}", "scheduler=step", "scheduler.build.step_size=1", "scheduler.build.gamma=0.5"]
    command(*words, "hydra.run.dir=run", cwd=tmp_path)
    done = command("resume=run", "trainer.max_epochs=4", cwd=tmp_path)
    for step, rate in rates(tmp_path / "run").items():
        assert rate == pytest.approx(0.05 * 0.5 ** (step // STEPS), rel=1e-9)
    assert "goes on after epoch 2 of 4, step 10; learning rate 0.0125" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_schedule_of_torch_that_keeps_its_length_is_stretched_too(command, drawn, tmp_path):
    words = [
        "scheduler=constant", "~scheduler.build.factor", "~scheduler.build.total_iters",
        "scheduler.build._target_=torch.optim.lr_scheduler.CosineAnnealingLR", "+scheduler.build.T_max=${trainer.max_epochs}",
    ]  # fmt: skip
    command(*SMALL, *words, f"data_root={drawn}", "hydra.run.dir=run", cwd=tmp_path)
    command("resume=run", "trust=true", "trainer.max_epochs=4", "stretch=true", cwd=tmp_path)
    for step, rate in rates(tmp_path / "run").items():
        epoch, epochs = step // STEPS, 2 if step < 2 * STEPS else 4
        assert rate == pytest.approx(0.025 * (1 + math.cos(math.pi * epoch / epochs)), rel=1e-6)


GONE = "/nowhere/an_earlier_run"


@pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning",  # Lightning 2.6 with torch 2.15
    "ignore:.*does not have many workers",
    "ignore:Checkpoint directory .* exists",
)
def test_a_training_by_steps_continues_without_what_it_started_from(compose, drawn, caplog):
    words = [*SMALL[:-2], f"data_root={drawn}", "scheduler=constant", "test_on=null", "trainer.max_epochs=null"]
    words += ["dataset.val_persons=3", "trainer.check_val_every_n_epoch=2", "model.recipe.frozen_epochs=1"]
    words += ["trainer.limit_train_batches=2"]
    config = compose(*words, "+trainer.max_steps=2")
    run = Run(Path(config.run_dir))
    train_once(config, run)
    assert check_epochs(run, None, 2) is check_epochs(run, -1, 2) is False
    assert check_epochs(run, None, 3) is check_epochs(run, 2) is True
    kept = run.read_checkpoint()
    kept["callbacks"]["Clock"]["seconds"] += 1000
    torch.save(kept, run.checkpoint)
    caplog.set_level("INFO", "reid_lit")
    config = compose(*words, "+trainer.max_steps=6", f"resume={run.folder}", f"backbone.weights={GONE}")
    facts, _ = train_once(config, run)
    assert run.read_checkpoint()["global_step"] == 6
    assert 1000 < facts["train_seconds"] < 1100
    assert set(facts["validation"]) >= {"mAP", "rank1"}
    with run.log.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["epoch"], row["step"]) for row in rows if row["train/loss"]] == [
        (f"{k // 2}", f"{k}") for k in range(6)
    ]
    assert [row["epoch"] for row in rows if row["val/mAP"]] == ["1"]
    assert config.backbone.weights == GONE
    assert "goes on after epoch 1, step 2 of 6; learning rate 0.05" in caplog.text


def test_a_resumed_run_does_not_test_what_its_start_has_learnt_from(compose, drawn, tmp_path):
    run = Run(tmp_path / "run")
    run.checkpoint.parent.mkdir(parents=True)
    torch.save({"epoch": 0, "global_step": 5}, run.checkpoint)
    image = next((drawn / "synthetic" / "campus-tiny-0" / "query").glob("*.jpg"))
    (run.folder / "training_list.txt").write_text(f"{image}\n")
    words = [*SMALL, f"data_root={drawn}", f"resume={run.folder}", f"hydra.run.dir={run.folder}"]
    config = compose(*words, "test_on=[synthetic,{dataset: synthetic, world: campus}]")
    with pytest.raises(InputError, match="synthetic_campus tests on 1 image that was trained on, such as"):
        train_once(config, run)
