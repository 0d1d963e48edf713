import functools
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_lit.data.counts import count
from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.market1501 import Market1501
from reid_lit.data.transforms.transform import Transform

TREE = {
    "bounding_box_train": [
        f"{person:04d}_c{camera}s1_{frame:06d}_01.jpg" for person in (2, 7, 10) for camera in (1, 2) for frame in (51, 76)
    ],
    "query": [f"{person:04d}_c{camera}s1_000151_00.jpg" for person in (1, 3) for camera in (1, 2)],
    "bounding_box_test": [
        *(f"{person:04d}_c{camera}s1_000176_01.jpg" for person in (0, 1, 3) for camera in (1, 2)),
        "-1_c1s1_000401_03.jpg",
    ],
}  # fmt: skip


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 12, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def tree(tmp_path) -> Path:
    """A small, undamaged Market-1501, every image another."""
    root = tmp_path / "sets" / "mine"
    for folder, names in TREE.items():
        (root / folder).mkdir(parents=True)
        for name in names:
            (root / folder / name).write_bytes(jpeg(zlib.crc32(f"{folder}/{name}".encode())))
    return root


@pytest.fixture
def reader():
    """Makes the reader of a folder, which takes the small set for the official one."""
    official = {}

    class Small(Market1501):
        def official(self):
            return official

    def make(root, cls=Small, **changes):
        transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
        loader = Loader(batch_size=2, test_batch_size=3, workers=0)
        data = cls(root=root, transform=transform, sampler=functools.partial(ShuffleSampler), loader=loader, **changes)
        if not official:
            split = data.read()
            official.update(train=count(split.train), query=count(split.query), gallery=count(split.gallery))
        return data

    return make
