"""Earlier stages, trained by the command that needs them."""

import dataclasses
import json
import re
import shutil
import socket
import time

import pytest
import torch
from omegaconf import open_dict

from reid_lit.jobs.job import LOG
from reid_lit.run.datasets import make_data
from reid_lit.run.stages import check_start, plan_stages, run_stages
from reid_lit.training.rehearsal import rehearse

CAM = "+experiment=duke_to_market_embae_cam"
ARN = "+experiment=plaza_to_campus_arn"
QUICK = (
    "machine.workers=0", "loader.batch_size=16", "transform.size=[32,16]", "machine.progress_bar=false", "~callbacks.pictures",
    "~callbacks.progress", "~callbacks.health",
)  # fmt: skip
STAGES = (
    'before_overrides=["backbone.weights=none","trainer.max_epochs=1","loader.batch_size=16"]', "model.nuisance_epochs=1",
    'before.embedding.overrides=["sampler.persons=4"]', 'before.autoencoder.overrides=["model.cameras=8","~callbacks.health"]',
)  # fmt: skip


@pytest.fixture
def planned(compose):
    """The stages of a command, and the config that their folders were put in."""

    def plan(*overrides):
        config = compose(*overrides, "run_dir=runs/now")
        return plan_stages(config), config

    return plan


