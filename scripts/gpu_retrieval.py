"""Evaluation, re-ranking, expansion and k-means on the card and on the CPU, with both scores.

``python scripts/gpu_retrieval.py --size market --tasks rank expand`` ends with one line of JSON.
"""

import argparse
import json

import torch

import bench_retrieval
from bench_retrieval import MARKET, MSMT, NOISE, measured

SETTINGS = {"rank": {"repeats": 2}}
"""More than the noise that a task takes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=["market", "msmt"], required=True, help="19,281 or 93,820 images × 2,048")
    parser.add_argument("--tasks", nargs="+", required=True, choices=sorted(bench_retrieval.TASKS))
    parser.add_argument("--tiny", action="store_true", help="a dry run: a hundredth of the size, on the CPU twice")
    given = parser.parse_args()
    size = {"market": MARKET, "msmt": MSMT}[given.size].scaled(0.01 if given.tiny else 1.0)
    card = "cuda" if torch.cuda.is_available() else "cpu"
    found = {}
    for task in given.tasks:
        there = measured(task, size, noise=NOISE, device=card, **SETTINGS.get(task, {}))
        here = measured(task, size, noise=NOISE, device="cpu", **SETTINGS.get(task, {}))
        score = "inertia" if "inertia" in here else "mAP"
        found[task] = {
            "card_seconds": round(there["seconds"], 3),
            "cpu_seconds": round(here["seconds"], 3),
            "peak_gb": round(there["peak"], 2),
            "score": score,
            "card_score": there[score],
            "cpu_score": here[score],
        }
    print(json.dumps({"size": str(size), "tasks": found}))


if __name__ == "__main__":
    main()
