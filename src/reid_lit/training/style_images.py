"""What a generator makes of images, as files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from reid_lit.data.camera_pair import as_bytes, as_seen
from reid_lit.data.fakes import fake_name
from reid_lit.data.feeding.decode import resized
from reid_lit.files.access import state
from reid_lit.files.pixels import pixels
from reid_lit.progress import progress
from reid_lit.records import Shot

QUALITY = 95
"""Of the JPEGs."""

_AT_ONCE = 8


@torch.no_grad()
def write_images(
    generator: nn.Module, shots: Sequence[Shot], *, to: int, folder: Path, part: Path, size: Sequence[int]
) -> str:
    """Write images in the style of another camera, each in the size of its own image and whole or not at all.

    Args:
        generator: Images in [-1, 1] to images in [-1, 1].
        shots: The images.
        to: The camera, counted from 0.
        folder: Where they are written.
        part: A file of the same file system, in which each is written before it gets its place.
        size: Height and width in which the generator sees them.

    Returns:
        A digest of all that is written.
    """
    digest, device = hashlib.blake2b(digest_size=16), next(generator.parameters()).device
    with progress(f"writing images in the style of camera {to + 1}") as tell:
        for start in range(0, len(shots), _AT_ONCE):
            some = shots[start : start + _AT_ONCE]
            read = [pixels(shot.path, shot.value_range) for shot in some]
            image = as_seen(resized(iter(read), size=(size[0], size[1]), interpolation="bicubic")).to(device)
            made = as_bytes(generator(image)).permute(0, 2, 3, 1).cpu().numpy()
            for shot, source, fake in zip(some, read, made, strict=True):
                own = (source.shape[1], source.shape[0])
                Image.fromarray(fake).resize(own, Image.Resampling.BICUBIC).save(part, quality=QUALITY)
                name = fake_name(shot, to)
                digest.update(name.encode() + part.read_bytes())
                part.replace(folder / name)
            tell(start + len(some), len(shots))
    return digest.hexdigest()


def disk_bytes(shots: Sequence[Shot]) -> int:
    """About how much the files of images take: as much as theirs, by up to 200 of them."""
    some = shots[:: -(-len(shots) // 200)]
    return sum(state(shot.path)[0] for shot in some) * len(shots) // len(some)
