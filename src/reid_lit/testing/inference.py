"""The embeddings of a test's images by a trained model, and their provenance."""

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor

from reid_lit.data.base import ReidData
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import InputError
from reid_lit.models.base import RetrievalModel
from reid_lit.models.retrieval import EmbeddingModel
from reid_lit.testing.provenance import Provenance, model_hash


def embedded(trainer: pl.Trainer, model: EmbeddingModel, data: ReidData) -> Float[Tensor, "images dim"]:
    """The embeddings of the query and gallery of ``data.split``, on the CPU and in their order, as a test has them.

    Raises:
        ValueError: the trainer has several devices, each of which would see a part of the images.
    """
    if trainer.world_size > 1:
        raise InputError(f"{trainer.world_size} processes would each embed a part of the images; set machine.devices=1")
    batches = trainer.predict(model, datamodule=data)
    parts, index = zip(*(batches or []), strict=True)
    return torch.cat(parts)[torch.cat(index).argsort()]


def provenance_of(model: RetrievalModel, transform: Transform, precision: str) -> Provenance:
    """The provenance of the embeddings that ``model`` makes of images that ``transform`` resizes."""
    crops, local = model.evaluation.crops, model.evaluation.local
    return Provenance(
        model=model_hash(model.state_dict()),
        feature=model.evaluation.feature,
        flip=model.evaluation.flip,
        size=transform.test_size,
        interpolation=transform.interpolation,
        mean=tuple(model.backbone.mean.flatten().tolist()),
        std=tuple(model.backbone.std.flatten().tolist()),
        precision=precision if model.runtime == "torch" else "32-true",
        crops=None if crops is None else (crops[0], crops[1]),
        local=None if local is None else (local.feature, local.whole, local.channels),
        runtime=model.runtime,
    )
