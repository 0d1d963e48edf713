"""Train the same small runs with two checkouts and say whether weights and scores agree to the last bit.

python scripts/compare_checkouts.py ../reid_lit_before . --folder /tmp/compared      # minutes; what is done is kept
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

SMALL = "transform.size=[64,32] trainer.precision=32-true loader.workers=0 trainer.max_epochs=2"
TINY = f"dataset.size=tiny loader.batch_size=16 {SMALL}"
PERSONS = "sampler.persons=4 sampler.images=4"
PAIR = f"dataset.source.size=tiny dataset.target.size=tiny {SMALL}"
RUNS = {
    "softmax": f"+experiment=synthetic_softmax {TINY}",
    "circle": f"+experiment=synthetic_softmax loss=id_circle sampler=person {TINY} {PERSONS} evaluation=verification",
    "strong": f"+experiment=synthetic_strong {TINY} {PERSONS}",
    "mined": f"+experiment=synthetic_strong loss=id_triplet_mined neck=bnneck3 {TINY} {PERSONS} evaluation=rerank"
    " evaluation.rerank.k1=5 evaluation.rerank.k2=2 dataset.val_persons=3",
    "stronger": f"+experiment=synthetic_stronger {TINY} {PERSONS}",
    "arn": f"+experiment=plaza_to_campus_arn {PAIR} loader.batch_size=8 sampler.persons=4 sampler.images=2 before={{}}"
    " backbone.weights=none",
    "embae": f"+experiment=plaza_to_campus_embae_cam dataset.size=tiny {SMALL} model.nuisance_epochs=1"
    " scheduler.build.held_epochs=1 scheduler.build.falling_epochs=1"
    ' before_overrides=["dataset.size=tiny","trainer.max_epochs=1"]',
    "pul": f"+experiment=plaza_to_campus_pul {TINY} model.clusters=6 model.epochs_per_round=1 model.threshold=0.1"
    ' before_overrides=["dataset.size=tiny","trainer.max_epochs=1"]',
}
"""By name; in words that every version since 82168aa understands."""


def trained(checkout: Path, words: str, folder: Path, data: Path) -> Path:
    """The folder of a run, made by the code of a checkout unless it is there."""
    if not (folder / "metrics.json").is_file():
        command = [
            sys.executable,
            "-m",
            "reid_lit.train",
            *words.split(),
            f"data_root={data}",
            f"hydra.run.dir={folder}",
        ]
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, cwd=data, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{checkout}: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return folder


def scores(folder: Path) -> list[dict]:
    """The scores of a run, a mapping a test."""
    return [row["scores"] for row in json.loads((folder / "metrics.json").read_text())["results"]]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The last weights of a run."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def main() -> None:
    """Compare run by run; exit code 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where the runs lie")
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS))
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    different = 0
    for name in chosen.only:
        checkouts = {"before": chosen.before.resolve(), "after": chosen.after.resolve()}
        runs = [trained(place, RUNS[name], folder / side / name, data) for side, place in checkouts.items()]
        before, after = (weights(run) for run in runs)
        same = list(before) == list(after) and all(torch.equal(before[key], after[key]) for key in before)
        same_scores = scores(runs[0]) == scores(runs[1])
        different += not (same and same_scores)
        print(f"{name:<10} weights {'equal' if same else 'DIFFER'}, scores {'equal' if same_scores else 'DIFFER'}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
