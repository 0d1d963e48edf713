"""Commands answer at once: what does not use a library does not import it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

HEAVY = {"torch", "pytorch_lightning", "timm", "matplotlib", "wandb", "torchmetrics", "cv2", "scipy", "sklearn"}
WATCHED = """
import runpy, sys
module, *arguments = sys.argv[1:]
sys.argv = [module, *arguments]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    sys.stderr.write("\\nimported: " + " ".join(sys.modules))
"""
KEPT = Path(__file__).parents[1] / "run" / "kept_82168aa"
COMMANDS = (
    "train",
    "evaluate",
    "embed",
    "submission",
    "figure",
    "page",
    "card",
    "export",
    "matrix",
    "describe",
    "doctor",
    "init",
    "pack",
)


def imported(done):
    return set(done.stderr.rpartition("\nimported: ")[2].split())


def start(code, *arguments, cwd):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ, timeout=120)


@pytest.mark.parametrize(
    ("module", "arguments", "answer"),
    [
        *((name, ["--help"], f"reid_lit.{name}") for name in COMMANDS),
        ("train", ["+table=strong/table1", "plan=true"], "14 numbers from 24 jobs"),
        ("train", ["+experiment=duke_hrnt"], "did you mean duke_hrnet"),
        ("train", ["+experiment=duke_hrnet", "optimizer.lrr=1"], "did you mean lr?"),
        ("evaluate", [], "no run is named"),
        ("page", [], "no run is named"),
        ("card", [], "no run is named"),
        ("export", [], "no run is named"),
        ("figure", [], "figure=<name> draws one of"),
        ("report", [], "python -m reid_lit.report"),
        ("report", ["strong/table1"], "Influence of each trick"),
    ],
)
def test_a_command_imports_what_it_uses(tmp_path, module, arguments, answer):
    done = start(WATCHED, f"reid_lit.{module}", *arguments, cwd=tmp_path)
    assert answer in done.stdout + done.stderr
    assert "reid_lit" in imported(done)
    assert not HEAVY & imported(done)


@pytest.mark.parametrize("words", [("--help",), ("--hydra-help",), ("+experiment=duke_hrnet", "--cfg", "job")])
def test_an_answer_that_nobody_reads_to_its_end_ends_without_a_traceback(tmp_path, words):
    command = [sys.executable, "-m", "reid_lit.train", *words]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()  # as `head` does
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (1, "")


def test_the_package_imports_none_of_them(tmp_path):
    code = "import reid_lit, sys; sys.stderr.write('\\nimported: ' + ' '.join(sys.modules))"
    done = start(code, cwd=tmp_path)
    assert "reid_lit" in imported(done)
    assert not {*HEAVY, "hydra", "numpy", "rich"} & imported(done)


@pytest.fixture
def finished(tmp_path):
    """The folder of a run that has finished."""
    shutil.copytree(KEPT, tmp_path / "run")
    (tmp_path / "run" / "hydra_folder").rename(tmp_path / "run" / ".hydra")
    (tmp_path / "run" / "metrics_when_finished.json").rename(tmp_path / "run" / "metrics.json")
    return tmp_path / "run"


def test_the_page_of_a_finished_run(finished):
    done = start(WATCHED, "reid_lit.page", "run=run", cwd=finished.parent)
    assert "page.html" in done.stdout, done.stderr
    assert (finished / "page.html").is_file()
    assert not HEAVY & imported(done)


def test_a_list_of_crops(tmp_path):
    for number in range(50):
        file = tmp_path / "crops" / f"{number // 5:04}" / f"{number:04}_c{1 + number % 2}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 64), number).save(file)
    done = start(WATCHED, "reid_lit.init", "folder=crops", cwd=tmp_path)
    assert (tmp_path / "crops" / "reid.csv").is_file(), done.stderr
    assert not HEAVY & imported(done)
