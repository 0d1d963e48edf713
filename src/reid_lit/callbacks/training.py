"""Callbacks of a training: its progress bar, its random state, its losses."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import TQDMProgressBar
from torch import Tensor
from typing_extensions import override

from reid_lit.errors import NotFiniteError
from reid_lit.records import Batch, MixedBatch, TransferBatch

_SHOWN = 3
"""Images of a batch that a message names."""


class Progress(TQDMProgressBar):
    """Lightning's bar without the logger's version, which is always the same here.

    Args:
        refresh_rate: Steps between two updates.
    """

    @override
    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


class RandomState(pl.Callback):
    """Keep the random state in the checkpoint, and seed each epoch anew.

    Every epoch starts from a seed that depends on the run's seed, the epoch and the rank alone, so that a resumed run
    repeats what was lost, bit for bit on the CPU.

    Args:
        seed: The run's seed.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        sequence = np.random.SeedSequence([self.seed, trainer.current_epoch, trainer.global_rank])
        draw = int(sequence.generate_state(1)[0])
        random.seed(draw)
        np.random.seed(draw)  # noqa: NPY002 - third parties draw from the global generator
        torch.manual_seed(draw)

    @override
    def state_dict(self) -> dict[str, Any]:
        kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - third parties draw from it
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": (str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss),
            "python": random.getstate(),
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        torch.set_rng_state(state_dict["torch"].cpu())
        if len(state_dict["cuda"]) == torch.cuda.device_count() and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([state.cpu() for state in state_dict["cuda"]])
        kind, keys, *rest = state_dict["numpy"]
        np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
        version, numbers, gauss = state_dict["python"]
        random.setstate((version, tuple(numbers), gauss))


class FiniteLoss(pl.Callback):
    """Stop a run whose loss is infinite or no number, and name the images; or whose weights are, before a checkpoint.

    A loss is checked one step late, while the device computes the next one, so the check costs nothing. No checkpoint
    is written in between. The gradient of a finite loss may be infinite all the same: of an epoch's last step no loss
    tells, so the weights are looked at.
    """

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor] | None = None

    @override
    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch | MixedBatch | TransferBatch,
        batch_idx: int,
    ) -> None:
        self._look(trainer)
        self._last = (outputs["loss"].detach(), batch.index)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer)
        if broken := _broken(pl_module):
            more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
            raise NotFiniteError(
                f"at the end of epoch {trainer.current_epoch} weights are infinite or no number, under a finite loss:"
                f" {', '.join(broken[:_SHOWN])}{more}. They are not written: the checkpoint of the epoch before is"
                " whole. Lower optimizer.lr, limit the gradient by trainer.gradient_clip_val, or set"
                " trainer.precision=32-true"
            )

    def _look(self, trainer: pl.Trainer) -> None:
        last, self._last = self._last, None
        if last is None or bool(torch.isfinite(last[0])):
            return
        files = _files(trainer, last[1])
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        raise NotFiniteError(
            f"the loss is {float(last[0])} at epoch {trainer.current_epoch}, near step {trainer.global_step}. "
            f"Its batch: {', '.join(map(str, files[:_SHOWN]))}{more}. Look at these images, lower optimizer.lr, or set"
            " trainer.precision=32-true"
        )


def _broken(module: pl.LightningModule) -> list[str]:
    """Names of the weights that are not finite, and of the buffers that are no number; a mask may be infinite."""
    weights = [name for name, weight in module.named_parameters() if not bool(weight.isfinite().all())]
    return weights + [name for name, buffer in module.named_buffers() if bool(buffer.isnan().any())]


def _files(trainer: pl.Trainer, index: Tensor) -> list[Path]:
    shots = trainer.datamodule.split.train  # type: ignore[attr-defined]
    return [shots[i].path for i in index.tolist()]