def weights(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def stage_folder(run, name):
    return next(folder for folder in (run / "before").iterdir() if folder.name.startswith(f"{name}-"))


def parts_that_differ(first, second):
    return {key.partition(".")[0] for key in first.keys() & second.keys() if not torch.equal(first[key], second[key])}


def test_a_stage_starts_ranks_on_its_own_machine_alone(planned):
    alone, several = planned(CAM)[0], planned(CAM, "machine=ddp", "machine.num_nodes=2")[0]
    assert all("machine.num_nodes=1" in stage.job.overrides[-3:] for stage in several)
    assert not any("machine.num_nodes=1" in stage.job.overrides for stage in alone)
    assert [stage.job.folder for stage in several] == [stage.job.folder for stage in alone]


def test_the_prompts_get_the_file_of_clip_and_no_chunks(planned):
    words = ("backbone.weights=clip.safetensors", "trainer=low_memory", "trainer.chunk=4", "trainer.precision=32-true")
    (stage,), config = planned("+experiment=market_clip_reid", *words)
    assert {"backbone.weights=clip.safetensors", "trainer.precision=32-true"} <= {*stage.job.overrides}
    assert not any("low_memory" in word or "chunk" in word for word in stage.job.overrides)
    assert (config.trainer.chunk, config.model.weights) == (4, str(stage.job.folder))
    (stage,), _ = planned("+experiment=market_clip_reid", "trainer=cpu")
    assert "trainer=cpu" in stage.job.overrides


def test_another_machine_waits_for_a_stage_as_long_as_the_first_one_is_there(planned, monkeypatch, tmp_path):
    stages = planned(CAM, f"before_dir={tmp_path}")[0][:1]
    (job,) = (stage.job for stage in stages)
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        for key, value in {
            "RANK": 1,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "TORCHELASTIC_USE_AGENT_STORE": True,
        }.items():
            monkeypatch.setenv(key, str(value))
        waited = []
        monkeypatch.setattr(time, "sleep", lambda seconds: waited.append(seconds) or len(waited) < 3 or finish())

        def finish():
            job.folder.mkdir(parents=True)
            (job.folder / job.result).write_text("{}")

        run_stages(stages)
        assert len(waited) == 3
    (job.folder / job.result).unlink()
    with pytest.raises(
        RuntimeError, match=r"has not come to its end, and torchrun has, on the first machine \(127\.0\.0\.1"
    ):
        run_stages(stages)


def test_each_stage_gets_the_folder_of_the_one_before_and_the_run_that_of_the_last(planned):
    (embedding, autoencoder), config = planned(CAM)
    assert embedding.job.overrides[:-1] == ("+experiment=duke_embae",)
    assert autoencoder.job.overrides[:-1] == (
        "+experiment=duke_embae_autoencoder", "model.cameras=8", f"model.weights={embedding.job.folder}",
    )  # fmt: skip
    assert config.model.weights == str(autoencoder.job.folder)
    assert re.fullmatch(r"runs/now/before/autoencoder-[0-9a-f]{8}", config.model.weights)


def test_what_agrees_is_handed_down_and_the_rest_is_not(planned):
    more = ("seed=3", "machine=cpu", "trainer=cpu", "trainer.max_epochs=2", "machine.workers=0", "loader.batch_size=8", "model.nuisance_epochs=1",
            "transform.size=[64,32]", "backbone.weights=none", 'before_overrides=["optimizer.lr=0.1"]')  # fmt: skip
    (embedding, autoencoder), _ = planned(CAM, *more)
    handed = (
        "seed=3",
        "machine=cpu",
        "trainer=cpu",
        "machine.workers=0",
        "transform.size=[64,32]",
        'before_overrides=["optimizer.lr=0.1"]',
    )
    assert embedding.job.overrides[:-1] == ("+experiment=duke_embae", *handed, "optimizer.lr=0.1")
    assert autoencoder.job.overrides[1:-2] == (*handed, "model.cameras=8", "optimizer.lr=0.1")


def test_stages_that_learn_the_same_share_a_folder_and_others_do_not(planned):
    def folders(*overrides):
        return [stage.job.folder.name for stage in planned(*overrides)[0]]

    cam = folders(CAM)
    assert folders(CAM, "machine.workers=0", "machine.devices=2", "logger=wandb", "model.nuisance_epochs=3") == cam
    assert not set(folders(CAM, "trainer=gpu")) & set(cam)  # its precision is another
    fix = folders("+experiment=duke_to_market_embae_fix")
    assert (fix[0], fix[1] == cam[1]) == (cam[0], False)  # stage 2 of cam has an encoder for each camera
    assert not set(folders(CAM, "seed=1")) & set(cam)


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ((CAM, "model.weights=/some/run"), []),
        ((CAM, "model.weights=null"), ["embedding", "autoencoder"]),
        ((CAM, 'before.autoencoder.overrides=["model.cameras=8","model.weights=/some/run"]'), ["autoencoder"]),
        ((ARN,), ["source"]),
        ((ARN, "backbone.weights=none"), []),
        (("+experiment=duke_embae",), []),
        ((CAM, "before=null", "model.weights=runs/cam"), []),
        (("+experiment=synthetic_embae",), ["source"]),
        (("+experiment=synthetic_embae", "backbone.weights=runs/source"), []),
        (("+experiment=plaza_to_campus_embae_cam",), ["embedding", "autoencoder"]),
        (("+experiment=campus_to_plaza_pul",), ["source"]),
        (("+experiment=duke_embae_autoencoder",), ["embedding"]),
        (("+experiment=duke_to_market_arn",), []),
        (("+experiment=sources_to_market_embae_cam",), ["embedding", "autoencoder"]),
    ],
)
def test_a_run_that_is_given_needs_no_stage(planned, overrides, names):
    assert [stage.job.folder.name.rpartition("-")[0] for stage in planned(*overrides)[0]] == names


@pytest.mark.parametrize(
    ("experiment", "start"), [("synthetic_embae", "plaza_embae_source"), ("plaza_pul_source", "plaza_arn_source")]
)
def test_what_stands_for_imagenet_is_trained_on_the_same_persons(planned, experiment, start):
    told = ("dataset.world=campus", "dataset.size=tiny", "neck.build.hidden=512", "neck.build.dropout=0.3")
    own = told[2] if experiment == "synthetic_embae" else told[3]
    (source,), config = planned(f"+experiment={experiment}", *told[:2], own)
    assert source.job.overrides == (f"+experiment={start}", *told[:2], "labels.job=stage")
    (other,), _ = planned(f"+experiment={experiment}", *told[:2], "dataset.draw_seed=1")
    assert other.job.folder != source.job.folder
    (ward,), _ = planned(f"+experiment={experiment}", "dataset=ward")
    assert "dataset=ward" in ward.job.overrides
    assert config.backbone.weights == str(source.job.folder)


