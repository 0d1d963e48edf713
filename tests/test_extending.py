"""The code of docs/extending.md, put into a copy of the package and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```(python|yaml|diff)\n# (\S+)\n(.*?)```", re.DOTALL)


def changed(text, hunk):
    """The text with the lines of a hunk that begin with + put in their place."""
    lines = hunk.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert text.count(before) == 1, f"not once in the file:\n{before}"
    return text.replace(before, after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package, its configs and its tests, with the parts of the page."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("src", "conf", "experiments", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, root)
    blocks = BLOCK.findall((ROOT / "docs" / "extending.md").read_text())
    assert [kind for kind, _, _ in blocks] == ["python", "yaml"] * 2 + ["diff"] * 2
    for kind, name, content in blocks:
        file = root / name
        assert file.is_file() == (kind == "diff")
        file.write_text(changed(file.read_text(), content) if kind == "diff" else content)
    return root


def run(copy, *words):
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return done, done.stdout + done.stderr


def test_the_contracts_find_the_new_parts_by_themselves(copy):
    names = "loss_is_finite and id_cosine or option_composes and (id_cosine or corridor) or corridor"
    files = ("tests/test_conf.py", "tests/data/test_every_set.py")
    done, printed = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", names)
    assert done.returncode == 0, printed
    assert int(re.search(r"(\d+) passed", printed)[1]) >= 6


def test_a_training_with_all_three_reports_the_new_metric(copy, drawn):
    words = (
        "+experiment=synthetic_softmax", "loss=id_cosine", "dataset.size=tiny", f"data_root={drawn}", "transform.size=[32,16]",
        "machine.workers=0", "trainer.max_epochs=1", "hydra.run.dir=run",
    )  # fmt: skip
    done, printed = run(copy, "reid_lit.train", *words)
    assert done.returncode == 0, printed
    assert "MRR" in printed
    scores = json.loads((copy / "run" / "metrics.json").read_text())["results"][0]["scores"]
    assert scores["rank1"] <= scores["MRR"] <= 1
    done, printed = run(copy, "reid_lit.train", *words, "loss.terms.cosine.loss.margin=2", "hydra.run.dir=refused")
    assert done.returncode == 1
    assert "loss.terms.cosine.loss.margin=2: give a number in [0, 1)" in printed


def test_the_code_of_the_page_is_laid_out_as_ours(copy):
    files = [
        str(copy / name)
        for kind, name, _ in BLOCK.findall((ROOT / "docs" / "extending.md").read_text())
        if kind == "python"
    ]
    for words in (("check",), ("format", "--check")):
        done, printed = run(copy, "ruff", *words, *files)
        assert done.returncode == 0, printed
