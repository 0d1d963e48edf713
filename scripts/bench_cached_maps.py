"""What it saves to compute the maps of a frozen network once: ``python scripts/bench_cached_maps.py --data <folder>``.

Trains ARN without labels and EmbAE's stage 2 on the synthetic data set, with and without ``model.cached_maps``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SHARED = ("~callbacks.health", "~callbacks.pictures", "machine.progress_bar=false", "machine.cache=ram")
CASES = {
    "ARN, ResNet-18, 64 × 32": (
        *(
            "+experiment=plaza_to_campus_arn",
            "backbone.weights=none",
            "model.criterion=null",
            "model.train_backbone_epochs=0",
        ),
    ),
    "EmbAE stage 2, MobileNet v1, 64 × 32": (
        "+experiment=synthetic_embae_autoencoder",
        'before_overrides=["trainer.max_epochs=1","~callbacks.pictures"]',
    ),
}


def seconds(folder: Path, *overrides: str) -> float:
    """The seconds that a training took, its tests and the stages before it left out."""
    command = [sys.executable, "-m", "reid_lit.train", *overrides, *SHARED, f"hydra.run.dir={folder}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return float(json.loads((folder / "metrics.json").read_text())["train_seconds"])


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="where the synthetic data set is, or is drawn")
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    print(f"| {arguments.epochs} epochs | s | s with cached maps | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name, overrides in CASES.items():
            shared = (*overrides, f"data_root={arguments.data}", f"before_dir={place}/before")
            took = [
                seconds(
                    Path(place, f"{len(name)}-{cached}"), *shared, f"trainer.max_epochs={arguments.epochs}",
                    f"model.cached_maps={cached}",
                )
                for cached in ("false", "true")
            ]  # fmt: skip
            print(f"| {name} | {took[0]:.1f} | {took[1]:.1f} | {took[0] / took[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
