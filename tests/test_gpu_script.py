import json
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests import script_modules
from tests.script_modules import SCRIPTS

from reid_lit.synthetic.write import write

ROOT = Path(__file__).parents[1]


def gpu(*words):
    command = [sys.executable, str(SCRIPTS / "gpu.py"), "--tiny", *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def results(out):
    (machine,) = json.loads((out / "results.json").read_text()).values()
    return machine["steps"]


@pytest.fixture
def script():
    """A module of ``scripts/``."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(script_modules.script(name))


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """The synthetic persons, whose files are named as Market-1501's, as that data set."""
    root = tmp_path_factory.mktemp("data")
    write(root / "Market-1501-v15.09.15", world="plaza", size="tiny", seed=0)
    return root


@pytest.mark.slow
def test_a_dry_run_measures(tmp_path, market):
    out = tmp_path / "out"
    names = ["training bf16", "retrieval 19,281"]
    ended = gpu("--out", out, "--data", market, "--only", *names)
    steps = results(out)
    assert {name: steps[name]["state"] for name in names} == dict.fromkeys(names, "done"), ended.stdout
    rates = steps["training bf16"]["images_a_second"]
    assert rates.keys() == {"workers", "memory", "bare loop", "cache", "embedding"}
    assert min(rates.values()) > 0
    for facts in steps["retrieval 19,281"]["tasks"].values():
        assert facts["card_score"] == pytest.approx(facts["cpu_score"], rel=1e-4)
    assert "| k-reciprocal re-ranking of" in (out / "results.md").read_text()
    again = gpu("--out", tmp_path / "next", "--resume", out, "--data", market, "--only", *names)
    assert again.stdout.count("done before") == 2


@pytest.mark.slow
def test_a_training_goes_on_in_the_next_call(tmp_path, market):
    first, second, work = tmp_path / "first", tmp_path / "second", tmp_path / "work"
    only = ["--tiny", "--data", str(market), "--only", "market_osnet_scratch"]
    command = [
        sys.executable,
        str(SCRIPTS / "gpu.py"),
        "--out",
        str(first),
        "--work",
        str(work),
        "--epochs",
        "8",
        *only,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not (work / "market_osnet_scratch" / "checkpoints" / "last.ckpt").is_file() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # the machine is wanted back
    said, _ = process.communicate()
    assert (first / "results.json").is_file(), said
    step = results(first)["market_osnet_scratch"]
    assert step["state"] == "goes on", said
    assert step["parts"]
    ended = gpu("--out", second, "--resume", first, *only[1:])
    step = results(second)["market_osnet_scratch"]
    assert (step["state"], step["epochs"], step["calls"]) == ("done", 8, 2), ended.stdout
    assert 0 < step["results"][0]["scores"]["mAP"] <= 1
    assert (second / "market_osnet_scratch.tar.00").stat().st_size <= 16 * 1024**2


def test_a_training_that_ends_before_its_first_epoch_has_done_none(script, tmp_path):
    log = tmp_path / "log" / "metrics.csv"
    log.parent.mkdir()
    for text, epochs in (("lr-SGD,step\n0.1,0\n", 0), ("epoch,lr-SGD,step\n,0.1,0\n2,,9\n", 2)):
        log.write_text(text)
        assert script("gpu").progress_of(tmp_path) == {"epochs": epochs}


def test_a_short_time_starts_nothing(tmp_path):
    ended = gpu("--out", tmp_path / "out", "--minutes", "0.1")
    assert ended.returncode == 0
    assert "not started" in ended.stdout
    assert not (tmp_path / "out" / "results.json").exists()


def test_each_step_has_a_command_that_its_script_takes(script, tmp_path):
    module = script("gpu")
    given = module.argparse.Namespace(
        tiny=False, images=Path("images"), rival=Path("rival"), data=Path("data"), weights=None, epochs=None
    )
    steps = list(module.steps_of(given, tmp_path))
    assert len({step.name for step in steps}) == len(steps) == 10
    for step in steps:
        if step.command[1] == "-m":
            continue
        text = (ROOT / step.command[1]).read_text()
        options = [word for word in step.command[2:] if word.startswith("--")]
        assert all(f'"{option}"' in text for option in options), step.command


def test_a_missing_folder_and_a_missing_package_are_named(script, tmp_path, monkeypatch):
    ended = gpu("--out", tmp_path / "out", "--data", tmp_path / "nowhere")
    assert ended.returncode == 1
    assert f"--data {tmp_path / 'nowhere'} does not exist" in ended.stdout
    module = script("gpu")
    assert module.missing_packages() == []
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "0.0.1" if name == "timm" else "999")
    assert any(re.match(r"timm>=.* \(here 0\.0\.1\)", line) for line in module.missing_packages())


def test_parts_are_joined_to_what_they_were(script, tmp_path):
    module = script("gpu_run_parts")
    run, out = tmp_path / "runs" / "one", tmp_path / "out"
    (run / "checkpoints").mkdir(parents=True)
    out.mkdir()
    content = bytes(range(256)) * (module.PART // 200)
    (run / "checkpoints" / "last.ckpt").write_bytes(content)
    names = module.split_parts(run, out)
    assert len(names) == 2
    assert max((out / name).stat().st_size for name in names) <= module.PART
    module.join_parts(out, tmp_path / "work")
    assert (tmp_path / "work" / "one" / "checkpoints" / "last.ckpt").read_bytes() == content
    (run / "checkpoints" / "last.ckpt").write_bytes(b"small")
    assert module.split_parts(run, out) == names[:1]
    assert not (out / names[1]).exists()


def test_parts_that_were_cut_or_are_missing_are_refused(script, tmp_path):
    module = script("gpu_run_parts")
    run, out = tmp_path / "one", tmp_path / "out"
    run.mkdir()
    out.mkdir()
    (run / "a").write_bytes(b"1")
    (name,) = module.split_parts(run, out)
    (out / name).write_bytes((out / name).read_bytes()[:-1])
    with pytest.raises(SystemExit, match=r"SHA-256 .* it was cut or exchanged"):
        module.join_parts(out, tmp_path / "work")
    (out / name).unlink()
    with pytest.raises(SystemExit, match="is missing"):
        module.join_parts(out, tmp_path / "work")


def test_the_report_says_what_is_reached(script):
    module = script("gpu_report")
    rates = {"workers": 900.0, "cache": 1000.0, "memory": 1000.0, "bare loop": 1020.0, "embedding": 3000.0}
    training = {
        "state": "done", "seconds": 1, "images_a_second": rates, "batch_size": 64, "peak_gb": 7.0,
        "waits_with_workers": 0.1, "waits_with_cache": 0.0, "step_to_bare_step": 1.02,
    }  # fmt: skip
    ranking = {"card_seconds": 0.5, "cpu_seconds": 5, "peak_gb": 1, "score": "mAP", "card_score": 0.9, "cpu_score": 0.8}
    steps = {
        "training bf16": training,
        "training fp16": training,
        "rival": {"state": "done", "seconds": 1, "images_a_second": 600.0, "batch_size": 64, "patched": ["one"]},
        "retrieval 19,281": {"state": "done", "seconds": 1, "size": "9", "tasks": {"rerank_and_score": ranking}},
        "tests": {"state": "done", "tests": 5, "failures": 1, "errors": 0, "skipped": 1, "failed": ["a::b"]},
        "market_strong": {"state": "failed", "epochs": 0, "calls": 1, "reason": "no weights"},
    }
    facts = {"cuda": "13", "python": "3.12", "cores": 16}
    text = module.markdown({"card": {"facts": facts, "steps": steps}})
    assert "| ≥ 1.3 × | 1.50 × |" in text
    assert "| wait for data, workers | ≤ 5 % | 10.0% |" in text
    assert "| mAP 0.9, 0.8 | **no** |" in text
    assert "3 passed, 1 failed, 1 skipped, a::b" in text
    assert "no weights" in text
