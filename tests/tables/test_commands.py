"""The commands of tables as a user starts them: what they import, and a table that is run."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "pytorch_lightning", "matplotlib")
RUN = f"""
import runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
print("heavy:", [name for name in {HEAVY} if name in sys.modules])
"""


@pytest.mark.parametrize(
    "words",
    [
        ("reid_lit.train", "+table=softmax/table1", "size=laptop", "plan=true"),
        ("reid_lit.report", "softmax/table1", "size=laptop", "table_dir=results"),
    ],
)
def test_a_plan_and_a_report_import_no_network(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.slow
def test_a_table_is_run_and_reported(command, drawn, tmp_path):
    words = (
        "+table=strong/table1", "size=laptop", "rows=1", "seed=3", f"data_root={drawn}", "transform.size=[32,16]",
        "trainer.max_epochs=1", "machine.workers=0", "~callbacks.pictures", "backbone=resnet18_scratch",
    )  # fmt: skip
    command(*words, cwd=tmp_path)
    folder = tmp_path / "tables" / "strong" / "table1-laptop"
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["overrides"][-1] == "backbone=resnet18_scratch"
    (wanted,) = [cell for cell in plan["cells"] if cell["asked"]]
    assert wanted["folder"].startswith(f"{wanted['training']}/evaluate/")
    report = json.loads((folder / "report.json").read_text())
    (cell,) = [cell for cell in report["rows"][0]["cells"].values() if cell["ours"]]
    assert cell["state"] == "done"
    (run,) = cell["runs"]
    row = json.loads((tmp_path / run / "metrics.json").read_text())["results"][0]
    assert cell["ours"]["mAP"]["mean"] == pytest.approx(100 * row["scores"]["mAP"])
    assert not cell["reproduction"]
    again = command(*words, "plan=true", cwd=tmp_path)
    assert "1 number from 2 jobs: 1 training, 1 evaluation; 2 done." in again.stdout
