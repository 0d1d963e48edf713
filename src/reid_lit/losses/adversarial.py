"""Losses of networks that are trained against each other."""

from jaxtyping import Float
from torch import Tensor


def least_squares(score: Float[Tensor, "batch 1 rows columns"], *, real: bool) -> Float[Tensor, ""]:
    """The mean over patches of (score − 1)² for what should pass for real, and of score² for what should not.

    Source: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, eq. 2 with a = 0 and b = c = 1,
        without its factor ½.
    """
    return (score.float() - (1.0 if real else 0.0)).square().mean()
