"""Decoded images in memory, one block for all workers and ranks of a machine."""

import mmap
import os
import uuid
from collections.abc import Callable, Sequence
from multiprocessing import reduction
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8
from torch import Tensor

from reid_lit.errors import FailedError, InputError
from reid_lit.memory import free_bytes, shared_folder
from reid_lit.wording import counted

CACHES = ("none", "ram")
_SHARE = 0.9  # of the free memory; the rest is for the training itself


class RamCache:
    """The images of one list of one run, resized uint8, stored when they are first decoded.

    The block is a file in memory. Its name is removed before it gets its size: no other process can open it, and the
    kernel frees it when the last process that holds it ends. Its size is reserved at once, so that no process dies of a
    missing page. One byte for each image says whether the image is stored; it is set after the image.

    Args:
        file: Descriptor of an open file; it is closed with the cache.
        images: Length of the list.
        size: Height and width in pixels.

    Raises:
        OSError: the file cannot be mapped.
    """

    def __init__(self, file: int, *, images: int, size: tuple[int, int]) -> None:
        self._file = file
        self._images = images
        self._size = size
        block = np.frombuffer(mmap.mmap(file, needed_bytes(images, size)), np.uint8)
        self._held = block[:images]
        self._pixels = block[images:].reshape(images, -1)

    def __del__(self) -> None:
        os.close(self._file)

    def __reduce__(self) -> tuple[Callable[..., "RamCache"], tuple[Any, ...]]:
        return _received, (reduction.DupFd(self._file), self._images, self._size)  # workers that are not forked

    def held(self, index: Sequence[int]) -> np.ndarray:
        """Which of the images are stored, as bools."""
        return self._held[np.asarray(index, np.int64)] == 1

    def load(self, index: Sequence[int]) -> UInt8[Tensor, "b 3 h w"]:
        """A copy of stored images, ``channels_last``."""
        image = torch.from_numpy(self._pixels[np.asarray(index, np.int64)])
        return image.view(len(index), *self._size, 3).permute(0, 3, 1, 2)

    def store(self, index: Sequence[int], image: UInt8[Tensor, "b 3 h w"]) -> None:
        """Store these images."""
        rows = np.asarray(index, np.int64)
        self._pixels[rows] = image.permute(0, 2, 3, 1).reshape(len(index), -1).numpy()
        self._held[rows] = 1


def _received(file: Any, images: int, size: tuple[int, int]) -> RamCache:
    return RamCache(file.detach(), images=images, size=size)


def needed_bytes(images: int, size: tuple[int, int]) -> int:
    """The size of a list's block: its pixels, and one byte for each image."""
    return images * (3 * size[0] * size[1] + 1)


def check_room(images: int, size: tuple[int, int]) -> None:
    """Raise InputError unless the images of all lists fit into memory; call this before a run's first work.

    Args:
        images: Images of all lists.
        size: Height and width in pixels.

    Raises:
        ValueError: they need more than nine tenths of the memory that is free.
    """
    needed, folder = needed_bytes(images, size), shared_folder()
    free, owner = free_bytes(folder)
    if needed > _SHARE * free:
        raise InputError(
            f"cache=ram: {counted(images, 'image')} of {size[0]} × {size[1]} pixels need {_gigabytes(needed)}, and"
            f" {_gigabytes(free)} are free in {owner}, a tenth of it for other uses;"
            f" set machine.cache=none or a smaller transform.size, or free memory there"
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def shared_cache(*, images: int, size: tuple[int, int], trainer: pl.Trainer | None) -> RamCache:
    """Make an empty cache, one for all ranks of a machine; every rank has to call this.

    Args:
        images: Length of the list.
        size: Height and width in pixels.
        trainer: Gives the ranks; None is a single process.

    Raises:
        ValueError: the images do not fit.
        FailedError: the first rank of this machine could not reserve it; its own error says why.
    """
    first = trainer is None or trainer.local_rank == 0
    barrier = (lambda: None) if trainer is None else trainer.strategy.barrier
    name = uuid.uuid4().hex if trainer is None else trainer.strategy.broadcast(uuid.uuid4().hex)
    path = shared_folder() / f"reid_lit_{name}"
    refusal = None
    if first:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, mode=0o600))
    barrier()
    file = os.open(path, os.O_RDWR)
    barrier()  # all ranks have opened it: it needs no name any more
    if first:
        refusal = _refusal(path, file, images, size)
    barrier()
    if refusal is not None or os.fstat(file).st_size == 0:
        os.close(file)
        raise refusal or FailedError("cache=ram: this machine's first rank could not reserve it; see its error")
    return RamCache(file, images=images, size=size)


def _refusal(path: Path, file: int, images: int, size: tuple[int, int]) -> Exception | None:
    """Reserve the block; return an error instead of raising it, because the other ranks wait."""
    try:
        path.unlink()
        check_room(images, size)
        reserve = getattr(os, "posix_fallocate", None)  # macOS has none
        if reserve is None:
            os.truncate(file, needed_bytes(images, size))
        else:
            reserve(file, 0, needed_bytes(images, size))
    except (OSError, ValueError) as error:
        os.truncate(file, 0)
        return error
    return None
