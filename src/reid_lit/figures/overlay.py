"""A map of few positions laid over the image that it is of."""

import matplotlib
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

COLOURS = "inferno"
"""From dark to bright, evenly, also for the colour-blind."""


def overlaid(
    image: Float[Tensor, "b 3 height width"], heat: Float[Tensor, "b rows columns"], *, share: float
) -> Float[Tensor, "b 3 height width"]:
    """The images in grey under the colours of a map.

    Args:
        image: In [0, 1].
        heat: In [0, 1].
        share: Of the colours; the rest is the image.
    """
    heat = F.interpolate(heat[:, None], image.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    colours = torch.from_numpy(matplotlib.colormaps[COLOURS](heat.numpy())[..., :3]).permute(0, 3, 1, 2).float()
    grey = image.mean(1, keepdim=True).expand_as(image)
    return share * colours + (1 - share) * grey
