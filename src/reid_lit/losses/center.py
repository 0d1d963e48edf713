"""Center loss: images gather around the center of their person."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, distributed, nn


def center_loss(
    feature: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"], centers: Float[Tensor, "persons dim"]
) -> Float[Tensor, ""]:
    """(1/B) Σ_i ‖f_i − c_{y_i}‖².

    Source: Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016, eq. 2; the
        mean without ½ by the public code of Luo et al., TMM 2019 (their eq. 5 prints ½ and the sum).
    """
    return (feature - centers[person]).square().sum(1).mean()


class CenterLoss(nn.Module):
    """Center loss with centers that follow by an SGD of their own, whatever the loss's weight in the sum.

    After each training step's loss, the centers take one step of plain SGD along the gradient of the *unweighted* loss:
    what the public code gets from an optimizer of its own and gradients divided by the weight β. The step is taken
    here, so it knows no gradient scaler. Over several ranks it follows the mean of what each has found: all have the
    same centers, those of one process, whether they see each other's images or not. The centers are a buffer: they are
    saved with the weights.

    Args:
        persons: Training persons.
        dim: Channels of what the loss reads.
        center_lr: Learning rate of the centers.

    Attributes:
        centers: ``(persons dim)``; drawn from N(0, 1).
    """

    centers: Tensor

    def __init__(self, *, persons: int, dim: int, center_lr: float) -> None:
        super().__init__()
        self.center_lr = center_lr
        self.register_buffer("centers", torch.randn(persons, dim))

    def forward(self, feature: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0; in training the centers move."""
        loss = center_loss(feature, person, self.centers)
        if self.training and torch.is_grad_enabled():
            self._step(feature.detach(), person)
        return loss

    @torch.no_grad()
    def _step(self, feature: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> None:
        pull = 2 / len(feature) * (self.centers[person] - feature)
        gradient = torch.zeros_like(self.centers).index_add_(0, person, pull)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(gradient)
            gradient /= distributed.get_world_size()
        self.centers -= self.center_lr * gradient
