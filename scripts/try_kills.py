"""What a kill costs, at 20 moments on two file systems: ``python scripts/try_kills.py``.

A command is killed (SIGKILL) at a moment, and repeated; a training is resumed. What it leaves is compared with what the
command leaves that nobody kills: weights, scores and log of a training, the bytes of a file. A moment is *kept* if all
agree bit for bit and no partial file is left. The folders are once on the disk of ``$TMPDIR`` and once in memory, while
``$TMPDIR`` stays on the disk. Each command is a fork of this process, which has imported the libraries alone.
"""

import argparse
import functools
import hashlib
import importlib
import json
import os
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIBRARIES = ("hydra", "torch", "torchmetrics", "pytorch_lightning", "timm", "wandb", "matplotlib.pyplot", "cv2")
TRAIN = [
    "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[32,16]", "loader.batch_size=16",
    "machine.workers=0", "machine.progress_bar=false", "trainer.log_every_n_steps=1", "trainer.max_epochs=3",
    "trainer.precision=32-true", "neck.build.dropout=0.5",
]  # fmt: skip
PATIENCE = 300
"""Seconds after which a command is said to hang."""


@dataclass(frozen=True)
class Moment:
    """When a command is killed.

    Attributes:
        name: In words.
        trap: ``call``, a function's n-th call; ``half``, ``whole`` or ``renamed``, the n-th time that a file of that
            name is written by half, whole beside the one before, or in its place; ``there``, once a file is there.
        what: The function, the file's name, or a pattern of it.
        number: Which time, from 1.
        command: Which command.
    """

    name: str
    trap: str
    what: str
    number: int = 1
    command: str = "train"


_LOSS = "reid_lit.callbacks.training.FiniteLoss"
MOMENTS = (
    Moment("before the first step", "call", "reid_lit.models.base.RetrievalModel.on_train_start"),
    Moment("in the first epoch", "call", f"{_LOSS}.on_train_batch_end", 3),
    Moment("at the end of an epoch, before its checkpoint", "call", f"{_LOSS}.on_train_epoch_end", 2),
    Moment("first checkpoint half written", "half", "last.ckpt", 1),
    Moment("first checkpoint written, not in its place", "whole", "last.ckpt", 1),
    Moment("first checkpoint in its place", "renamed", "last.ckpt", 1),
    Moment("in the second epoch", "call", f"{_LOSS}.on_train_batch_end", 8),
    Moment("second checkpoint half written", "half", "last.ckpt", 2),
    Moment("second checkpoint written, not in its place", "whole", "last.ckpt", 2),
    Moment("last checkpoint half written", "half", "last.ckpt", 3),
    Moment("in the test", "call", "reid_lit.models.retrieval.EmbeddingModel.test_step", 1),
    Moment("in a picture", "half", "ranked_lists.png", 1),
    Moment("between two pictures", "renamed", "failures.png", 1),
    Moment("as the scores are written", "whole", "metrics.json", 1),
    Moment("in evaluate, as its scores are written", "half", "metrics.json", 1, "evaluate"),
    Moment("in embed", "half", "embeddings.safetensors", 1, "embed"),
    Moment("in page", "half", "page.html", 1, "page"),
    Moment("while a data set is drawn", "call", "reid_lit.synthetic.write.draw", 40, "draw"),
    Moment("in the first job of a sweep", "there", "sweep/0_*/checkpoints/last.ckpt", 1, "sweep"),
    Moment("in the second job of a sweep", "there", "sweep/1_*/checkpoints/last.ckpt", 1, "sweep"),
)


def command_of(name: str, place: Path) -> tuple[str, list[str]]:
    """Module and words of a command whose files are in ``place``; the finished run is beside it."""
    run, data = place.parent / "reference" / "run", f"data_root={place.parent / 'data'}"
    drawn = ["dataset=synthetic", "dataset.size=tiny", "machine.workers=0", f"dataset.root={place / 'drawn'}"]
    sweep = ["-m", *TRAIN, data, "seed=0,1", "~callbacks.pictures", f"hydra.sweep.dir={place / 'sweep'}"]
    return {
        "train": ("reid_lit.train", [*TRAIN, data, f"hydra.run.dir={place / 'run'}"]),
        "resume": ("reid_lit.train", [f"resume={place / 'run'}"]),
        "evaluate": ("reid_lit.evaluate", [f"run={run}", "evaluation.flip=false", f"hydra.run.dir={place / 'again'}"]),
        "embed": ("reid_lit.embed", [f"run={run}", f"file={place / 'embeddings.safetensors'}"]),
        "page": ("reid_lit.page", [f"run={run}", f"output={place / 'page.html'}"]),
        "draw": ("reid_lit.describe", drawn),
        "sweep": ("reid_lit.train", sweep),
    }[name]


def left(name: str, place: Path) -> dict[str, str]:
    """What a command leaves that has to be the same, by what it is; of times and paths nothing."""
    if name == "draw":
        return {file.name: _digest(file.read_bytes()) for file in sorted((place / "drawn").rglob("*.jpg"))}
    if name == "embed":
        return {"embeddings": _tensors(place / "embeddings.safetensors")}
    if name == "page":
        return {"page.html": _digest((place / "page.html").read_bytes())}
    if name == "evaluate":
        return _scores(place / "again")
    return {
        f"{run.name}: {what}": value
        for run in ([place / "run"] if name == "train" else sorted((place / "sweep").glob("[01]_*")))
        for what, value in (_scores(run) | _trained(run)).items()
    }


