"""All that a GPU is needed for, in one command: ``python scripts/gpu.py --out <folder> [--minutes 9]``.

Steps in order of worth: the tests marked ``gpu``; training and embedding; a rival's loop (``--rival``); evaluation,
re-ranking, expansion and k-means; trainings on Market-1501 (``--data``). After each step ``results.json`` and
``results.md`` in the folder hold all figures so far. Called again it goes on where the time ended; on another machine
give it a copy of the folder by ``--resume``. ``--tiny`` is a dry run with small sizes on any machine.
"""

import argparse
import contextlib
import csv
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_report import markdown
from gpu_run_parts import join_parts, split_parts

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 25.0
"""Seconds that a step has to end by itself when the time is over."""
RESERVE = 10.0
"""Seconds kept for the last files."""
SAVE_EVERY = 120.0
"""Seconds between two copies of a training that runs."""


@dataclass(frozen=True)
class Step:
    """A command that ends with a line of JSON.

    Attributes:
        name: Its key in ``results.json``.
        command: The command.
        least: Seconds that must be left for it to be started.
        run: The folder of a training that it goes on with, whose copies are kept; None: it is no training.
    """

    name: str
    command: list[str]
    least: float = 30.0
    run: Path | None = None


@dataclass
class Ledger:
    """What was measured, by machine and step; written whole after each change.

    Attributes:
        out: Where.
        machine: The machine of this call.
        content: Of ``results.json``.
    """

    out: Path
    machine: str
    content: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        file = self.out / "results.json"
        self.content = json.loads(file.read_text()) if file.is_file() else {}
        self.content.setdefault(self.machine, {"facts": facts_of_machine(), "steps": {}})

    @property
    def steps(self) -> dict[str, Any]:
        """The steps of this machine."""
        return self.content[self.machine]["steps"]

    def done(self, name: str) -> bool:
        """Whether a step has come to its end."""
        return self.steps.get(name, {}).get("state") == "done"

    def record(self, name: str, **facts: Any) -> None:
        """Keep what a step gave."""
        self.steps[name] = facts
        for file, text in (
            ("results.json", json.dumps(self.content, indent=2)),
            ("results.md", markdown(self.content)),
        ):
            part = self.out / f".{file}"
            part.write_text(text + "\n")
            part.replace(self.out / file)


