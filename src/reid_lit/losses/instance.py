"""Instance loss: every image a class of its own."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def instance_loss(
    embedding: Float[Tensor, "batch dim"], target: Int[Tensor, " batch"], *, gamma: float
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the rows of γ·cos(i, j) against the columns ``target``.

    Source: Zheng et al., *Dual-Path Convolutional Image-Text Embeddings with Instance Loss*, TOMM 2020, eq. 3, with the
    batch's own embeddings as the classifier; the gradient flows through both sides.
    """
    unit = F.normalize(embedding)
    return F.cross_entropy(gamma * unit @ unit.T, target)


class InstanceLoss(nn.Module):
    """Instance loss, divided once more by the batch size as the softmax baseline does.

    Args:
        gamma: γ, the inverse temperature.
        legacy_label_targets: Use the rank of the person among the batch's persons as the target column, as the public
            code did before April 2025 (wrong unless it happens to be the image's own column). To reproduce old runs.

    Source: layumi/Person_reID_baseline_pytorch ``--instance``.
    """

    def __init__(self, *, gamma: float, legacy_label_targets: bool) -> None:
        super().__init__()
        self.gamma = gamma
        self.legacy_label_targets = legacy_label_targets

    def forward(self, embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0."""
        target = torch.arange(len(embedding), device=embedding.device)
        if self.legacy_label_targets:
            target = torch.unique(person, return_inverse=True)[1]
        return instance_loss(embedding, target, gamma=self.gamma) / len(embedding)
