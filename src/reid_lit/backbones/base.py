"""What every backbone is: images in [0, 1] in, maps or tokens out."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.records import LastMaps, Tokens


class Backbone(nn.Module):
    """A network from images to maps, or to tokens, that normalises its input itself.

    Normalisation belongs to the weights, so the mean and the standard deviation are the backbone's own and travel with
    it: an image in [0, 1] is all that a user has to bring.

    Args:
        body: The network; normalised images in; maps, :class:`~reid_lit.records.Tokens` or
            :class:`~reid_lit.records.LastMaps` out.
        dim: Channels of its map.
        mean: Mean of the images that the weights were trained on, for red, green, blue in [0, 1].
        std: Standard deviation of those images, for red, green, blue.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, *, dim: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.body = body
        self.dim = dim
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"], **inputs: Tensor
    ) -> Float[Tensor, "batch channels rows columns"] | Tokens | LastMaps:
        """(b 3 h w) in [0, 1] → (b dim h' w'), or tokens, or the last two maps.

        Args:
            image: As it is shown.
            inputs: What else the body takes, such as ``added`` of :class:`~reid_lit.backbones.vit.VisionTokens`.
        """
        return self.body(normalised(image, self.mean, self.std), **inputs)


def as_map(
    features: Float[Tensor, "batch channels rows columns"] | Tokens | LastMaps,
) -> Float[Tensor, "batch channels _ _"]:
    """What a backbone gives as a map (b c h w); of tokens the grid of patches, of two maps the last."""
    return features if isinstance(features, Tensor) else features.maps


def normalised(
    image: Float[Tensor, "batch 3 height width"], mean: Float[Tensor, "1 3 1 1"], std: Float[Tensor, "1 3 1 1"]
) -> Float[Tensor, "batch 3 height width"]:
    """The images less ``mean``, over ``std``, in the memory layout that they have."""
    scale, shift = 1 / std, -mean / std
    if not image.is_contiguous(memory_format=torch.channels_last):
        return torch.addcmul(shift, image, scale)
    width = image.shape[3]
    rows = image.permute(0, 2, 3, 1).flatten(2)  # rows of pixels: to broadcast over three channels takes 8 × as long
    rows = torch.addcmul(shift.flatten().repeat(width), rows, scale.flatten().repeat(width))
    return rows.unflatten(2, (width, 3)).permute(0, 3, 1, 2)


def map_size(backbone: Backbone, size: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of the map that a backbone makes of an image of ``size``, height and width in pixels."""
    training = backbone.training
    with torch.no_grad():
        rows, columns = as_map(backbone.eval()(torch.zeros(1, 3, *size))).shape[2:]
    backbone.train(training)
    return rows, columns
