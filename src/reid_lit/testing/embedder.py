"""A trained model with all that embeds images in Python."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.data.feeding.decode import resized
from reid_lit.data.feeding.value_range import SAMPLE, as_range, fault_of
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import InputError
from reid_lit.evaluation.ranker import all_distances
from reid_lit.files.pixels import decoded, deep_values, pixels, shown, values_of
from reid_lit.models.base import RetrievalModel
from reid_lit.testing.inference import provenance_of
from reid_lit.testing.provenance import Provenance

COLORS = ("rgb", "bgr")
AnImage = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""A file, what is in one, an image of PIL, or uint8 RGB as (height width 3)."""

_AUTOCAST = {"32-true": None, "32": None, "16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
"""The type that autocast takes for each precision of Lightning's."""


class Embedder(nn.Module):
    """A trained model with all that embeds images: their decoding, size and batches, the run's arithmetic.

    Args:
        model: It is put into evaluation mode; its ``evaluation`` says which feature, flips and crops are embedded.
        transform: The run's transform; its part for testing is used.
        batch_size: Images that go through the model at once.
        precision: ``32-true``, ``16-mixed`` or ``bf16-mixed``.
        value_range: Of images of 16 bit or of floats, the values that become 0 and 255; None: the file's whole range,
            which they have to fill.

    Raises:
        ValueError: the precision is another one, or the range is none.
    """

    def __init__(
        self,
        *,
        model: RetrievalModel,
        transform: Transform,
        batch_size: int,
        precision: str,
        value_range: Sequence[int | float] | None = None,
    ) -> None:
        super().__init__()
        if precision not in _AUTOCAST:
            raise InputError(f"precision={precision!r} is none of {', '.join(_AUTOCAST)}; give one of these to load()")
        self.model = model
        self.transform = transform
        self.batch_size = batch_size
        self.precision = precision
        self.value_range = as_range(value_range)
        model.setup("predict")
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the model is; ``to`` moves it."""
        return self.model.backbone.mean.device

    @property
    def origin(self) -> Provenance:
        """How embeddings are made: the weights and feature, the size of the images, their mean, flip, crops."""
        return provenance_of(self.model, self.transform, self.precision)

    @override
    @torch.no_grad()
    def forward(
        self, images: AnImage | Iterable[Any], *, color: str | None = None, normalize: bool = False
    ) -> Float[Tensor, "images dim"]:
        """The embeddings of images, float32 on the CPU and in their order, as ``reid_lit.embed`` writes them.

        They are read in this process; for millions of images ``reid_lit.embed`` reads in several.

        Args:
            images: One or several files, the bytes of files, images of PIL, or uint8 arrays (height width 3).
            color: Of arrays, which do not say it themselves: ``rgb``, or ``bgr`` as OpenCV reads them.
            normalize: Whether each row gets length 1, so that products of rows are cosines.

        Raises:
            ValueError: there is no image, one cannot be read, an array comes without ``color``, or images of 16 bit
                or of floats use a small part of their range.
        """
        listed = self._checked(images, color)
        batches = range(0, len(listed), self.batch_size)
        embedding = torch.cat([self._embedded(listed[start : start + self.batch_size]) for start in batches])
        return F.normalize(embedding) if normalize else embedding

    def of_whole_images(self) -> "Embedder":
        """Itself, from now on without the stripes that follow an embedding: for what compares one vector an image."""
        self.model.leave_out_stripes()
        return self

    def distance(
        self, query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"]
    ) -> Float[Tensor, "queries gallery"]:
        """The distance of every row to every other one, as the evaluation compares them and its thresholds mean it.

        Args:
            query: Embeddings of this model, of any length; so are those of the gallery.
            gallery: In this order a test compares: distances are the same to the last bit.
        """
        return all_distances(query, gallery, self.model.evaluation)

    def prepared(
        self, images: AnImage | Iterable[Any], *, color: str | None = None
    ) -> UInt8[Tensor, "images 3 height width"]:
        """The images in the size that the model is tested at; divided by 255 they are what ``model.embed`` takes.

        Raises:
            ValueError: there is no image, or one cannot be read.
        """
        return self._resized(self._checked(images, color))

    def _checked(self, images: AnImage | Iterable[Any], color: str | None) -> list[tuple[int, Any]]:
        listed = _listed(images, color)
        fault = fault_of((_deep_values(image) for _, image in listed[:SAMPLE]), self.value_range)
        if fault:
            raise InputError(f"{fault}; to load(), which has the run's where it is not given")
        return listed

    def _resized(self, images: Sequence[tuple[int, Any]]) -> UInt8[Tensor, "images 3 height width"]:
        return self._of_size(_pixels(image, place, self.value_range) for place, image in images)

    def _of_size(self, read: Iterator[np.ndarray]) -> UInt8[Tensor, "images 3 height width"]:
        return resized(read, size=self.transform.test_size, interpolation=self.transform.interpolation)

    def _read(self, images: AnImage | Iterable[Any], color: str | None) -> list[UInt8[np.ndarray, "_ _ 3"]]:
        """The pixels of images, each of its own size."""
        return [_pixels(image, place, self.value_range) for place, image in self._checked(images, color)]

    def _embedded(self, images: Sequence[tuple[int, Any]]) -> Float[Tensor, "images dim"]:
        return self.embed_prepared(self._resized(images))

    @torch.no_grad()
    def embed_prepared(self, images: UInt8[Tensor, "images 3 height width"]) -> Float[Tensor, "images dim"]:
        """The embeddings of images as :meth:`prepared` gives them, all at once, on the CPU."""
        batch = self.transform.testing(images.to(self.device))
        dtype = _AUTOCAST[self.precision]
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None, cache_enabled=False):
            return self.model.embed(batch).cpu()


def _listed(images: AnImage | Iterable[Any], color: str | None) -> list[tuple[int, Any]]:
    """The images one by one, numbered from 0, arrays in RGB; an array of four dimensions is several.

    Raises:
        ValueError: there is none, or an array comes without its colour order.
    """
    if color not in (None, *COLORS):
        raise InputError(f"color={color!r} is unknown; give {' or '.join(COLORS)}")
    single = isinstance(images, str | os.PathLike | bytes | Image.Image) or (
        isinstance(images, np.ndarray) and images.ndim < 4
    )
    listed = list(enumerate(cast(Iterable[Any], [images] if single else images)))
    if not listed:
        raise InputError("no image is given to be embedded; give one or several")
    return [(place, _in_rgb(image, place, color)) for place, image in listed]


def _in_rgb(image: Any, place: int, color: str | None) -> Any:
    """An array of an image in RGB; anything else as it is, :func:`_pixels` says what it is."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        return image
    if color is None:
        raise InputError(
            f"image {place} is an array, which does not say the order of its colours, and swapped ones give other"
            " embeddings; give color='rgb' (PIL, torchvision, imageio) or color='bgr' (cv2.imread, cv2.VideoCapture)"
        )
    return np.ascontiguousarray(image[..., ::-1]) if color == "bgr" else image


def _deep_values(image: Any) -> np.ndarray | None:
    """The values of an image of more than 8 bit; None of any other."""
    if isinstance(image, str | os.PathLike | bytes):
        return values_of(image if isinstance(image, bytes) else Path(image))
    return deep_values(image) if isinstance(image, Image.Image) else None


def _pixels(
    image: Any, place: int, value_range: tuple[float, float] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """The image in RGB, upright.

    Raises:
        ValueError: it cannot be read, or is none.
    """
    if isinstance(image, str | os.PathLike):
        return pixels(Path(image), value_range)
    if isinstance(image, bytes):
        return decoded(image, f"image {place}", value_range)
    if isinstance(image, Image.Image):
        try:
            return shown(image, value_range)
        except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
            name = getattr(image, "filename", "") or f"image {place}"
            raise InputError(f"{name}: not a readable image ({error}); remove it or copy it anew") from error
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        return image
    kind = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray | Tensor) else type(image).__name__
    raise InputError(
        f"image {place} is {kind}; give a file, an image of PIL, or a uint8 array [height, width, 3] in RGB"
    )
