"""Reconstruction loss: how far a decoder's maps are from those that were encoded."""

from jaxtyping import Float
from torch import Tensor


def reconstruction_loss(
    rebuilt: Float[Tensor, "batch *map"], original: Float[Tensor, "batch *map"]
) -> Float[Tensor, ""]:
    """The mean over all elements of (x̂ − x)²; the gradient flows through both.

    Source: Li et al., *Adaptation and Re-Identification Network*, CVPR Workshops 2018, eq. 4, whose sum is taken as the
        mean over elements, as Domain Separation Networks' code has it; a model adds up the domains.
    """
    return (rebuilt - original).square().mean()
