"""What it saves to compute the maps of a frozen network once: ``python scripts/bench_cached_maps.py --data <folder>``.

Trains ARN without labels and EmbAE's stage 2 on the synthetic data set, from scratch, with and without
``model.cached_maps``, and prints the processor time of the training, the computing of the maps included.
"""

import argparse
import tempfile
import time
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit.paths import packaged
from reid_lit.run.datasets import make_data

CASES = {
    "ARN without labels, ResNet-18, 64 × 32": (
        *("+experiment=plaza_to_campus_arn", "model.criterion=null", "model.train_backbone_epochs=0"),
    ),
    "EmbAE stage 2, MobileNet v1, 64 × 32": ("+experiment=synthetic_embae_autoencoder",),
}
SHARED = ("backbone.weights=none", "trainer.precision=32-true", "machine.workers=0", "machine.cache=ram")


def seconds(folder: str, *overrides: str) -> float:
    """The processor time of a training."""
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        config = hydra.compose("train", [*overrides, *SHARED, f"run_dir={folder}"], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        data = make_data(config)
        data.prepare_data()
        data.setup("fit")
        model = instantiate(config.model, _convert_="all")(persons=data.persons)
        if "weights" in config.model:
            model.weights = f"{folder}/before.ckpt"
            torch.save({"state_dict": model.state_dict()}, model.weights)
        config.trainer.callbacks, config.trainer.logger = None, False
        trainer = instantiate(config.trainer, _convert_="all", enable_checkpointing=False, enable_progress_bar=False)
        start = time.process_time()
        trainer.fit(model, datamodule=data)
    return time.process_time() - start


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="where the synthetic data set is, or is drawn")
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    print(f"| {arguments.epochs} epochs | s | s with cached maps | ratio |\n|---|---|---|---|", flush=True)
    for name, overrides in CASES.items():
        shared = (*overrides, f"data_root={arguments.data}", f"trainer.max_epochs={arguments.epochs}")
        with tempfile.TemporaryDirectory() as folder:
            took = [seconds(folder, *shared, f"model.cached_maps={cached}") for cached in ("false", "true")]
        print(f"| {name} | {took[0]:.1f} | {took[1]:.1f} | {took[0] / took[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
