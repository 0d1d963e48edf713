"""Trains the translations between all pairs of cameras, one after the other, and writes their images."""

import logging
import shutil
import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint
from typing_extensions import override

from reid_lit.data.camera_pair import PairImages, as_seen, decoded, pair_loader
from reid_lit.data.fake_folder import CHECKPOINT, begin, done, pair_folder, set_done
from reid_lit.errors import WriteError
from reid_lit.jobs.lock import give_back, take
from reid_lit.models.cyclegan import CycleGan
from reid_lit.records import absolute
from reid_lit.run.checkpoint_io import WholeCheckpointIO
from reid_lit.run.lineage import Lineage
from reid_lit.training.style_images import write_images
from reid_lit.training.style_work import Pair, Work

_log = logging.getLogger(__name__)

_LOOKED_AT = 64
"""Images of a camera, at most, by which the identity loss is measured."""


def make_all(work: Work) -> list[str]:
    """Train the chosen pairs one after the other, and write their images.

    A pair that is done is passed over, and so is one that another process trains.

    Returns:
        The pairs that other processes train.

    Raises:
        ExistingFileError: the folder holds something else.
        WriteError: the disk has no room.
    """
    begin(work.folder, settings=work.settings(), pairs=[pair.name for pair in work.pairs])
    _check_room(work)
    Lineage(absolute(work.shots)).write(work.folder)
    elsewhere = []
    for number, pair in enumerate(work.pairs, start=1):
        if pair.name not in work.chosen or done(work.folder, pair.name) is not None:
            continue
        place = pair_folder(work.folder, pair.name)
        place.mkdir(parents=True, exist_ok=True)
        lock = take(place)
        if lock is None:
            elsewhere.append(pair.name)
            continue
        try:
            if done(work.folder, pair.name) is None:
                _make(work, pair, f"cameras {pair.name} (pair {number} of {len(work.pairs)})")
        finally:
            give_back(lock)
    return elsewhere


def _check_room(work: Work) -> None:
    needed, free = work.needed_bytes(), shutil.disk_usage(work.folder).free
    if needed > free and len(work.unfinished) == len(work.pairs):
        raise WriteError(
            f"out={work.folder}: the images take about {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free; make"
            f" room, or give out=<a folder on another disk>"
        )


def _make(work: Work, pair: Pair, title: str) -> None:
    """Train a pair, go on where it was killed, write its images, and say so."""
    place, start = pair_folder(work.folder, pair.name), time.perf_counter()
    checkpoint = place / CHECKPOINT
    model = work.model()
    trainer = _trainer(work, place, title)
    device = trainer.strategy.root_device
    if checkpoint.is_file():
        _log.info("%s: goes on from its checkpoint", title)
    else:
        model.identity_before = identity_loss(model.to(device), pair, work.images)
    loader = pair_loader(pair.shots, work.images, seed=work.config.seed, workers=_workers(work.config))
    trainer.fit(model, loader, ckpt_path=checkpoint if checkpoint.is_file() else None)
    after = identity_loss(model.to(device).eval(), pair, work.images)
    written = [
        write_images(generator, shots, to=camera, folder=work.folder, part=place / "part.jpg", size=work.images.size)
        for generator, shots, camera in (
            (model.to_b, pair.shots[0], pair.cameras[1]),
            (model.to_a, pair.shots[1], pair.cameras[0]),
        )
    ]
    facts = {
        "images": sum(len(shots) for shots in pair.shots),
        "digest": "".join(written),
        "identity_loss": {"before": model.identity_before, "after": after},
        "epochs": trainer.current_epoch,
        "seconds": round(time.perf_counter() - start, 1),
    }
    set_done(work.folder, pair.name, facts)
    checkpoint.unlink(missing_ok=True)
    _log.info(
        "%s: done; identity loss %.4f before, %.4f after; %d images written", title, model.identity_before, after,
        facts["images"],
    )  # fmt: skip


def _workers(config: DictConfig) -> int:
    return config.machine.workers if isinstance(config.machine.workers, int) else 0


@torch.no_grad()
def identity_loss(model: CycleGan, pair: Pair, images: PairImages) -> float:
    """The mean absolute difference, in [0, 2], between images and what the generator of their style makes of them."""
    device = next(model.parameters()).device
    losses = []
    for generator, shots in zip((model.to_a, model.to_b), pair.shots, strict=True):
        for shot in shots[:: -(-len(shots) // _LOOKED_AT)]:
            image = as_seen(decoded([shot], images.size)).to(device)
            losses.append((generator(image).float() - image).abs().mean())
    return float(torch.stack(losses).mean())


class Told(pl.Callback):
    """Says after each epoch how far a pair is.

    Args:
        title: The pair's.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        figures = ", ".join(f"{name} {float(value):.3f}" for name, value in sorted(trainer.callback_metrics.items()))
        _log.info("%s: epoch %d of %s; %s", self._title, trainer.current_epoch + 1, trainer.max_epochs, figures)


def _trainer(work: Work, place: Path, title: str) -> pl.Trainer:
    config = work.config
    keep = ModelCheckpoint(dirpath=place, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = pl.Trainer(
        accelerator=config.machine.accelerator,
        devices=1,
        precision=config.trainer.precision,
        max_epochs=config.translation.held_epochs + config.translation.falling_epochs,
        callbacks=[keep, Told(title)],
        logger=False,
        enable_progress_bar=config.machine.progress_bar,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        benchmark=config.trainer.benchmark,
        plugins=[LightningEnvironment()],
    )
    trainer.strategy.checkpoint_io = WholeCheckpointIO()
    return trainer
