"""``reid-lit <command> …`` is ``python -m reid_lit.<command> …``, also in the processes that it starts."""

import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from reid_lit.command.console import commands

ROOT = Path(__file__).parents[2]
SCRIPT = "import sys; from reid_lit.command.console import main; sys.argv[0] = 'reid-lit'; sys.exit(main())"
"""What an installed script does: `__main__` is no module of ours and has no name."""


def reid_lit(*arguments, cwd):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False, timeout=300,
        env=environment,
    )  # fmt: skip


def test_the_installed_script_is_this_function():
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["reid-lit"]
    module, _, function = entry.partition(":")
    assert callable(getattr(import_module(module), function))


def test_every_command_says_in_a_line_what_it_is_for():
    assert {"train", "evaluate", "embed", "report", "page", "gallery"} <= set(commands())
    assert not {"errors", "paths", "records", "__init__"} & set(commands())
    assert commands()["train"] == "train, test and show a model"
    assert all(purpose and "``" not in purpose for purpose in commands().values())


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_commands_are_listed(tmp_path, arguments):
    done = reid_lit(*arguments, cwd=tmp_path)
    assert done.returncode == 0
    for name, purpose in commands().items():
        assert f"  {name} " in done.stdout
        assert purpose in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_misspelt_command_gets_near_names(tmp_path):
    done = reid_lit("evaluat", "seed=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no command 'evaluat'; did you mean evaluate or calibrate?\n"


def test_arguments_and_the_exit_code_are_passed(tmp_path):
    done = reid_lit("train", "+experiment=synthetic_softmax", "seed=7", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seed: 7" in done.stdout
    done = reid_lit("train", "optimizer.lrr=1", cwd=tmp_path)
    assert done.returncode == 1
    assert "did you mean lr?" in done.stderr
    assert reid_lit("report", cwd=tmp_path).stderr.startswith("python -m reid_lit.report <paper>/<table>")


@pytest.mark.slow
def test_ranks_and_jobs_start_through_it(drawn, tmp_path):
    """The second rank and the jobs of a multirun are started by the name of `__main__`."""
    short = [
        "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[32,16]", "loader.batch_size=16", "machine.workers=0",
        f"data_root={drawn}", "trainer.max_epochs=1", "~callbacks.pictures",
    ]  # fmt: skip
    ranks = ("machine.devices=2", "machine.strategy=ddp")
    done = reid_lit("train", "-m", *short, *ranks, "seed=0", "hydra.sweep.dir=several", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (file.parent for file in (tmp_path / "several").glob("*/metrics.json"))
    assert "MEMBER: 2/2" in (run / "job.log").read_text()
    (start,) = json.loads((run / "environment.json").read_text())
    assert start["command"].partition(" ")[2].startswith("-m reid_lit.train +experiment=synthetic_softmax")