@pytest.mark.parametrize("entry", ["duke_embae", {"experiment": "duke_embae"}, {"gives": "model.weights"}, {"exp": 1}])
def test_a_stage_without_what_it_needs_is_refused(compose, entry):
    config = compose("+experiment=duke_embae")
    with open_dict(config):
        config.before = {"first": entry}
    with pytest.raises(ValueError, match=r"before\.first=.*: a stage has experiment .*, gives"):
        plan_stages(config)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((CAM, "~before.embedding", "~before.autoencoder"), r"model\.weights=null: duke_to_market_embae_cam goes on from a run"),
        ((CAM, "model.weights=/nowhere"), r"model\.weights=/nowhere: there are no weights at /nowhere; train that run first"),
        ((ARN, "backbone.weights=/nowhere"), r"backbone\.weights=/nowhere: there are no weights at .* has before"),
    ],
)  # fmt: skip
def test_a_missing_predecessor_is_named_before_anything_is_read(planned, overrides, message):
    stages, config = planned(*overrides)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        check_start(config, stages)


def test_a_start_that_is_there_or_is_trained_first_passes(planned, tmp_path):
    for overrides in ((CAM,), (ARN,), ("+experiment=duke_to_market_arn",), ("+experiment=synthetic_softmax",)):
        stages, config = planned(*overrides)
        check_start(config, stages)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "last.ckpt").touch()
    stages, config = planned(CAM, f"model.weights={tmp_path / 'run'}")
    check_start(config, stages)


def test_finished_stages_are_not_repeated_and_a_failing_one_names_its_log(planned, tmp_path):
    (first, second), _ = planned(CAM, f"before_dir={tmp_path}")
    first.job.folder.mkdir()
    (first.job.folder / "metrics.json").write_text("{}")
    failing = dataclasses.replace(second, job=dataclasses.replace(second.job, module="json.tool"))
    log = second.job.folder / LOG
    with pytest.raises(
        RuntimeError, match=r"stage 'autoencoder' of duke_to_market_embae_cam failed: .*error: "
    ) as error:
        run_stages([first, failing])
    assert f"{log.resolve()}; once the cause is gone, resume=<the folder of this run> goes on there" in str(error.value)
    assert "usage:" in log.read_text()
    assert not (first.job.folder / LOG).exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.cameras=2"], r"^cameras=2, but somewhere has 6 cameras, .*; set cameras=6"),
        (["trainer.max_epochs=3"], r"^nuisance_epochs=25: variant cam .* trainer\.max_epochs=3 ends before"),
    ],
)
def test_what_the_last_stage_cannot_do_is_said_before_the_first(planned, fake_data, overrides, message):
    stages, config = planned(CAM, *overrides)
    data = fake_data(persons=5, cameras=6)
    with pytest.raises(ValueError, match=message):
        rehearse(config, stages, data)


@pytest.fixture(scope="module")
def trees(drawn, tmp_path_factory):
    """The tiny plaza under Duke's names and the tiny campus under Market's."""
    root = tmp_path_factory.mktemp("trees")
    shutil.copytree(drawn / "synthetic" / "campus-tiny-0", root / "Market-1501-v15.09.15")
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        duke = root / "DukeMTMC-reID" / folder
        duke.mkdir(parents=True)
        for number, file in enumerate(sorted((drawn / "synthetic" / "plaza-tiny-0" / folder).glob("*.jpg"))):
            person, camera = file.name.split("_")[:2]
            if person not in ("-1", "0000"):
                shutil.copy(file, duke / f"{person}_{camera[:2]}_f{number:07d}.jpg")
    return root


@pytest.fixture
def rehearsed(planned, trees):
    def rehearsing(*overrides):
        stages, config = planned(CAM, f"data_root={trees}", *QUICK[:3], *STAGES[:1], *overrides)
        data = make_data(config)
        data.setup("fit")
        rehearse(config, stages, data, data.tests())

    return rehearsing


