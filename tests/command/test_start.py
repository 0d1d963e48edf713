"""Commands answer at once: what does not use a library does not import it."""

import os
import subprocess
import sys

import pytest

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
COMMANDS = ("train", "evaluate", "embed", "submission", "figure", "page", "matrix", "describe", "doctor", "init")


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
        ("figure", [], "figure=<name> draws one of"),
        ("report", [], "python -m reid_lit.report"),
    ],
)
def test_a_command_imports_what_it_uses(tmp_path, module, arguments, answer):
    done = start(WATCHED, f"reid_lit.{module}", *arguments, cwd=tmp_path)
    assert answer in done.stdout + done.stderr
    assert "reid_lit" in imported(done)
    assert not HEAVY & imported(done)


def test_the_package_imports_none_of_them(tmp_path):
    code = "import reid_lit, sys; sys.stderr.write('\\nimported: ' + ' '.join(sys.modules))"
    done = start(code, cwd=tmp_path)
    assert "reid_lit" in imported(done)
    assert not {*HEAVY, "hydra", "numpy", "rich"} & imported(done)
