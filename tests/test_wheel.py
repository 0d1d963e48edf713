"""The wheel, used without a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_holds_conf_and_runs_without_a_checkout(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    wanted = {
        "reid_lit/conf/train.yaml",
        "reid_lit/conf/experiment/duke_hrnet.yaml",
        "reid_lit/pages/templates/run.html",
    }
    wanted |= {"reid_lit/experiments/table/strong/table1.yaml", "hydra_plugins/reid_lit_tables.py"}
    assert wanted <= set(names)
    (entry_points,) = (tmp_path / "site").glob("*.dist-info/entry_points.txt")
    assert "reid-lit = reid_lit.command.console:main" in entry_points.read_text()
    assert not [name for name in names if name.endswith((".so", ".pyd", ".jpg"))]
    done = subprocess.run(
        [sys.executable, "-c", "import reid_lit, runpy, sys; print(reid_lit.__file__); sys.argv = ['train', '+experiment=duke_hrnet',"
         " '--cfg', 'job']; runpy.run_module('reid_lit.train', run_name='__main__')"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(tmp_path / "site") in done.stdout
    assert "hrnet_w18" in done.stdout