def test_a_rehearsal_leaves_the_random_state_as_it_was(rehearsed):
    state = torch.get_rng_state()
    rehearsed(*STAGES[1:])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            [*STAGES[1:], "dataset=dukemtmc", "model.cameras=8"],
            r"84 of the 84 .* are those of the source.*another target",
        ),
        ([*STAGES[1:3], 'before.autoencoder.overrides=["model.cameras=2"]'], r"=2, but dukemtmc has 3 cameras"),
        ([*STAGES[1:], "sampler=person", "sampler.persons=4"], r"draws batches of market1501 by its persons' labels"),
        ([*STAGES[1:], "evaluation.memory_limit_gb=1e-9"], r"^memory_limit_gb=1e-09: ranking needs .* GB above"),
        ([*STAGES[1:], "dataset.val_persons=2"], r"^val_persons=2 holds persons of market1501 out"),
    ],
)
def test_what_an_adaptation_cannot_be_is_said_before_the_first_stage(rehearsed, overrides, message):
    with pytest.raises(ValueError, match=message):
        rehearsed(*overrides)


@pytest.fixture(scope="module")
def staged(command, trees, tmp_path_factory):
    """The folder of a finished run of EmbAE's three stages, from Duke's tree to Market's."""
    place = tmp_path_factory.mktemp("staged")
    command(CAM, *QUICK, *STAGES, "trainer.max_epochs=2", f"data_root={trees}", "hydra.run.dir=run", cwd=place)
    return place / "run"


@pytest.mark.slow
def test_one_command_trains_all_stages_each_on_from_the_one_before(staged):
    assert [result["dataset"] for result in json.loads((staged / "metrics.json").read_text())["results"]] == [
        "market1501"
    ]
    one, two, three = (
        weights(stage_folder(staged, "embedding")),
        weights(stage_folder(staged, "autoencoder")),
        weights(staged),
    )
    assert parts_that_differ(one, two) == set()
    assert parts_that_differ(two, three) == {"neck", "nuisance", "decoder"}
    assert {key.split(".")[2] for key in two if key.startswith("nuisance")} == set("01234567")
    assert f"weights: {stage_folder(staged, 'autoencoder')}\n" in (staged / "config.yaml").read_text()


@pytest.mark.slow
def test_stages_killed_on_the_way_end_with_the_weights_of_those_that_were_not(command, staged, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(staged, run)
    folders = [stage_folder(run, "embedding"), stage_folder(run, "autoencoder"), run]
    whole = [weights(folder) for folder in folders]
    for folder in folders:
        (folder / "metrics.json").unlink()
    for folder in folders[1:]:  # stage 1 was killed before its test, the next as it began
        shutil.rmtree(folder / "checkpoints")
    command("resume=run", cwd=tmp_path)
    for before, folder in zip(whole, folders, strict=True):
        assert parts_that_differ(before, weights(folder)) == set()
        assert (folder / "metrics.json").is_file()


@pytest.mark.slow
def test_two_ranks_go_on_from_a_stage(command, staged, trees, tmp_path):
    ddp = ("machine=ddp", "machine.accelerator=cpu", "machine.devices=2", "trainer.max_epochs=2", f"data_root={trees}")
    before = stage_folder(staged, "autoencoder")
    command(CAM, *QUICK, *ddp, "model.nuisance_epochs=1", f"model.weights={before}", "hydra.run.dir=two", cwd=tmp_path)
    assert parts_that_differ(weights(before), weights(tmp_path / "two")) == {"neck", "nuisance", "decoder"}


@pytest.mark.slow
def test_arn_takes_steps_on_trees_in_the_papers_layout(command, trees, tmp_path):
    command(
        "+experiment=duke_to_market_arn", *QUICK[:2], *QUICK[3:], "backbone=resnet18", "backbone.weights=none", "transform.size=[64,64]",
        "sampler.persons=4", "trainer.max_epochs=1", "+trainer.max_steps=2", f"data_root={trees}", "hydra.run.dir=run", cwd=tmp_path,
    )  # fmt: skip
    assert [row["dataset"] for row in json.loads((tmp_path / "run" / "metrics.json").read_text())["results"]] == [
        "market1501"
    ]
