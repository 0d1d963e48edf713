"""One run by several processes, on one machine and on two: it learns, scores and leaves what one process does.

The network has no batch norm, which would see a rank's share of each batch.
"""

import csv
import json
import os
import socket
import subprocess
import sys

import pytest
import torch

WORDS = (
    "+experiment=synthetic_strong", "dataset.size=tiny", "transform.size=[64,32]", "backbone=timm",
    "backbone.name=test_convnext", "backbone.weights=none", "neck=neck3", "loss=id_triplet_center", "loader.batch_size=16",
    "sampler.persons=8", "sampler.images=2", "machine.workers=0", "machine.accelerator=cpu", "trainer.max_epochs=1",
    "trainer.precision=32-true", "trainer.log_every_n_steps=1", "optimizer.lr=1.0e-3",
)  # fmt: skip
DDP = ("machine=ddp", "machine.strategy=ddp_find_unused_parameters_true")  # timm's network has layers behind the map


@pytest.fixture(scope="module")
def trained_by(command, drawn, tmp_path_factory):
    """Gives the folder of the run by this many ranks of one machine."""
    made = {}

    def folder(ranks):
        if ranks not in made:
            place = tmp_path_factory.mktemp(f"ranks{ranks}")
            more = (*DDP, f"machine.devices={ranks}") if ranks > 1 else ()
            command(*WORDS, *more, f"data_root={drawn}", "hydra.run.dir=run", cwd=place)
            made[ranks] = place / "run"
        return made[ranks]

    return folder


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def checkpoint(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def logged(folder):
    """Losses, scores and rates, row by row; the accuracy is the first rank's own."""
    with (folder / "log" / "metrics.csv").open(newline="") as rows:
        return [
            {key: float(value) for key, value in row.items() if value and key != "train/accuracy"}
            for row in csv.DictReader(rows)
        ]


def check_equal(folder, alone):
    """The same number of steps at the same rates to the same weights, losses and scores."""
    one, several = checkpoint(alone), checkpoint(folder)
    assert several["global_step"] == one["global_step"] == 3  # of 16 images, whatever the ranks
    rates = [[group["lr"] for group in each["optimizer_states"][0]["param_groups"]] for each in (one, several)]
    assert rates[0] == rates[1] == [1e-3, 1e-3]
    torch.testing.assert_close(several["state_dict"], one["state_dict"], rtol=1e-5, atol=1e-5)
    assert len(logged(folder)) == len(logged(alone))
    for row, expected in zip(logged(folder), logged(alone), strict=True):
        assert row == pytest.approx(expected, rel=1e-5, abs=1e-5)
    results = [json.loads((place / "metrics.json").read_text())["results"][0] for place in (folder, alone)]
    assert results[0]["scores"] == pytest.approx(results[1]["scores"], abs=1e-5)
    assert results[0]["stamp"] == results[1]["stamp"]


@pytest.mark.slow
def test_two_ranks_learn_what_one_process_learns(trained_by):
    check_equal(trained_by(2), trained_by(1))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def torchrun(*words, cwd, node=0, nodes=1, ranks=1, port=None):
    """One machine's part of a run, at an address of its own."""
    start = (
        f"--nnodes={nodes}", f"--node-rank={node}", f"--nproc-per-node={ranks}", "--master-addr=127.0.0.1",
        f"--master-port={port or free_port()}", f"--local-addr=127.0.0.{1 + node}",
    )  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *start, "-m", "reid_lit.train", *words],
        cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"},
    )  # fmt: skip


@pytest.mark.slow
def test_two_machines_make_one_run_equal_to_that_of_two_ranks_of_one(trained_by, drawn, tmp_path):
    words = (*WORDS, *DDP, "machine.num_nodes=2", "machine.devices=1", f"data_root={drawn}", "hydra.run.dir=run")
    port = free_port()
    hosts = [torchrun(*words, cwd=tmp_path, node=node, nodes=2, port=port) for node in range(2)]
    told = [host.communicate(timeout=300)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], "\n".join(told)
    assert [text.count("Retrieval scores") for text in told] == [1, 0]
    assert files(tmp_path / "run") == files(trained_by(1))  # each once, by the first rank
    assert len(json.loads((tmp_path / "run" / "environment.json").read_text())) == 1
    check_equal(tmp_path / "run", trained_by(1))
    one, two = checkpoint(trained_by(2))["state_dict"], checkpoint(tmp_path / "run")["state_dict"]
    torch.testing.assert_close(two, one, rtol=0, atol=0)


@pytest.mark.slow
def test_ranks_that_torchrun_has_not_started_as_asked_are_refused_before_any_work(drawn, tmp_path):
    words = (*WORDS, "machine=ddp", f"data_root={drawn}", "hydra.run.dir=run", "machine.devices=1")
    host = torchrun(*words, cwd=tmp_path, ranks=2)
    told = host.communicate(timeout=300)[0]
    assert host.returncode != 0
    assert "machine.devices=1: 1 rank with machine.num_nodes=1, but torchrun has started 2, 2 of them on this" in told
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_synchronised_batch_norms_see_the_whole_batch_on_all_gpus_that_are_here(command, drawn, tmp_path):
    norms = ("backbone=resnet18_scratch", "neck=bnneck", "loss=id_triplet", "machine.accelerator=gpu")
    words = [word for word in WORDS if not word.startswith(("backbone", "neck", "loss=", "machine.acc"))]
    every = ("machine=ddp", f"machine.devices={torch.cuda.device_count()}", "trainer.sync_batchnorm=true")
    told = {}
    for name, more in {"one": (), "all": every}.items():
        done = command(*words, *more, *norms, f"data_root={drawn}", f"hydra.run.dir={name}", cwd=tmp_path)
        told[name] = done.stdout + done.stderr
    assert "batch norms see" not in told["all"]
    assert checkpoint(tmp_path / "all")["state_dict"].keys() == checkpoint(tmp_path / "one")["state_dict"].keys()
    losses = [next(row["train/loss"] for row in logged(tmp_path / name) if "train/loss" in row) for name in told]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)  # of the first step, by rounded float32 products
