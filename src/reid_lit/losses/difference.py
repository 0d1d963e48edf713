"""Difference loss: the features of two encoders for the same images shall be orthogonal."""

from jaxtyping import Float
from torch import Tensor, nn


def difference_loss(shared: Float[Tensor, "batch dim"], private: Float[Tensor, "batch other"]) -> Float[Tensor, ""]:
    """‖H_cᵀ H_p‖_F², the squared Frobenius norm; rows are images.

    Source: Bousmalis et al., *Domain Separation Networks*, NeurIPS 2016, eq. 5.
    """
    # the sum over (dim × other) entries is that over (batch × batch) ones, which are far fewer
    return ((shared @ shared.T) * (private @ private.T)).sum()


def unit_rows(value: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Rows of unit length, whose length the gradient takes as a constant.

    Source: the public code of Domain Separation Networks' PyTorch ports.
    """
    return value / (value.detach().norm(dim=1, keepdim=True) + 1e-6)


class DifferenceLoss(nn.Module):
    """Difference loss of one domain.

    Args:
        normalised: On unit rows, and the mean over the ``dim × other`` entries in place of their sum: at most
            batch² / (dim · other). False is the equation as it is printed, which grows with the features' fourth power.

    Source: Li et al., *Adaptation and Re-Identification Network*, CVPR Workshops 2018, eq. 6; the reduction is that of
        Domain Separation Networks' code, with which its weight of 1500 is in proportion.
    """

    def __init__(self, *, normalised: bool) -> None:
        super().__init__()
        self.normalised = normalised

    def forward(self, shared: Float[Tensor, "batch dim"], private: Float[Tensor, "batch other"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0."""
        if not self.normalised:
            return difference_loss(shared, private)
        return difference_loss(unit_rows(shared), unit_rows(private)) / (shared.shape[1] * private.shape[1])
