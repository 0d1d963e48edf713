"""The commands, run as users run them, on the tiny synthetic set."""

import itertools
import json
import os
import pickle
import shutil
import signal
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from reid_lit.run.query_scores import read_query_scores

SMALL = [
    "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[64,32]", "loader.batch_size=16",
    "machine.workers=1", "trainer.log_every_n_steps=2", "callbacks.pictures.queries=2",
]  # fmt: skip


def read(folder, name="metrics.json"):
    return json.loads((folder / name).read_text())


def weights(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_run_leaves_results_config_environment_and_weights(trained):
    folder, done = trained
    metrics = read(folder)
    assert [result["dataset"] for result in metrics["results"]] == ["synthetic_plaza", "synthetic_campus"]
    for result in metrics["results"]:
        assert set(result["scores"]) == {"rank1", "rank5", "rank10", "rank20", "mAP", "mINP", "rank1_nd", "mAP_nd"}
        stamp = result["stamp"]
        assert (stamp["ap"], stamp["camera_rule"], stamp["distance"]) == ("trapezoid", "cross_camera", "cosine")
        assert (stamp["test_time_augmentation"], stamp["feature"], stamp["junk"]) == ("flip", "embedding", 10)
        assert f"{100 * result['scores']['mAP']:.2f}" in done.stdout
    assert metrics["epochs"] == 2
    assert "run-" in "".join(path.name for path in (folder / "wandb").iterdir())
    assert done.stdout.count("W&B logs offline") + done.stderr.count("W&B logs offline") == 1
    environment = read(folder, "environment.json")
    assert len(environment) == 1
    assert environment[0]["packages"]["torch"]
    assert "${" not in (folder / "config.yaml").read_text()


def test_rank_1_read_off_the_failure_report_is_the_metric(trained):
    folder, _ = trained
    for result in read(folder)["results"]:
        report = read(folder / "pictures" / result["dataset"], "failures.json")
        first = [query["top1_is_match"] for query in report["queries"]]
        assert sum(first) / len(first) == result["scores"]["rank1"]
        ranks = [failure["first_match_rank"] for failure in report["failures"]]
        assert ranks == sorted(ranks, reverse=True)
        for picture in ("ranked_lists", "failures", "cmc"):
            assert (folder / "pictures" / result["dataset"] / f"{picture}.png").stat().st_size > 10_000


def test_pictures_and_config_reach_wandb(trained):
    folder, _ = trained
    names = [path.name for path in (folder / "wandb").glob("offline-run-*/files/media/images/**/*.png")]
    assert {name.split("_")[0] for name in names} == {"ranked", "failures", "cmc", "learning"}


def test_another_training_list_is_not_resumed_on(trained, command, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    words = tmp_path / "run" / ".hydra" / "overrides.yaml"
    words.write_text(words.read_text() + "- dataset.world=campus\n")
    done = command("resume=run", "trainer.max_epochs=3", "stretch=true", "logger=csv", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "another training list than the 84 images" in done.stderr


def test_the_metrics_are_logged_by_stage(trained):
    header = (trained[0] / "log" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {
        "train/loss",
        "train/id",
        "train/accuracy",
        "test/synthetic_plaza/mAP",
        "test/synthetic_campus/rank1",
    } <= set(header)


def test_a_finished_run_is_tested_again_with_the_same_result_on_one_and_two_ranks(trained, command):
    folder, _ = trained
    results = []
    for ranks in (1, 2):
        out = folder.parent / f"again{ranks}"
        command(
            f"run={folder}", "machine=ddp", "machine.accelerator=cpu", f"machine.devices={ranks}", f"hydra.run.dir={out}",
            "test_on=[synthetic]", cwd=folder.parent, module="reid_lit.evaluate",
        )  # fmt: skip
        results.append(read(out)["results"][0])
        (queries,) = read_query_scores(out, "synthetic_plaza")
        assert np.nanmean(queries.values("mAP")) == pytest.approx(results[-1]["scores"]["mAP"], abs=1e-6)
        assert queries.queries == read_query_scores(folder, "synthetic_plaza")[0].queries
    assert results[0]["scores"] == results[1]["scores"]
    assert results[0]["stamp"] == results[1]["stamp"]


def test_another_evaluation_needs_no_training(trained, command):
    folder, _ = trained
    out = folder.parent / "step"
    command(
        f"run={folder}", "evaluation=standard", "test_on=[synthetic]", f"hydra.run.dir={out}", "logger=wandb", cwd=folder.parent,
        module="reid_lit.evaluate",
    )  # fmt: skip
    stamp = read(out)["results"][0]["stamp"]
    assert (stamp["ap"], stamp["distance"], stamp["test_time_augmentation"]) == ("step", "euclidean", "none")
    assert len(list((out / "wandb").glob("offline-run-*"))) == 1
    assert not (out / "checkpoints").exists()


def test_a_checkpoint_with_code_is_refused(trained, command, tmp_path):
    for folder in (".hydra", "log"):
        shutil.copytree(trained[0] / folder, tmp_path / "run" / folder)
    (tmp_path / "run" / "checkpoints").mkdir()

    class Malicious:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'executed'}",))

    with (tmp_path / "run" / "checkpoints" / "last.ckpt").open("wb") as stream:
        pickle.dump({"state_dict": Malicious()}, stream)
    for arguments, module in (
        ([f"resume={tmp_path / 'run'}"], "reid_lit.train"),
        ([f"run={tmp_path / 'run'}"], "reid_lit.evaluate"),
    ):
        done = command(*arguments, cwd=tmp_path, check=False, module=module)
        assert done.returncode == 1
        assert "refused, since it is damaged or holds code" in done.stderr
        assert not (tmp_path / "executed").exists()


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(command, drawn, tmp_path):
    arguments = [*SMALL, f"data_root={drawn}", "trainer.max_epochs=5", "neck.build.dropout=0.5"]
    command(*arguments, "hydra.run.dir=whole", cwd=tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "reid_lit.train", *arguments, "hydra.run.dir=killed"], cwd=tmp_path, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    checkpoint = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(torch.rand(()).item())  # somewhere in a later epoch
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "metrics.json").exists()
    command("resume=killed", cwd=tmp_path)
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert all(torch.equal(value, killed[key]) for key, value in whole.items())
    assert read(tmp_path / "whole")["results"][0]["scores"] == read(tmp_path / "killed")["results"][0]["scores"]
    log = [(tmp_path / run / "log" / "metrics.csv").read_text() for run in ("whole", "killed")]
    assert log[0] == log[1]
    assert len(read(tmp_path / "killed", "environment.json")) == 2


@pytest.mark.slow
def test_two_ranks_train_on_the_same_persons_and_leave_one_run(command, drawn, tmp_path):
    done = command(
        *SMALL, f"data_root={drawn}", "machine=ddp", "machine.accelerator=cpu", "machine.devices=2", "trainer.max_epochs=1",
        "sampler=person", "sampler.persons=4", "sampler.images=4", "hydra.run.dir=run", cwd=tmp_path,
    )  # fmt: skip
    assert [path.name for path in (tmp_path).iterdir()] == ["run"]
    assert done.stdout.count("Retrieval scores") == 1
    assert (done.stdout + done.stderr).count(
        "batch norms see 8 images each, the share of one of 2 ranks, not the 16"
    ) == 1
    assert read(tmp_path / "run")["results"][0]["stamp"]["valid_queries"] == 20


@pytest.mark.slow
def test_persons_held_out_are_validated_on(command, drawn, tmp_path):
    command(
        *SMALL, f"data_root={drawn}", "dataset.val_persons=4", "trainer.max_epochs=1", "hydra.run.dir=run", cwd=tmp_path
    )
    assert "val/mAP" in (tmp_path / "run" / "log" / "metrics.csv").read_text()


@pytest.mark.slow
def test_a_multirun_of_two_ranks_with_a_job_that_fails_leaves_its_folders_a_result_and_a_name(command, drawn, tmp_path):
    done = command(
        "-m", *SMALL, f"data_root={drawn}", "optimizer.lr=0.01,1e30", "transform.size=[32,16]", "machine.workers=0",
        "machine=ddp", "machine.accelerator=cpu", "machine.devices=2", "trainer.max_epochs=1", "logger=wandb",
        "hydra.sweep.dir=sweep", cwd=tmp_path, check=False, environment={"WANDB_MODE": "offline"},
    )  # fmt: skip
    assert done.returncode == 1
    folders = sorted(path for path in (tmp_path / "sweep").iterdir() if path.is_dir())
    assert len(folders) == 2
    assert [(folder / "metrics.json").is_file() for folder in folders] == [True, False]
    assert f"log: {folders[1] / 'job.log'}" in done.stdout + done.stderr
    assert "1 of 2 jobs failed" in done.stdout + done.stderr
    assert "the loss is nan" in (folders[1] / "job.log").read_text()
    assert [len(list((folder / "wandb").glob("offline-run-*"))) for folder in folders] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["duke_hrnet", "market_to_duke_softmax"])
def test_the_papers_experiments_train_on_a_tree_in_their_layout(command, drawn, tmp_path, experiment):
    market, duke = tmp_path / "Market-1501-v15.09.15", tmp_path / "DukeMTMC-reID"
    shutil.copytree(drawn / "synthetic" / "plaza-tiny-0", market)
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        (duke / folder).mkdir(parents=True)
        for number, file in enumerate(sorted((market / folder).glob("*.jpg"))):
            person, camera = file.name.split("_")[:2]
            if person not in ("-1", "0000"):
                shutil.copy(file, duke / folder / f"{person}_{camera[:2]}_f{number:07d}.jpg")
    done = command(
        f"+experiment={experiment}", "backbone.weights=none", "transform.size=[64,32]", "loader.batch_size=16",
        "machine.workers=1", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "hydra.run.dir=run",
        cwd=tmp_path, environment={"REID_DATA": str(tmp_path)},
    )  # fmt: skip
    names = [result["dataset"] for result in read(tmp_path / "run")["results"]]
    assert names == (["market1501", "dukemtmc"] if experiment.startswith("market") else ["dukemtmc"])
    assert (done.stdout + done.stderr).count("withdrawn") == 1


def as_ward(drawn, folder):
    """The tiny synthetic set under WARD's names: 16 persons, cameras 1 to 3, two images each."""
    images = sorted((drawn / "synthetic" / "plaza-tiny-0").glob("bounding_box_train/*.jpg"))
    folder.mkdir()
    for place, image in zip(itertools.product(range(1, 17), range(1, 4), range(1, 3)), itertools.cycle(images)):
        shutil.copy(image, folder / "{:04}{:04}{:04}.png".format(*place))
    return folder


SPLITS = [
    *SMALL[2:], "+experiment=ward_softmax", "dataset=ward_pairs", "dataset.split_id=[0,2]", "loader.batch_size=8",
    "trainer.max_epochs=1", "machine.workers=0",
]  # fmt: skip


@pytest.mark.slow
def test_splits_are_trained_in_turn_averaged_and_not_repeated(command, drawn, tmp_path):
    root = as_ward(drawn, tmp_path / "WARD")
    command(*SPLITS, f"dataset.root={root}", "hydra.run.dir=run", cwd=tmp_path)
    metrics = read(tmp_path / "run")
    assert [result["dataset"] for result in metrics["results"]] == ["ward_c1_c2", "ward_c1_c3"]
    for result in metrics["results"]:
        parts = [row["scores"]["rank1"] for row in metrics["splits"] if row["dataset"] == result["dataset"]]
        assert result["splits"] == [0, 2]
        assert result["scores"]["rank1"] == pytest.approx(statistics.fmean(parts))
        assert result["deviations"]["rank1"] == pytest.approx(statistics.stdev(parts))
        assert result["stamp"]["protocol"] == "ward_camera_pairs"
    assert (tmp_path / "run" / "split_2" / "pictures" / "ward_c1_c3" / "ranked_lists.png").is_file()
    first = weights(tmp_path / "run" / "split_0")
    (tmp_path / "run" / "metrics.json").unlink()  # as if killed in the second split
    shutil.rmtree(tmp_path / "run" / "split_2")
    finished = (tmp_path / "run" / "split_0" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    command("resume=run", cwd=tmp_path)
    assert read(tmp_path / "run")["results"] == approximately(metrics["results"])
    assert (tmp_path / "run" / "split_0" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == finished
    assert all(torch.equal(first[key], value) for key, value in weights(tmp_path / "run" / "split_0").items())
    command("run=run", "hydra.run.dir=again", cwd=tmp_path, module="reid_lit.evaluate")
    again = read(tmp_path / "again")["results"]
    done = command("run=run", "dataset.split_id=1", cwd=tmp_path, module="reid_lit.evaluate", check=False)
    assert "has weights for each split, of 0, 2, and none for dataset.split_id=1; choose one of them" in done.stderr
    (tmp_path / "run" / "split_1").symlink_to(tmp_path / "run" / "split_0")
    done = command("run=run", "dataset.split_id=1", cwd=tmp_path, module="reid_lit.evaluate", check=False)
    assert "were trained on" in done.stderr
    assert [r["scores"] for r in again] == [pytest.approx(r["scores"], abs=1e-6) for r in metrics["results"]]


def approximately(results):
    """The results with any time."""
    return [result | {"test_seconds": pytest.approx(result["test_seconds"], abs=60)} for result in results]


@pytest.mark.slow
def test_joint_data_sets_share_a_training_and_have_rows_of_their_own(command, drawn, tmp_path):
    root = as_ward(drawn, tmp_path / "WARD")
    members = f"dataset.members=[synthetic,{{dataset: synthetic, world: campus}},{{dataset: ward, root: {root}}}]"
    command(
        *[argument for argument in SMALL if "dataset.size" not in argument], "dataset=joint",
        members.replace("[synthetic,{dataset: synthetic,", "[{dataset: synthetic, size: tiny},{dataset: synthetic, size: tiny,"),
        f"data_root={drawn}", "trainer.max_epochs=1", "hydra.run.dir=run", cwd=tmp_path,
    )  # fmt: skip
    metrics = read(tmp_path / "run")
    assert [result["dataset"] for result in metrics["results"]] == ["synthetic_plaza", "synthetic_campus", "ward"]
    assert metrics["trained_on"] == "joint"


@pytest.mark.slow
def test_own_crops_without_cameras_train_and_say_which_rule_was_used(command, drawn, tmp_path):
    for file in (drawn / "synthetic" / "plaza-tiny-0" / "bounding_box_train").glob("*.jpg"):
        person = tmp_path / "crops" / f"guest {file.name[:4]}"
        person.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, person)
    command(
        "+experiment=folder_softmax", "dataset.root=crops", "transform.size=[64,32]", "loader.batch_size=16",
        "machine.workers=1", "trainer.max_epochs=1", "hydra.run.dir=run", cwd=tmp_path,
    )  # fmt: skip
    stamp = read(tmp_path / "run")["results"][0]["stamp"]
    assert stamp["camera_rule"] == "any_camera"
    assert stamp["camera_rule_note"] == "auto: a single camera"


def test_a_learning_rate_that_explodes_stops_the_run_and_names_the_files(command, drawn, tmp_path):
    done = command(
        *SMALL, f"data_root={drawn}", "optimizer.lr=1e30", "trainer.max_epochs=3", "hydra.run.dir=run", cwd=tmp_path, check=False
    )  # fmt: skip
    assert done.returncode == 1
    assert "the loss is " in done.stderr
    assert "bounding_box_train" in done.stderr
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (
            ["+experiment=market_softmax", "backbone.weights=none"],
            ["bounding_box_train", "dataset=synthetic", "REID_DATA"],
        ),
        (["+experiment=ward_softmax"], ["WARD", "dataset=synthetic"]),
        ([*SMALL, "sampler=person", "sampler.persons=13", "loader.batch_size=52"], ["sampler.persons", "12"]),
        ([*SMALL, "evaluation.ap=stepp"], ["evaluation.ap='stepp'", "step"]),
        ([*SMALL, "backbone.weights=/nowhere.pth"], ["/nowhere.pth"]),
    ],
)
def test_bad_input_fails_before_training_with_fact_and_cure(command, drawn, tmp_path, arguments, facts):
    done = command(*arguments, f"data_root={drawn}", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Epoch 0" not in done.stderr + done.stdout
    for fact in facts:
        assert fact in done.stderr
