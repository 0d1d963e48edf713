"""The trainer for small cards: activations of few images at a time."""

from typing import Annotated, Any

import pytorch_lightning as pl
from annotated_types import Ge
from omegaconf import DictConfig
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.models.base import RetrievalModel
from reid_lit.models.in_chunks import InChunks

_OTHERS = "give trainer=default, trainer=gpu or trainer=cpu"


class LowMemoryTrainer(pl.Trainer):
    """Lightning's trainer, in whose training a model keeps fewer activations and computes them again.

    All else is Lightning's: mixed precision, several ranks, accumulated and clipped gradients, checkpoints.

    Args:
        chunk: Images that go through the backbone at once, on each rank; None: all of a step.
        checkpointing: Whether the activations inside the backbone's blocks are computed again, too.
        settings: Of Lightning's trainer.
    """

    def __init__(self, *, chunk: Annotated[int, Ge(2)] | None, checkpointing: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.chunk = chunk
        self.checkpointing = checkpointing

    @override
    def fit(self, model: InChunks, *data: Any, **options: Any) -> None:  # type: ignore[override]
        with model.saving_memory(chunk=self.chunk, checkpointing=self.checkpointing):
            super().fit(model, *data, **options)


def saves_memory(config: DictConfig) -> bool:
    """Whether a config asks for :class:`LowMemoryTrainer`."""
    return "chunk" in config.trainer


def check_alone(config: DictConfig) -> None:
    """Raise InputError for settings that do not go together with :class:`LowMemoryTrainer`.

    Raises:
        ValueError: the backbone would be compiled, or batch norms would see other ranks' images.
    """
    if not saves_memory(config):
        return
    if config.machine.compile:
        raise InputError(f"machine.compile=true: trainer=low_memory compiles no network; give false, or {_OTHERS}")
    if config.trainer.sync_batchnorm:
        raise InputError(
            "trainer.sync_batchnorm=true shows batch norms a whole batch, and trainer=low_memory a chunk of it; give"
            f" false, or {_OTHERS}"
        )


def check_chunks(config: DictConfig, model: RetrievalModel) -> None:
    """Raise InputError unless a model can be trained as the config's trainer does.

    Raises:
        ValueError: it cannot be trained in chunks, mixes styles across them, or its backbone has no blocks.
    """
    if not saves_memory(config):
        return
    if not isinstance(model, InChunks):
        raise InputError(
            f"trainer=low_memory: {type(model).__name__} cannot be trained in chunks, as the baselines, models of"
            f" parts, CamStyle and PUL can; {_OTHERS}"
        )
    if config.trainer.chunk is not None and model.mixes_domains:
        raise InputError(
            f"trainer.chunk={config.trainer.chunk}: mix_style=domains needs the images of a whole batch; give null, or"
            " mix_style=random"
        )
    if config.trainer.checkpointing:
        model.blocks()


def refuse_low_memory(config: DictConfig, what: str) -> None:
    """Raise InputError for :class:`LowMemoryTrainer` where something else than a model of persons is trained."""
    if saves_memory(config):
        raise InputError(f"trainer=low_memory: {what} cannot be trained in chunks; {_OTHERS}")
