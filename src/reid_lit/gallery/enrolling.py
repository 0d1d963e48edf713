"""From files to rows: hashed and decoded in threads while the model embeds what came before."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.files.access import read_bytes
from reid_lit.files.box import unboxed
from reid_lit.gallery.rows import Entry
from reid_lit.pages.thumbnails import ThumbnailSize
from reid_lit.testing.embedder import Embedder

SIZE = ThumbnailSize(width=96, height=192, quality=80)
"""Of a thumbnail, at most."""
HASHED = 512
"""Files that are hashed before the first of them is decoded."""


class Embedded(NamedTuple):
    """Images that were not known.

    Attributes:
        entries: The images.
        ids: The SHA-256 of each file.
        vectors: ``(images dim)`` of length 1.
        thumbnails: A small JPEG of each; None where none are kept.
    """

    entries: Sequence[Entry]
    ids: Sequence[str]
    vectors: Float32[np.ndarray, "images dim"]
    thumbnails: Sequence[bytes] | None

    def chosen(self, places: Sequence[int]) -> "Embedded":
        """Some of the images."""
        small = None if self.thumbnails is None else [self.thumbnails[k] for k in places]
        return Embedded(
            [self.entries[k] for k in places], [self.ids[k] for k in places], self.vectors[list(places)], small
        )


def content_id(path: str) -> str:
    """The SHA-256 of a file, by which an image is known again under another name; of a box, of the file and the box."""
    file, box = unboxed(Path(path))
    content = hashlib.sha256(read_bytes(file))
    if box is not None:
        content.update(f"#xywh={box}".encode())
    return content.hexdigest()


def embedded(
    entries: Sequence[Entry],
    embedder: Embedder,
    *,
    known: Callable[[Sequence[str]], set[str]],
    refused: list[str],
    thumbnails: bool = False,
) -> Iterator[tuple[int, Embedded]]:
    """Embed those images whose content is not known, batch by batch.

    Args:
        entries: The images.
        embedder: The model.
        known: Gives those of some ids that are known.
        refused: Gets a line for each file that is no image; the others go on.
        thumbnails: Whether a small copy of each image is made, of what the network sees.

    Yields:
        How many of ``entries`` are done, and what is new of them.
    """
    seen: set[str] = set()
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1))) as pool:
        for start in range(0, len(entries), HASHED):
            part = entries[start : start + HASHED]
            ids = list(pool.map(lambda entry: _hashed(entry, refused), part))
            old = known([each for each in ids if each]) | seen
            new: dict[str, Entry] = {}
            for entry, each in zip(part, ids, strict=True):
                if each and each not in old:
                    new.setdefault(each, entry)
            seen |= set(new)
            for batch in _batches(list(new.items()), embedder, pool, refused):
                yield start, _embedded(*batch, embedder, refused, thumbnails=thumbnails)
            yield start + len(part), _NONE


_NONE = Embedded((), (), np.zeros((0, 0), np.float32), None)


def _hashed(entry: Entry, refused: list[str]) -> str:
    if entry.content is not None:
        return hashlib.sha256(entry.content).hexdigest()
    try:
        return content_id(entry.path)
    except OSError as error:
        refused.append(f"{entry.path}: cannot be read ({error.strerror or error})")
        return ""


def _batches(
    new: list[tuple[str, Entry]], embedder: Embedder, pool: ThreadPoolExecutor, refused: list[str]
) -> Iterator[tuple[list[tuple[str, Entry]], list[torch.Tensor | None]]]:
    size = embedder.batch_size
    batches = [new[start : start + size] for start in range(0, len(new), size)]
    waiting: deque[tuple[list[tuple[str, Entry]], list[Future[torch.Tensor | None]]]] = deque()
    for batch in [*batches, None, None]:
        if batch is not None:
            waiting.append((batch, [pool.submit(_decoded, embedder, entry, refused) for _, entry in batch]))
        if waiting and (batch is None or len(waiting) > 2):
            held, images = waiting.popleft()
            yield held, [image.result() for image in images]


def _decoded(embedder: Embedder, entry: Entry, refused: list[str]) -> torch.Tensor | None:
    try:
        return embedder.prepared(entry.path if entry.content is None else [entry.content])[0]
    except InputError as error:
        refused.append(str(error) if entry.content is None else f"{entry.path}: {error}")
        return None


def _embedded(
    batch: list[tuple[str, Entry]],
    images: list[torch.Tensor | None],
    embedder: Embedder,
    refused: list[str],
    *,
    thumbnails: bool,
) -> Embedded:
    kept = [(pair, image) for pair, image in zip(batch, images, strict=True) if image is not None]
    if not kept:
        return _NONE
    raw = embedder.embed_prepared(torch.stack([image for _, image in kept])).float()
    holds = has_direction(raw).tolist()
    lost = [entry for ((_, entry), _), is_kept in zip(kept, holds, strict=True) if not is_kept]
    refused += [f"{entry.path}: {NO_DIRECTION}" for entry in lost]
    kept = [each for each, is_kept in zip(kept, holds, strict=True) if is_kept]
    if not kept:
        return _NONE
    vectors = F.normalize(raw[holds])
    small = [thumbnail(image) for _, image in kept] if thumbnails else None
    return Embedded([entry for (_, entry), _ in kept], [each for (each, _), _ in kept], vectors.numpy(), small)


NO_DIRECTION = "its embedding is 0 or no number, and cannot be compared; train the model anew, or give other weights"


def has_direction(embedding: Float[torch.Tensor, "images dim"]) -> Bool[torch.Tensor, " images"]:
    """Which embeddings can get length 1: finite ones that are not 0."""
    length = embedding.norm(dim=1)
    return length.isfinite() & (length > 0)


def thumbnail(image: UInt8[torch.Tensor, "3 height width"]) -> bytes:
    """A small JPEG of an image as the network sees it."""
    small = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    small.thumbnail((SIZE.width, SIZE.height))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=SIZE.quality)
    return buffer.getvalue()