def missing_packages() -> list[str]:
    """Requirements of the project that this Python lacks, with the version that is there."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [Requirement(line) for line in project["project"]["dependencies"]]
    wanted += [Requirement(line) for line in project["dependency-groups"]["dev"] if line.startswith(TESTING)]
    lacking = []
    for requirement in wanted:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            lacking.append(str(requirement))
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            lacking.append(f"{requirement} (here {version})")
    return lacking


TESTING = ("pytest>", "pytest-xdist", "hypothesis", "beartype")
"""What the tests marked ``gpu`` need of the group dev."""


def facts_of_machine() -> dict[str, Any]:
    """Card, versions and cores."""
    import torch

    card = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    return {
        "card": "none" if card is None else card.name,
        "memory_gb": None if card is None else round(card.total_memory / 1e9, 1),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
    }


def steps_of(given: argparse.Namespace, work: Path) -> Iterator[Step]:
    """All steps, the most valuable first."""
    python = sys.executable
    half = "bf16-mixed" if given.tiny else "16-mixed"  # float16 needs a GPU
    tiny = ["--tiny"] if given.tiny else []
    steps = ["--steps", "4" if given.tiny else "150"]
    images = ["--images", str(given.images), *steps, *tiny]

    def training(name: str, *words: str, least: float = 60.0) -> Step:
        return Step(name, [python, "scripts/gpu_training.py", *images, *words], least)

    def retrieval(name: str, size: str, *tasks: str, least: float) -> Step:
        asked = tasks[1:2] if given.tiny else tasks
        return Step(name, [python, "scripts/gpu_retrieval.py", "--size", size, "--tasks", *asked, *tiny], least)

    yield Step("tests", [python, "scripts/gpu_tests.py", *(["--collect-only"] if given.tiny else [])], 60.0)
    yield training("training bf16", "--precision", "bf16-mixed")
    if given.rival is not None:
        yield Step("rival", [python, "scripts/gpu_rival.py", "--rival", str(given.rival), *images])
    yield retrieval("retrieval 19,281", "market", "rank", "rerank_and_score", "expand", "k_means", least=60.0)
    yield training("training fp16", "--precision", half)
    yield training("training bf16, compiled", "--precision", "bf16-mixed", "--compile", least=120.0)
    yield retrieval("retrieval 93,820", "msmt", "rank", "rerank_and_score", "expand", "k_means", least=150.0)
    yield training("training fp16, compiled", "--precision", half, "--compile", least=120.0)
    if given.data is not None:
        yield market(given, work / "market_osnet_scratch", "market_osnet_scratch")
        weights = [] if given.weights is None else [f"backbone.weights={given.weights}"]
        yield market(given, work / "market_strong", "market_strong", *weights)


def market(given: argparse.Namespace, run: Path, experiment: str, *words: str) -> Step:
    """A training on Market-1501, or what is left of it."""
    if (run / "checkpoints" / "last.ckpt").is_file():
        command = [f"resume={run}", f"data_root={given.data}"]
    else:
        shutil.rmtree(run, ignore_errors=True)
        kind = "cpu" if given.tiny else "gpu"
        command = [f"+experiment={experiment}", f"machine={kind}", f"trainer={kind}", f"hydra.run.dir={run}"]
        command += [f"data_root={given.data}", "machine.cache=ram", "machine.progress_bar=false", *words]
        epochs = given.epochs or (1 if given.tiny else None)
        command += [] if epochs is None else [f"trainer.max_epochs={epochs}"]
        command += [*TINY_TRAINING, *(["backbone=resnet18_scratch"] * (experiment == "market_strong"))] * given.tiny
    return Step(experiment, [sys.executable, "-m", "reid_lit.train", *command], 60.0, run)


TINY_TRAINING = ["transform.size=[64,32]", "sampler.persons=2", "sampler.images=2",
                 "loader.batch_size=4", "machine.workers=0"]  # fmt: skip


class Runner:
    """Runs steps until the time is over.

    Args:
        ledger: Takes the figures.
        deadline: On ``time.monotonic``.
    """

    def __init__(self, ledger: Ledger, deadline: float) -> None:
        self.ledger, self.deadline = ledger, deadline

    def stop(self, *_: Any) -> None:
        """The time is over: whoever lent the machine wants it back."""
        self.deadline = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def run(self, step: Step) -> None:
        """Run a step, unless it is done or the time is too short for it."""
        if self.ledger.done(step.name):
            return say(f"{step.name}: done before")
        if self.left < step.least + PATIENCE:
            return say(f"{step.name}: not started, {self.left:.0f} s are left and it needs {step.least:.0f} or more")
        say(f"{step.name}: {' '.join(step.command[1:])}")
        start = time.monotonic()
        output, code = self._wait(step)
        seconds = round(time.monotonic() - start, 1)
        if step.run is not None:
            return self._record_training(step, seconds, output, code)
        facts = last_json(output)
        if code == 0 and facts is not None:
            self.ledger.record(step.name, state="done", seconds=seconds, **facts)
        else:
            state = "out of time" if code is None else "failed"
            self.ledger.record(step.name, state=state, seconds=seconds, reason=last_line(output), log=output[-4000:])
        return say(f"{step.name}: {self.ledger.steps[step.name]['state']} in {seconds} s")

    def _record_training(self, step: Step, seconds: float, output: str, code: int | None) -> None:
        before = self.ledger.steps.get(step.name, {})
        facts = {"seconds": round(before.get("seconds", 0.0) + seconds, 1), "calls": before.get("calls", 0) + 1}
        facts |= progress_of(step.run)
        kept = split_parts(step.run, self.ledger.out) if step.run and step.run.is_dir() else []
        if code == 0:
            self.ledger.record(step.name, state="done", **facts, parts=kept)
        elif code is None:
            self.ledger.record(step.name, state="goes on", **facts, parts=kept)
        else:
            self.ledger.record(step.name, state="failed", **facts, reason=last_line(output), log=output[-4000:])
        say(f"{step.name}: {self.ledger.steps[step.name]['state']}, {facts.get('epochs', 0)} epochs in all")

    def _wait(self, step: Step) -> tuple[str, int | None]:
        """What a command printed and its exit status, None where the time was over before its end."""
        paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": paths}
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                step.command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            over = self._until_the_end(process, step)
            output.seek(0)
            return output.read(), None if over else process.returncode

    def _until_the_end(self, process: subprocess.Popen, step: Step) -> bool:
        """Wait for a process, copy its training now and then; whether it was ended because the time was over."""
        saved = time.monotonic()
        while process.poll() is None:
            if self.left <= PATIENCE:
                return end(process)
            if step.run is not None and step.run.is_dir() and time.monotonic() - saved > SAVE_EVERY:
                split_parts(step.run, self.ledger.out)
                saved = time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
        return False


def end(process: subprocess.Popen) -> bool:
    """Ask a process and its children to end, then make them; True."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(PATIENCE - RESERVE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return True