def _scores(run: Path) -> dict[str, str]:
    metrics = json.loads((run / "metrics.json").read_text())
    queries = {f"queries of {file.stem}": _tensors(file) for file in sorted((run / "queries").glob("*.safetensors"))}
    return {"scores": json.dumps([row["scores"] for row in metrics["results"]])} | queries


def _trained(run: Path) -> dict[str, str]:
    import torch

    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {"weights": _content(weights), "log": (run / "log" / "metrics.csv").read_text()}


def _tensors(file: Path) -> str:
    from safetensors.torch import load_file

    return _content(load_file(file))


def _content(tensors: dict[str, Any]) -> str:
    return _digest(b"".join(key.encode() + value.numpy().tobytes() for key, value in sorted(tensors.items())))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def partial(place: Path) -> list[Path]:
    """Files and folders that a process has not come to the end of."""
    return [path for path in place.rglob(".*-*") if not path.name.startswith(".hydra")]


def forked(module: str, words: Sequence[str], said: Path, trap: Callable[[], object] = lambda: None) -> int:
    """Start ``python -m module words`` as a process of its own; the number of the process."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    sys.argv = [module, *words]
    code = 1
    try:
        trap()
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        os.write(2, f"{stop.code}\n".encode())
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)


def ended(child: int, until: Callable[[], bool] = lambda: False) -> int:
    """Wait for a process; kill its group when ``until`` is true, or when it hangs. Its exit code, < 0 for a kill."""
    end = time.monotonic() + PATIENCE
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if until() or time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            until = bool
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(done[1])


def kill_now() -> None:
    """End this process as a power failure does, and all that it has started."""
    os.killpg(0, signal.SIGKILL)


def trap_of(moment: Moment) -> Callable[[], object]:
    """What a process does to be killed at a moment."""
    return functools.partial(_at_call if moment.trap == "call" else _at_file, moment)


def _at_call(moment: Moment) -> None:
    owner, _, name = moment.what.rpartition(".")
    part: Any = _found(owner)
    before, count = getattr(part, name), 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == moment.number:
            kill_now()
        return before(*arguments, **options)

    setattr(part, name, counted)


def _at_file(moment: Moment) -> None:
    paths = importlib.import_module("reid_lit.paths")
    before, stem, count, is_due = paths._to_disk, f".{Path(moment.what).stem}.", 0, False

    def to_disk(path: Path) -> None:
        nonlocal count, is_due
        if is_due:  # the folder, after the file was renamed
            kill_now()
        if path.name.startswith(stem) and path.suffix == Path(moment.what).suffix:
            count += 1
            if count == moment.number:
                if moment.trap == "half":
                    os.truncate(path, path.stat().st_size // 2)
                is_due = moment.trap == "renamed"
                if not is_due:
                    kill_now()
        before(path)

    paths._to_disk = to_disk


def _found(name: str) -> Any:
    """A module, or a class in one."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last) if last[:1].isupper() else importlib.import_module(name)


def tried(moment: Moment, folder: Path) -> str:
    """What is lost by a kill at a moment; empty for nothing."""
    place, said = folder / "killed", folder / "said.txt"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    said.unlink(missing_ok=True)
    module, words = command_of(moment.command, place)
    if moment.trap == "there":
        code = ended(forked(module, words, said), lambda: any(place.glob(moment.what)))
    else:
        code = ended(forked(module, words, said, trap_of(moment)))
    if code != -signal.SIGKILL:
        return f"not killed, but ended with {code}: {_last(said)}"
    again = "resume" if moment.command == "train" else moment.command
    if (code := ended(forked(*command_of(again, place), said))) != 0:
        return f"the command again ends with {code}: {_last(said)}"
    reference = left(moment.command, folder / "reference")
    try:
        mine = left(moment.command, place)
    except OSError as error:
        return str(error)
    different = [what for what in reference if mine.get(what) != reference[what]] + [*(mine.keys() - reference.keys())]
    return ", ".join([*different, *(f"{path.relative_to(place)} is left" for path in partial(place))])


def _last(said: Path) -> str:
    return (said.read_text(errors="replace").strip().splitlines() or ["nothing said"])[-1]


def outcomes(moments: Sequence[Moment], folder: Path) -> Iterator[tuple[Moment, str]]:
    """Each moment, and what is lost."""
    reference = folder / "reference"
    reference.mkdir()
    for name in ("train", *dict.fromkeys(moment.command for moment in moments if moment.command != "train")):
        if (code := ended(forked(*command_of(name, reference), folder / "said.txt"))) != 0:
            raise SystemExit(f"{name} ends with {code}: {_last(folder / 'said.txt')}")
    for moment in moments:
        yield moment, tried(moment, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="words of the names of the moments; all without")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a folder of another file system")
    parser.add_argument("--one", action="store_true", help="on the disk of $TMPDIR alone")
    given = parser.parse_args()
    for library in LIBRARIES:
        importlib.import_module(library)
    moments = [each for each in MOMENTS if not given.only or any(word in each.name for word in given.only)]
    lost = 0
    for where in [Path(tempfile.gettempdir())] if given.one else [Path(tempfile.gettempdir()), given.memory]:
        with tempfile.TemporaryDirectory(dir=where) as folder:
            os.environ["REID_CACHE"] = str(Path(folder) / "cache")
            kept = 0
            for moment, loss in outcomes(moments, Path(folder)):
                kept, lost = kept + (not loss), lost + bool(loss)
                print(f"{where}: {moment.name}: {loss or 'kept'}", flush=True)
        print(f"{where}, $TMPDIR {tempfile.gettempdir()}: {kept} of {len(moments)} kept bit for bit", flush=True)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
