"""How hard the synthetic data sets are: for raw pixels, colour histograms and (--train) the demo's model.

    python scripts/synthetic_difficulty.py --train

prints a table of mAP (step convention, images of the query's own camera left out, junk left out, distractors kept).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_lit.synthetic.plan import GALLERY, QUERY
from reid_lit.synthetic.worlds import WORLDS
from reid_lit.synthetic.write import write

Features = NDArray[np.float32]


class Images(NamedTuple):
    """Images of one folder: ``(n 128 64 3)`` uint8 (blue, green, red), persons and cameras."""

    image: NDArray[np.uint8]
    person: NDArray[np.int64]
    camera: NDArray[np.int64]


def load(folder: Path) -> Images:
    paths = [path for path in sorted(folder.glob("*.jpg")) if not path.name.startswith("-1")]
    image = np.stack([cv2.imread(str(path)) for path in paths])
    return Images(
        image,
        np.array([int(path.name.split("_")[0]) for path in paths]),
        np.array([int(path.name.split("_c")[1][0]) for path in paths]),
    )


def mean_average_precision(
    query: Images, gallery: Images, query_features: Features, gallery_features: Features
) -> float:
    """Mean average precision in percent; smaller Euclidean distances rank first."""
    distance = (
        (query_features**2).sum(1)[:, None]
        + (gallery_features**2).sum(1)[None]
        - 2 * query_features @ gallery_features.T
    )
    scores = []
    for k in range(len(query.person)):
        order = np.argsort(distance[k], kind="stable")
        own = (gallery.person[order] == query.person[k]) & (gallery.camera[order] == query.camera[k])
        match = (gallery.person[order] == query.person[k])[~own]
        rank = np.flatnonzero(match)
        scores.append(float(np.mean(np.arange(1, len(rank) + 1) / (rank + 1))))
    return 100 * float(np.mean(scores))


def pixels(image: NDArray[np.uint8]) -> Features:
    """The image itself."""
    return image.reshape(len(image), -1).astype(np.float32) / 255


def histograms(image: NDArray[np.uint8], *, balance: bool, bins: tuple[int, int, int], centre: float) -> Features:
    """Histograms of hue, saturation and value in six stripes, square roots taken (Hellinger).

    Args:
        image: ``(n h w 3)``, blue, green, red.
        balance: Whether each channel is first divided by its mean (grey world).
        bins: Bins of hue, saturation and value.
        centre: Standard deviation, as a share of the width, of the weight given to the middle columns.
    """
    width = image.shape[2]
    weight = np.exp(-(((np.arange(width) + 0.5) / width - 0.5) ** 2) / (2 * centre**2))
    features = []
    for picture in image:
        if balance:
            mean = picture.reshape(-1, 3).mean(0)
            picture = np.clip(picture * (110 / np.maximum(mean, 1)), 0, 255).astype(np.uint8)  # noqa: PLW2901
        colour = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV_FULL).astype(np.int64)
        hue, saturation, value = (colour[:, :, k] * bins[k] // 256 for k in range(3))
        cell = (hue * bins[1] + saturation) * bins[2] + value
        stripes = [
            np.bincount(part.ravel(), np.broadcast_to(weight, part.shape).ravel(), minlength=int(np.prod(bins)))
            for part in np.array_split(cell, 6)
        ]
        features.append(np.sqrt(np.concatenate([stripe / stripe.sum() for stripe in stripes])))
    return np.array(features, np.float32)


def strongest_histogram(query: Images, gallery: Images) -> tuple[float, str]:
    """The best mAP of several histograms, and which it was."""
    results = {}
    for balance in (False, True):
        for bins in ((8, 4, 4), (16, 4, 1), (12, 6, 6)):
            for centre in (0.15, 10.0):
                features = [
                    histograms(part.image, balance=balance, bins=bins, centre=centre) for part in (query, gallery)
                ]
                name = f"bins {bins}, grey world {balance}, centre {centre}"
                results[name] = mean_average_precision(query, gallery, *features)
    best = max(results, key=lambda name: results[name])
    return results[best], best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="where the sets are kept; a temporary folder otherwise")
    parser.add_argument("--size", default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", action="store_true", help="also train +experiment=synthetic_softmax on each world")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(arguments.root or Path(temporary), arguments)


def measure(root: Path, arguments: argparse.Namespace) -> None:
    print(
        "| world | images | images/s (one core) | pixels mAP | histograms mAP | strongest histogram |\n"
        "|---|---|---|---|---|---|"
    )
    for world in WORLDS:
        start = time.process_time()
        folder = root / f"{world}-{arguments.size}-{arguments.seed}"
        write(folder, world=world, size=arguments.size, seed=arguments.seed)
        seconds = time.process_time() - start  # other programs on the machine do not count
        total = sum(1 for _ in folder.glob("*/*.jpg"))
        query, gallery = load(folder / QUERY), load(folder / GALLERY)
        raw = mean_average_precision(query, gallery, pixels(query.image), pixels(gallery.image))
        colour, which = strongest_histogram(query, gallery)
        print(f"| {world} | {total} | {total / seconds:.0f} | {raw:.1f} | {colour:.1f} | {which} |", flush=True)
    if arguments.train:
        across(root, arguments)


def across(root: Path, arguments: argparse.Namespace) -> None:
    """Trains the demo's model on each world and tests it on all."""
    print("| trained on | own mAP | other world's mAP | ratio | seconds of training |\n|---|---|---|---|---|")
    for source in WORLDS:
        others = [world for world in WORLDS if world != source]
        run = root / f"trained-on-{source}"
        command = [
            *(sys.executable, "-m", "reid_lit.train", "+experiment=synthetic_softmax", "evaluation.ap=step"),
            *(f"dataset.root={root}", f"dataset.world={source}", f"dataset.size={arguments.size}"),
            *(f"dataset.draw_seed={arguments.seed}", f"hydra.run.dir={run}"),
            f"test_on=[synthetic,{','.join(f'{{dataset: synthetic, world: {world}}}' for world in others)}]",
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
        metrics = json.loads((run / "metrics.json").read_text())
        own, *rest = (100 * result["scores"]["mAP"] for result in metrics["results"])
        row = f"| {source} | {own:.1f} | {max(rest):.1f} | {max(rest) / own:.2f} | {metrics['train_seconds']:.0f} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
