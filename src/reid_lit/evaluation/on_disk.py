"""Embeddings that stay on disk; one piece at a time is read into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.wording import counted

NOWHERE = -1
"""The camera of a distractor whose camera is unknown."""


@dataclass(frozen=True)
class StoredEmbeddings:
    """A matrix of embeddings in a file; :meth:`read` reads a part of it.

    Attributes:
        path: The file.
        offset: Bytes before the first embedding.
        shape: Images and length of an embedding.
        dtype: ``float32`` or ``float16``.
    """

    path: Path
    offset: int
    shape: tuple[int, int]
    dtype: str = "float32"

    @classmethod
    def of_npy(cls, path: Path) -> "StoredEmbeddings":
        """The embeddings in a file that ``numpy.save`` wrote."""
        matrix = np.load(path, mmap_mode="r")
        return cls(path, matrix.offset, matrix.shape, matrix.dtype.name)

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> Float[Tensor, "rows dim"]:
        """The embeddings ``start`` to ``stop`` (fewer at the end), float32.

        Raises:
            ValueError: one of them is not finite.
        """
        images, dim = self.shape
        count = min(stop, images) - start
        place = self.offset + start * dim * np.dtype(self.dtype).itemsize
        values = np.fromfile(self.path, self.dtype, count * dim, offset=place)  # the pages of a map would stay resident
        rows = torch.from_numpy(values.reshape(count, dim).astype(np.float32, copy=False))
        broken = (~torch.linalg.vector_norm(rows, dim=1).isfinite()).nonzero()[:, 0].tolist()
        if broken:
            raise InputError(
                f"{self.path}: {counted(len(broken), 'embedding is', 'embeddings are')} not finite, the first at"
                f" {start + broken[0]}; embed those images again"
            )
        return rows


@dataclass(frozen=True)
class Distractors:
    """Gallery images of persons whom no query shows; in the order of the gallery they come last.

    Attributes:
        parts: Their embeddings.
        camera: ``(distractors)`` int64, counted from 0 in the numbering of the other lists. :data:`NOWHERE` is an
            unknown camera; such an image counts for every query.

    Raises:
        ValueError: the numbers of cameras and of embeddings differ.
    """

    parts: tuple[StoredEmbeddings, ...]
    camera: Int[Tensor, " distractors"]

    def __post_init__(self) -> None:
        if len(self) != len(self.camera):
            raise InputError(
                f"{counted(len(self), 'distractor')} but {counted(len(self.camera), 'camera')} of theirs;"
                " give one of each"
            )

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def pieces(self, size: int) -> Iterator[tuple[Float[Tensor, "rows dim"], Int[Tensor, " rows"]]]:
        """The embeddings and cameras of at most ``size`` distractors at a time."""
        cameras_by_part = self.camera.split([len(part) for part in self.parts])
        for part, cameras in zip(self.parts, cameras_by_part, strict=True):
            for start in range(0, len(part), size):
                yield part.read(start, start + size), cameras[start : start + size]
