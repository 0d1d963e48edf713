"""42 situations that users of such toolkits have reported, tried on ours: ``python scripts/try_situations.py``.

``situations.yaml`` has a row for each: commands, with the exit code that each should have, what it should print and
what it should not. No command may end in a traceback or in the raw words of a library. Prints a table as Markdown, then
the counts; the exit code is 1 where a row did not end as it should.
"""

import argparse
import collections
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from situation_inputs import draw

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.forks import Forks  # noqa: E402 - it lies in no package

FILE = Path(__file__).with_name("situations.yaml")
RAW = (
    r"Traceback \(most recent call last\)",
    r"Error in call to target|full_key:",
    r"Set the environment variable HYDRA_FULL_ERROR",
    r"hydra\.cc/docs",
)
"""What no command may print."""
_LIMITED = 'mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm && exec "$@"'


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    said: str


class Trial:
    """Tries steps in a working folder; inputs are drawn when a step first names them.

    Args:
        folder: Made here.
        words: What stands for ``$FO`` and such in the commands.
    """

    def __init__(self, folder: Path, words: Mapping[str, str]) -> None:
        self.folder, self.words = folder, words
        self.work, self.inputs, self.output = (folder / name for name in ("work", "inputs", "output"))
        for place in (self.work, self.inputs, self.output):
            place.mkdir(parents=True, exist_ok=True)
        self._forks: list[Forks] = []

    def close(self) -> None:
        """End the processes that fork."""
        for forks in self._forks:
            forks.close()

    def complaints(self, step: Mapping[str, Any]) -> list[str]:
        """Try a step; what it did not do as it should."""
        if "copy" in step:
            source, target = (self.work / name for name in step["copy"])
            shutil.copytree(source, target)
            return []
        commands = [step["do"], *([step["beside"]] if "beside" in step else [])]
        found = [complaint for done in self._run_all(commands, step) for complaint in _complaints(done, step)]
        for pattern, number in step.get("files", {}).items():
            if (count := len(list(self.work.glob(pattern)))) != number:
                found.append(f"{count} files {pattern}")
        return found

    def _run_all(self, commands: Sequence[str], step: Mapping[str, Any]) -> list[Done]:
        """Run commands at once."""
        results: dict[int, Done] = {}

        def run(place: int) -> None:
            results[place] = self._run(commands[place], step, place)

        while len(self._forks) < len(commands):
            self._forks.append(Forks())
        threads = [threading.Thread(target=run, args=(place,)) for place in range(len(commands))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [results[place] for place in sorted(results)]

    def _run(self, command: str, step: Mapping[str, Any], place: int) -> Done:
        for name in [*re.findall(r"\$I/(\w+)", command), *_listed(step.get("draws", ()))]:
            draw(name, self.inputs)
        module, *arguments = map(self._filled, shlex.split(self._spelt(command)))
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "COLUMNS": "120",
            "REID_CACHE": str(self.folder / "cache"), "NETRC": "/dev/null", **step.get("env", {}),
        }  # fmt: skip
        where = self.work / step.get("in", ".")
        where.mkdir(parents=True, exist_ok=True)
        module = f"reid_lit.{module}" if module != "reid_lit" else module
        seconds = step.get("seconds", 150)
        if "shm" in step:
            return _limited(module, arguments, where, environment, step["shm"], seconds)
        output = self.output / str(place)
        output.mkdir(exist_ok=True)
        done = self._forks[place].run(
            module, arguments, cwd=where, environment=environment, folder=output, seconds=seconds
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def _spelt(self, command: str) -> str:
        for name, words in self.words.items():
            command = re.sub(rf"\${name}\b", words, command)
        return command

    def _filled(self, word: str) -> str:
        return word.replace("$I/", f"{self.inputs}/")


def _limited(
    module: str, arguments: Sequence[str], where: Path, environment: Mapping[str, str], megabytes: int, seconds: int
) -> Done:
    """Run a command with little shared memory, as a container has."""
    command = ["unshare", "-m", "bash", "-c", _LIMITED.format(megabytes=megabytes), "-"]
    command += [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command, cwd=where, env=dict(environment), capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Done(-9, "")
    return Done(done.returncode, done.stdout + done.stderr)


def _complaints(done: Done, step: Mapping[str, Any]) -> list[str]:
    """What of a command is not as it should be."""
    codes = _listed(step.get("code", 0))
    if done.code == -9:
        return ["it hangs"]
    found = [] if done.code in codes else [f"exit code {done.code}"]
    said = " ".join(done.said.split())  # a line may be broken anywhere
    found += [f"it does not say {one!r}" for one in _listed(step.get("says", ())) if not re.search(one, said)]
    for one in (*RAW, *_listed(step.get("never", ()))):
        if match := re.search(one, said):
            found.append(f"it says {match[0]!r}")
    if found and done.said.strip():
        found.append(f"its last line: {done.said.strip().splitlines()[-1][:160]}")
    return found


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def rows_of(file: Path = FILE) -> list[dict[str, Any]]:
    """The rows, each with ``row``, ``about`` and ``steps``."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))["rows"]


def words_of(file: Path = FILE) -> dict[str, str]:
    """What stands for ``$FO`` and such."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))["words"]


def tried(row: Mapping[str, Any], trial: Trial) -> list[str]:
    """What of a row is not as it should be; the first step that fails is its last."""
    for number, step in enumerate(row["steps"], 1):
        if complaints := trial.complaints(step):
            return [f"step {number}: {complaints[0]}", *complaints[1:]]
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="rows, such as 8,13")
    parser.add_argument("--folder", type=Path, help="where all is drawn and run, and kept")
    given = parser.parse_args()
    rows = rows_of()
    if given.only:
        chosen = {*given.only.split(",")}
        rows = [row for row in rows if str(row["row"]) in chosen]
        rows = [*(rows_of()[:1] if any(row.get("trained") for row in rows) else []), *rows]
    folder = given.folder or Path(tempfile.mkdtemp())
    trial = Trial(folder.resolve(), words_of())
    counts: collections.Counter[str] = collections.Counter()
    print("| row | situation | steps | outcome |\n|---|---|---|---|")
    try:
        for row in rows:
            complaints = tried(row, trial)
            if row["row"]:
                counts["not as it should be" if complaints else "as it should be"] += 1
            text = "; ".join(complaints).replace("|", r"\|") or "as it should be"
            print(f"| {row['row'] or ''} | {row['about']} | {len(row['steps'])} | {text} |", flush=True)
    finally:
        trial.close()
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{sum(counts.values())} situations: " + ", ".join(f"{number} {kind}" for kind, number in counts.items()))
    sys.exit(bool(counts["not as it should be"]))


if __name__ == "__main__":
    main()
