"""Test-time augmentation: the views of an image whose embeddings are averaged."""

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.functional import five_crop

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
    if crops is not None:
        check_crops(crops, image.shape[2:])
    for view in (image,) if crops is None else five_crop(image, list(crops)):
        yield view
        if flip:
            yield view.flip(-1)


def check_crops(crops: Sequence[int], size: Sequence[int]) -> None:
    """Refuse crops that are not smaller than images of ``size``, height and width in pixels.

    Raises:
        ValueError: they do not fit into the images, or are the images.
    """
    told = f"evaluation.crops={list(crops)} of images of {size[0]} × {size[1]} pixels"
    cure = "set transform.test_scale=1.125 and evaluation.crops='${transform.size}', or evaluation.crops=null"
    if crops[0] > size[0] or crops[1] > size[1]:
        raise InputError(f"{told}: they are larger than the images; {cure}")
    if tuple(crops) == tuple(size):
        raise InputError(f"{told}: all five would be the whole image; {cure}")
