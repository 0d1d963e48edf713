"""A small copy of CUHK03 by either protocol."""

import io
import json

import numpy as np
from scipy.io import savemat

from reid_lit.data.sample import Sample
from reid_lit.data.sets.cuhk03_archive import KINDS, TESTSETS, images_folder
from reid_lit.data.sets.cuhk03_parts import SPLITS, Options

NAMES = [f"{pair}_001_{1 + (number > 5)}_{number:02d}.png" for pair in (1, 2) for number in (1, 2, 6, 10)]
"""Two camera pairs with one person each, seen twice in each view."""


def sample(options: Options) -> Sample:
    """Two persons: the first trains, the second is tested.

    Args:
        options: Which images, protocol, split and cameras.
    """
    folder = images_folder(options.images)
    images = {f"{folder}/{name}": (int(name[0]), _camera(name, options.camera)) for name in NAMES}
    if options.protocol == "classic":
        return Sample(images=images, files={TESTSETS: _testsets(options.images)})
    return Sample(images=images, files={options.split_file: _split_file()})


def _camera(name: str, rule: str) -> int:
    pair, _, view, _ = name.split("_")
    return int(view) - 1 if rule == "view" else 2 * (int(pair) - 1) + int(view) - 1


def _testsets(kind: str) -> bytes:
    counts = dict.fromkeys(KINDS, 0) | {kind: len(NAMES)}
    return json.dumps({"testsets": [[[2, 1]]] * SPLITS["classic"], "images": counts}).encode()


def _split_file() -> bytes:
    """The authors' split file: positions count from 1; the first image of each view is a query."""
    positions = {"train_idx": [1, 2, 3, 4], "query_idx": [5, 7], "gallery_idx": [6, 8]}
    content: dict[str, np.ndarray] = {key: np.array(value, np.uint16)[:, None] for key, value in positions.items()}
    content["labels"] = np.array([[int(name[0])] for name in NAMES], np.uint16)
    content["filelist"] = np.array([[name] for name in NAMES], object)
    file = io.BytesIO()
    savemat(file, content)
    return file.getvalue()
