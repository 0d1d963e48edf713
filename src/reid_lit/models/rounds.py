"""What models share that train in rounds: the features of all training images, between two epochs, and their labels."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reid_lit.errors import NotFiniteError
from reid_lit.models.base import RetrievalModel
from reid_lit.records import Batch


@torch.no_grad()
def training_features(
    model: RetrievalModel,
    embed: Callable[[Batch], Tensor],
    *,
    dim: int,
    name: str,
    cure: str = "lower optimizer.lr",
) -> Float[Tensor, "images dim"]:
    """The features of all training images as a test shows them, in evaluation mode, on every rank.

    Args:
        model: In a training; it is left in training mode.
        embed: Gives the features of a batch, whose images are float32 in [0, 1].
        dim: Channels of a feature.
        name: Of the round, for the message.
        cure: What helps where a feature is not finite, for the message.

    Raises:
        NotFiniteError: a feature is infinite or no number.
    """
    data = model.data
    features = torch.zeros(len(data.split.train), dim, device=model.device)
    model.eval()
    with model.trainer.precision_plugin.val_step_context():
        for batch in data.plain_dataloader():
            index = batch.index.to(model.device)
            features[index] = embed(
                batch._replace(image=data.as_tested(batch.image.to(model.device)), index=index)
            ).float()
    model.train()
    features = model.trainer.strategy.reduce(features, reduce_op="sum")  # each image is on one rank
    if not features.isfinite().all():
        raise NotFiniteError(f"{name}: features are not finite; {cure}")
    return features


def draw_labelled(model: RetrievalModel, labels: Int[Tensor, " images"] | None) -> None:
    """Let the next training loader draw images by these labels; None: as it does already."""
    if labels is not None:
        model.data.relabel(labels.tolist())
    model.trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]