def progress_of(run: Path | None) -> dict[str, Any]:
    """How far a training is: its scores where it is done, else its last logged epoch."""
    if run is None:
        return {}
    if (run / "metrics.json").is_file():
        metrics = json.loads((run / "metrics.json").read_text())
        return {"epochs": metrics["epochs"], "results": metrics["results"]}
    log = run / "log" / "metrics.csv"
    rows = csv.DictReader(log.read_text().splitlines() if log.is_file() else [])
    epochs = [row.get("epoch") for row in rows]  # the column comes with the first epoch that ends
    return {"epochs": max((int(float(epoch)) for epoch in epochs if epoch), default=0)}


def last_json(output: str) -> dict[str, Any] | None:
    """The last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                return None
    return None


def last_line(output: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "it printed nothing")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def made_up_images(folder: Path) -> Path:
    """The tiny synthetic data set, where no images are given."""
    from reid_lit.synthetic.write import write

    write(folder, world="plaza", size="tiny", seed=0)
    return folder


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="takes results.json, results.md and trainings in parts")
    parser.add_argument("--minutes", type=float, default=9.0, help="of this call; what is left goes on in the next")
    parser.add_argument("--resume", type=Path, help="the folder that an earlier call filled, copied to --out first")
    parser.add_argument("--images", type=Path, help="JPEGs to measure speed with; none: Market's, or drawn ones")
    parser.add_argument("--rival", type=Path, help="a checkout of FastReID, whose loop is timed beside ours")
    parser.add_argument("--data", type=Path, help="folder that holds Market-1501-v15.09.15, as $REID_DATA")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of ResNet-50, for market_strong")
    parser.add_argument("--work", type=Path, help="takes trainings while they run; none: a temporary folder")
    parser.add_argument("--only", nargs="+", help="names of steps; none: all")
    parser.add_argument("--epochs", type=int, help="of the trainings; none: their own, or 1 in a dry run")
    parser.add_argument("--tiny", action="store_true", help="a dry run with small sizes, without a GPU too")
    return parser.parse_args()


def check(given: argparse.Namespace) -> None:
    """End with a line that says what is missing."""
    if lacking := missing_packages():
        raise SystemExit(
            "missing here:\n  " + "\n  ".join(lacking) + "\ninstall them, or carry their wheels: pip download"
        )
    import torch

    if not given.tiny and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device here; --tiny is a dry run without one")
    for name in ("data", "rival", "weights", "images", "resume"):
        path = getattr(given, name)
        if path is not None:
            if not path.exists():
                raise SystemExit(f"--{name} {path} does not exist")
            setattr(given, name, path.resolve())


def main() -> None:
    given, start = arguments(), time.monotonic()
    check(given)
    given.out.mkdir(parents=True, exist_ok=True)
    given.out = given.out.resolve()
    if given.resume is not None:
        shutil.copytree(given.resume, given.out, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.work or Path(temporary)).resolve()
        market_train = None if given.data is None else given.data / "Market-1501-v15.09.15" / "bounding_box_train"
        given.images = given.images or market_train or made_up_images(Path(temporary) / "images")
        facts = facts_of_machine()
        ledger = Ledger(given.out, f"{facts['card']}, torch {facts['torch']}{', dry run' if given.tiny else ''}")
        join_parts(given.out, work)
        runner = Runner(ledger, start + 60 * given.minutes)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, runner.stop)
        for step in steps_of(given, work):
            if given.only is None or step.name in given.only:
                runner.run(step)
    print(markdown(ledger.content))


if __name__ == "__main__":
    main()
