"""Started by test_two_ranks.py: each variant of EmbAE and each row of ARN's Table 2 takes steps on two ranks.

Prints a line for each, from the first rank: its name, the parts that moved, and whether both ranks end with the same weights
(the statistics of batch norms are a rank's own).
"""

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import hydra
import pytorch_lightning as pl
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from tests.models.test_arn import ROWS, tiny_backbone, transfer_batch
from tests.models.test_embae import FakeData, Images, autoencoder, saved
from torch.utils.data import DataLoader

from reid_lit.paths import packaged

VARIANTS = {"stage2": (2, None), **{variant: (3, variant) for variant in ("plain", "fix", "new", "cam")}}
QUIET = ("accelerator", "logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar")


class OwnImages(Images):
    """Other images on each rank."""

    def train_dataloader(self):
        batches, rank = super().train_dataloader().dataset, self.trainer.global_rank
        return DataLoader(
            [batch._replace(image=batch.image.roll(rank, -1) / (1 + rank)) for batch in batches], batch_size=None
        )


class Pairs(FakeData):
    """Batches of a source and a target, other ones on each rank."""

    two_domains = True

    def train_dataloader(self):
        return DataLoader([transfer_batch(2 * k + self.trainer.global_rank) for k in range(2)], batch_size=None)

    def val_dataloader(self):
        return []


def arn(row):
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        config = hydra.compose(
            "train",
            ["dataset=transfer", "transform=arn", "transform.size=[32,16]", "model=arn", "loss=arn", "scheduler=constant",
             "model.widths=[8,8,6]", "model.difference_weight=1.0", "model.train_backbone_epochs=1", *ROWS[row]],
        )  # fmt: skip
    config.model.backbone = None
    torch.manual_seed(0)
    made = instantiate(config.model, _convert_="all")
    return made.func(**made.keywords | {"backbone": tiny_backbone()}, persons=6)


def embae(name, folder):
    stage, variant = VARIANTS[name]
    cameras = 3 if name == "cam" else None
    run = saved(autoencoder(stage=2, variant=None, cameras=cameras), Path(folder) / name)
    return autoencoder(stage=stage, variant=variant, cameras=cameras, weights=run)


def flat(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def trained(name, model, data):
    trainer = pl.Trainer(
        max_epochs=2, strategy="ddp", devices=2, use_distributed_sampler=False, limit_val_batches=0,
        **dict(zip(QUIET, ("cpu", False, False, False, False), strict=True)),
    )  # fmt: skip
    before = flat(model)
    trainer.fit(model, datamodule=data)
    after = flat(model)
    total = torch.stack([value.detach().double().sum() for value in model.parameters()]).sum()
    both = trainer.strategy.all_gather(total)
    if trainer.is_global_zero:
        moved = sorted({key.split(".")[0] for key, value in after.items() if not torch.equal(value, before[key])})
        sys.stdout.write(json.dumps({"name": name, "moved": moved, "same": bool((both == both[0]).all())}) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        for name in VARIANTS:
            trained(name, embae(name, folder), OwnImages())
    for row in ROWS:
        trained(row, arn(row), Pairs())
    torch.distributed.destroy_process_group()  # its threads may end the process by a signal where they outlive it
