"""Words beside ``resume=``: which are refused, and what is said of the others."""

import logging

import pytest
from omegaconf import OmegaConf

from reid_lit.command.replay import replayed
from reid_lit.command.resuming import check_resumed
from reid_lit.errors import InputError
from reid_lit.jobs.job import Job

WORDS = ["+experiment=synthetic_softmax", "dataset.size=tiny", "trainer.max_epochs=3"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a run that was killed after two of three epochs; its checkpoint is only asked for its epoch."""
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / "last.ckpt").touch()
    OmegaConf.save(OmegaConf.create(WORDS), tmp_path / "run" / ".hydra" / "overrides.yaml")
    monkeypatch.setattr("reid_lit.run.folder.read_checkpoint", lambda _: {"epoch": 1})
    return tmp_path / "run"


def asked(run, *words):
    typed = [f"resume={run}", *words]
    check_resumed(typed, replayed(typed))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimizer.lr=0.5"], "optimizer.lr=0.5 where the run has 0.05"),
        (["scheduler=constant"], "scheduler=constant where the run has cosine"),
        (["scheduler.build.warm=0.2"], "scheduler.build.warm=0.2 where the run has 0.1"),
        (["optimizer=adam"], "optimizer=adam where the run has sgd"),
        (["backbone=resnet34"], "backbone=resnet34 where the run has resnet18_scratch_fan_out"),
        (["backbone.weights=/w.pth"], 'backbone.weights="/w.pth" where the run has none'),
        (["loss=id_circle", "seed=3"], "loss=id_circle where the run has id, seed=3 where the run has 0"),
        (["sampler=person"], "sampler=person where the run has shuffle"),
        (["loader.batch_size=8"], "loader.batch_size=8 where the run has 32"),
        (["transform.size=[64,32]"], r"transform.size=\[64, 32\] where the run has \[128, 64\]"),
        (["dataset.world=campus"], "dataset.world=campus where the run has plaza"),
        (["dataset=market1501"], "dataset=market1501 where the run has synthetic"),  # it has no dataset.size
        (["+trainer.accumulate_grad_batches=2"], "trainer.accumulate_grad_batches=2 where the run has none"),
        (["~callbacks.random_state"], "callbacks.random_state taken away where the run has"),
        (["+experiment=duke_hrnet"], "experiment=duke_hrnet where the run has synthetic_softmax"),
        (["neck.build.dropout=0.5", "machine.workers=0"], "neck.build.dropout=0.5 where the run has 0.0"),
    ],
)
def test_what_the_checkpoint_decides_is_refused_with_both_values_and_the_way_on(run, words, told):
    with pytest.raises(InputError, match=told) as refusal:
        asked(run, *words)
    text = str(refusal.value)
    assert "\n" not in text
    assert "Leave it out, or start a new run from these weights: backbone.weights=" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["machine.workers=0"], "machine.workers=0 in place of auto"),
        (["loader.workers=0"], "machine.workers=0 in place of auto"),  # its name of before
        (["machine=ddp", "machine.devices=2"], "machine=ddp in place of cpu"),
        (["logger=wandb"], "logger=wandb in place of csv"),
        (["evaluation.flip=false"], "evaluation.flip=false in place of true"),
        (["~callbacks.pictures"], "callbacks.pictures taken away"),
        (["callbacks.progress.refresh_rate=1"], "callbacks.progress.refresh_rate=1 in place of 10"),
        (["trainer.precision=32-true"], "trainer.precision=32-true in place of"),
        (["dataset.root=/moved"], 'dataset.root="/moved" in place of'),
        (["data_root=/moved"], 'data_root="/moved" in place of'),
        (["test_on=[synthetic]"], r"test_on=[synthetic] in place of []"),
    ],
)  # fmt: skip
def test_what_may_change_is_said(run, words, told, caplog):
    with caplog.at_level(logging.WARNING):
        asked(run, *words)
    (line,) = [record.getMessage() for record in caplog.records if "from here on" in record.getMessage()]
    assert told.replace('"', "") in line.replace('"', "")


@pytest.mark.parametrize(
    "words",
    [[], ["trainer.max_epochs=3"], ["seed=0"], ["scheduler=cosine"], [*WORDS, "hydra.mode=RUN"], ["trust=true"]],
)
def test_what_is_as_it_was_is_neither_refused_nor_said(run, words, caplog):
    asked(run, *words)
    assert not caplog.records


@pytest.mark.parametrize("epochs", [6, 2])
def test_another_length_is_refused_where_the_schedule_depends_on_it(run, epochs):
    with pytest.raises(
        InputError, match=rf"max_epochs={epochs} .*cosine .* of 3 epochs .* jump.* stretch=true: .*{epochs} epochs"
    ):
        asked(run, f"trainer.max_epochs={epochs}")
    asked(run, f"trainer.max_epochs={epochs}", "stretch=true")


def test_a_length_in_steps_is_another_length_too(run):
    with pytest.raises(InputError, match=r"max_epochs=null .* of 3 epochs until now, .* of trainer\.max_steps alone"):
        asked(run, "trainer.max_epochs=null")
    words = [*WORDS, "trainer.max_epochs=null", "+trainer.max_steps=20"]
    OmegaConf.save(OmegaConf.create(words), run / ".hydra" / "overrides.yaml")
    with pytest.raises(InputError, match=r"max_epochs=4 .* of trainer\.max_steps alone until now, .* of 4 epochs"):
        asked(run, "trainer.max_epochs=4")
    with pytest.raises(InputError, match=r"max_epochs=1 beside resume=: 2 epochs are done"):
        asked(run, "trainer.max_epochs=1")


def test_fewer_epochs_than_are_done_are_refused_before_that(run):
    with pytest.raises(InputError, match=r"trainer\.max_epochs=1 beside resume=: 2 epochs are done; give 2 to test it"):
        asked(run, "trainer.max_epochs=1")


@pytest.mark.parametrize(
    ("schedule", "is_free"),
    [
        (["scheduler=step"], True),
        (["scheduler=constant"], True),
        (["scheduler=warm_multistep", "scheduler.build.warm_epochs=1"], True),
        (
            [
                "scheduler=constant", "~scheduler.build.factor", "~scheduler.build.total_iters",
                "scheduler.build._target_=torch.optim.lr_scheduler.CosineAnnealingLR",
                "+scheduler.build.T_max=${trainer.max_epochs}",
            ],
            False,
        ),
    ],
)  # fmt: skip
def test_more_epochs_simply_go_on_where_the_schedule_knows_no_length(run, schedule, is_free):
    text = "".join(f"- '{word}'\n" for word in [*WORDS, *schedule])
    (run / ".hydra" / "overrides.yaml").write_text(text)
    typed = [f"resume={run}", "trust=true", "trainer.max_epochs=6"]
    if is_free:
        check_resumed(typed, replayed(typed))
    else:
        with pytest.raises(InputError, match="stretch=true"):
            check_resumed(typed, replayed(typed))


def test_a_split_that_is_finished_is_not_said_to_be_trained_longer(run):
    (run / "split_0" / "checkpoints").mkdir(parents=True)
    (run / "split_0" / "metrics.json").touch()
    for word in ("trainer.max_epochs=6", "evaluation.flip=false"):
        with pytest.raises(InputError, match=r"split_0 of this run is finished and would not be repeated"):
            asked(run, word)


def test_a_run_without_a_checkpoint_begins_anew_by_any_words(run):
    (run / "checkpoints" / "last.ckpt").unlink()
    asked(run, "optimizer.lr=0.5")


def test_a_run_that_only_its_stages_have_begun_takes_any_words(run, caplog):
    stage = run / "before" / "source" / "checkpoints"
    stage.mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").rename(stage / "last.ckpt")
    asked(run, "optimizer.lr=0.5")
    assert not caplog.records
    (run / "split_0" / "checkpoints").mkdir(parents=True)
    (run / "split_0" / "checkpoints" / "last.ckpt").touch()
    with pytest.raises(InputError, match=r"optimizer\.lr=0\.5 where the run has"):
        asked(run, "optimizer.lr=0.5")


def begun_by(run, *words):
    OmegaConf.save(OmegaConf.create([*words]), run / ".hydra" / "overrides.yaml")


def resumed_job(run, *words):
    """What Hydra gets where a job goes on; its words are checked."""
    typed = Job(name="a job", folder=run, overrides=words).command()[3:]
    arguments = replayed(typed)
    check_resumed(typed, arguments)
    return [word for word in arguments if not word.startswith(("resume", "repeat", "hydra"))]


def test_a_job_goes_on_by_its_own_words_alone_whoever_began_it(run, caplog):
    begun_by(
        run, *WORDS, "machine=gpu", "machine.cache=ram", "evaluation=rerank", "test_on=[ward]", "+mine._target_=x.y"
    )
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match=r"mine taken away"):
        resumed_job(run, *WORDS)  # what is learnt is compared all the same
    begun_by(run, *WORDS, "machine=gpu", "machine.cache=ram", "evaluation=rerank", "test_on=[ward]")
    assert resumed_job(run, *WORDS) == WORDS
    (line,) = [record.getMessage() for record in caplog.records if "from here on" in record.getMessage()]
    assert "machine.accelerator=cpu in place of gpu" in line


def test_a_job_goes_on_with_the_same_training_of_another_experiment(run):
    begun_by(run, "+experiment=market_softmax", "dataset=dukemtmc", "name=direct_dukemtmc", "seed=0")
    words = ["+experiment=duke_softmax", "seed=0"]
    assert resumed_job(run, *words) == words
    with pytest.raises(InputError, match=r"optimizer\.lr=0\.5 where the run has"):
        resumed_job(run, *words, "optimizer.lr=0.5")
    with pytest.raises(InputError, match=r"experiment=duke_softmax where the run has market_softmax"):
        asked(run, *words)


def test_a_path_that_was_relative_to_where_a_run_was_started_is_the_same(run, tmp_path, monkeypatch):
    (tmp_path / "w.pth").touch()
    begun_by(run, *WORDS, "backbone.weights=w.pth")
    OmegaConf.save({"hydra": {"runtime": {"cwd": str(tmp_path)}}}, run / ".hydra" / "hydra.yaml")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    asked(run, "machine.workers=2")
    asked(run, *WORDS, f"backbone.weights={tmp_path}/w.pth")  # as the first rank starts the others
    with pytest.raises(InputError, match=r"backbone\.weights="):
        asked(run, "backbone.weights=w.pth")


def test_the_members_of_a_joint_set_may_have_been_moved(run):
    begun_by(
        run, "+experiment=market_softmax", "dataset=joint", "dataset.members=[market1501,{dataset: ward, root: /old}]"
    )
    asked(run, "dataset.members=[market1501,{dataset: ward, root: /new}]")
    with pytest.raises(InputError, match=r"dataset\.members="):
        asked(run, "dataset.members=[market1501,{dataset: viper, root: /new}]")


@pytest.mark.parametrize(("digest", "is_same"), [("0123456789ab", True), ("ba9876543210", False)])
def test_what_a_job_starts_from_may_have_been_moved(run, digest, is_same):
    begun_by(run, *WORDS, "backbone.weights=/old/trainings/direct-0123456789ab")
    words = [*WORDS, f"backbone.weights=/new/trainings/softmax-{digest}"]
    if is_same:
        assert resumed_job(run, *words) == words
    else:
        with pytest.raises(InputError, match=r"backbone\.weights="):
            resumed_job(run, *words)


def test_a_job_tests_finished_splits_again_where_its_test_is_another_one(run):
    for split in ("split_0", "split_1"):
        (run / split / "checkpoints").mkdir(parents=True)
        (run / split / "checkpoints" / "last.ckpt").touch()
    done = run / "split_0" / "metrics.json"
    done.touch()
    resumed_job(run, *WORDS, "machine.workers=0")
    assert done.is_file()
    resumed_job(run, *WORDS, "evaluation.flip=false")
    assert not done.is_file()
