"""Test-time augmentation: the views of an image whose embeddings are averaged."""

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError

Images = Float[Tensor, "batch 3 height width"]


def views(image: Images, *, crops: Sequence[int] | None, flip: bool) -> Iterator[Images]:
    """The images, or their four corners and their centre; with ``flip`` each of these mirrored too.

    Args:
        image: In [0, 1].
        crops: Height and width of the crops in pixels; None takes the whole image.
        flip: Whether there are mirror images.

    Source: Hermans et al., *In Defense of the Triplet Loss for Person Re-Identification*, 2017, section 4.1: five crops
        of 256 × 128 pixels out of 288 × 144, and their mirror images.

    Raises:
        ValueError: the crops do not fit into the images, or are the images.
    """
    parts: Sequence[Images] = (image,)
    if crops is not None:
        from torchvision.transforms.functional import five_crop  # slow to import, and few evaluations use crops

        check_crops(crops, image.shape[2:])
        parts = five_crop(image, list(crops))
    for view in parts:
        yield view
        if flip:
            yield view.flip(-1)


def check_crops(crops: Sequence[int], size: Sequence[int]) -> None:
    """Raise InputError unless crops are smaller than images of ``size``, height and width in pixels."""
    image = f"{size[0]} × {size[1]} pixels"
    cure = "set transform.test_scale=1.125 and crops to the value of transform.size, or crops=null"
    if crops[0] > size[0] or crops[1] > size[1]:
        raise InputError(f"crops={list(crops)}: larger than the images of {image}; {cure}")
    if tuple(crops) == tuple(size):
        raise InputError(f"crops={list(crops)}: all five would be the whole image of {image}; {cure}")
