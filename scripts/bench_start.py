"""Processor time of commands that need no network: ``python scripts/bench_start.py [--run <finished run>]``."""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

HEAVY = ("torch", "pytorch_lightning", "timm", "matplotlib", "wandb", "torchmetrics", "cv2", "scipy", "sklearn")
COMMANDS = ("train", "evaluate", "embed", "submission", "figure", "page", "matrix", "describe", "doctor", "init")
WATCHED = f"""
import runpy, sys
module, file, *arguments = sys.argv[1:]
sys.argv = [module, *arguments]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    open(file, "w").write(" ".join(name for name in {HEAVY!r} if name in sys.modules))
"""


def cases(folder: Path, run: Path | None) -> list[tuple[float, list[str]]]:
    """The bound in seconds, and the module and arguments, of each case."""
    quick = [[f"reid_lit.{name}", "--help"] for name in COMMANDS] + [
        ["reid_lit.train", "+table=strong/table1", "plan=true"],
        ["reid_lit.train", "+experiment=duke_hrnt"],
        ["reid_lit.train", "+experiment=duke_hrnet", "optimizer.lrr=1"],
        ["reid_lit.evaluate"],
        ["reid_lit.figure"],
        ["reid_lit.report"],
        ["reid_lit.report", "strong/table1"],
        ["reid_lit.init", f"folder={crops(folder)}", "overwrite=true"],
    ]
    if run is not None:
        quick.append(["reid_lit.page", f"run={run.resolve()}", f"output={folder / 'page.html'}"])
    return [*((1.5, case) for case in quick), (4.0, ["reid_lit.train", "dataset=market1501"])]


def crops(folder: Path) -> Path:
    """50 images of 10 persons."""
    for number in range(50):
        file = folder / "crops" / f"{number // 5:04}" / f"{number:04}_c{1 + number % 2}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.full((64, 32, 3), number, dtype=np.uint8))
    return folder / "crops"


def measured(case: list[str], folder: Path, runs: int) -> tuple[float, str]:
    """The least user and system time of several starts, and the heavy modules that were imported."""
    module, *arguments = case
    seconds, file = [], folder / "modules.txt"
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", WATCHED, module, str(file), *arguments]
        subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds), file.read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="the folder of a finished run, for its page")
    parser.add_argument("--runs", type=int, default=3, help="starts of each case; the fastest counts")
    options = parser.parse_args()
    print("| command | s | bound | imported |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for bound, case in cases(Path(name), options.run):
            seconds, modules = measured(case, Path(name), options.runs)
            shown = " ".join(case).replace(name, "<folder>").removeprefix("reid_lit.")
            print(f"| {shown} | {seconds:.2f} | {bound} | {modules} |", flush=True)


if __name__ == "__main__":
    main()
