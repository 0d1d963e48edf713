import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reid_lit.command.resolvers import process_mark
from reid_lit.errors import ExistingFileError
from reid_lit.run.claim import LOCK, claimed

HOLD = """
import sys, time
from pathlib import Path
from reid_lit.run.claim import claimed
with claimed(Path(sys.argv[1]), resumed=False):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_belongs_to_one_process_until_it_ends_however_it_does(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(ExistingFileError, match=r"another process trains in this folder; .* hydra\.run\.dir=<folder>"),
        claimed(tmp_path, resumed=True),
    ):
        pytest.fail("two at once")
    holder.kill()
    holder.communicate()
    with claimed(tmp_path, resumed=False):
        assert (tmp_path / LOCK).exists()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("metrics.json", "has ended"),
        ("checkpoints/last.ckpt", "has begun"),
        ("split_0/checkpoints/last.ckpt", "has begun"),
    ],
)
def test_what_was_trained_is_not_overwritten(tmp_path, name, what):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    with (
        pytest.raises(ExistingFileError, match=rf"holds a training that {what} .* resume=.* goes on with it"),
        claimed(tmp_path, resumed=False),
    ):
        pytest.fail("overwritten")
    with claimed(tmp_path, resumed=True):
        pass


def test_a_training_into_a_finished_folder_is_refused_and_keeps_it(trained, command):
    folder = Path(trained[0])
    names = ("metrics.json", ".hydra/overrides.yaml", ".hydra/config.yaml")
    before = [(folder / name).read_bytes() for name in names]
    done = command(
        "+experiment=synthetic_softmax", "dataset.size=tiny", f"hydra.run.dir={folder}", cwd=folder.parent, check=False
    )
    assert done.returncode == 1
    assert "holds a training that has ended" in done.stderr
    assert "Traceback" not in done.stderr
    assert [(folder / name).read_bytes() for name in names] == before


def test_two_that_start_in_the_same_second_have_a_folder_each():
    config = OmegaConf.create({"dir": "runs/b/12-00_${process_mark:}"})
    assert config.dir == f"runs/b/12-00_{process_mark()}"
    assert int(process_mark(), 36) == os.getpid()


@pytest.mark.slow
def test_two_trainings_that_start_at_once_both_keep_their_results(drawn, tmp_path):
    words = [
        "+experiment=synthetic_softmax",
        "dataset.size=tiny",
        "transform.size=[32,16]",
        "trainer.max_epochs=1",
        "machine.workers=0",
        f"data_root={drawn}",
    ]
    command = [sys.executable, "-m", "reid_lit.train", *words]
    both = [
        subprocess.Popen(
            [*command, f"seed={seed}"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for seed in (0, 1)
    ]
    said = [each.communicate()[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    seeds = [json.loads(file.read_text())["seed"] for file in tmp_path.glob("runs/synthetic_softmax/*/metrics.json")]
    assert sorted(seeds) == [0, 1]
