"""How hard the synthetic data sets are: for raw pixels, colour histograms and (--train) a small network.

    python scripts/synthetic_difficulty.py --train

prints a table of mAP (step convention, images of the query's own camera left out, junk left out, distractors kept).
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reid_lit.synthetic.plan import GALLERY, QUERY, TRAIN
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


class Embedder(torch.nn.Module):
    """ResNet-18, a linear layer with batch norm and dropout, and a classifier in training."""

    def __init__(self, persons: int) -> None:
        import timm

        super().__init__()
        self.backbone = timm.create_model("resnet18", num_classes=0)
        self.neck = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.BatchNorm1d(512))
        self.classifier = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(512, persons))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The embedding, ``(b 512)``."""
        return self.neck(self.backbone(image))


def train(images: Images, epochs: int, batch: int, rate: float, device: str) -> Embedder:
    """A network trained from scratch with cross-entropy."""
    torch.manual_seed(0)
    image = prepared(images)
    label = torch.from_numpy(np.unique(images.person, return_inverse=True)[1])
    model = Embedder(int(label.max()) + 1).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = len(label) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps, pct_start=0.25)
    for epoch in range(epochs):
        order, total = torch.randperm(len(label)), 0.0
        for k in range(steps):
            chosen = order[k * batch : (k + 1) * batch]
            with torch.autocast(device, torch.bfloat16):
                logits = model.classifier(model(augmented(image[chosen]).to(device)))
            loss = torch.nn.functional.cross_entropy(logits.float(), label[chosen].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.3f}", file=sys.stderr, flush=True)
    return model.eval()


def prepared(images: Images) -> torch.Tensor:
    """``(n 3 128 64)`` float32, normalised."""
    image = torch.from_numpy(images.image).permute(0, 3, 1, 2).float() / 255
    return (image - 0.45) / 0.225


def augmented(image: torch.Tensor) -> torch.Tensor:
    """Flipped and shifted at random."""
    padded = torch.nn.functional.pad(image, (4, 4, 8, 8))
    rows, columns = torch.randint(17, (len(image),)).tolist(), torch.randint(9, (len(image),)).tolist()
    flip = torch.rand(len(image)) < 0.5
    crops = [one[:, y : y + 128, x : x + 64] for one, y, x in zip(padded, rows, columns, strict=True)]
    crops = [crop.flip(-1) if turn else crop for crop, turn in zip(crops, flip, strict=True)]
    return torch.stack(crops).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def embed(model: Embedder, images: Images, device: str) -> Features:
    """Embeddings of unit length; both mirror images are averaged."""
    parts = []
    for image in prepared(images).split(256):
        with torch.autocast(device, torch.bfloat16):
            both = sum(model(view.to(device)).float() for view in (image, image.flip(-1)))
        parts.append(torch.nn.functional.normalize(both))
    return torch.cat(parts).cpu().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="where the sets are kept; a temporary folder otherwise")
    parser.add_argument("--size", default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--train",
        nargs="*",
        choices=list(WORLDS),
        metavar="world",
        help="also train a network on these worlds, or on each",
    )
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(arguments.root or Path(temporary), arguments)


def measure(root: Path, arguments: argparse.Namespace) -> None:
    tests, trains = {}, {}
    print(
        "| world | images | images/s (one core) | pixels mAP | histograms mAP | strongest histogram |\n"
        "|---|---|---|---|---|---|"
    )
    for world in WORLDS:
        start = time.process_time()
        folder = write(root / f"{world}-{arguments.size}", world=world, size=arguments.size, seed=arguments.seed)
        seconds = time.process_time() - start  # other programs on the machine do not count
        total = sum(1 for _ in folder.glob("*/*.jpg"))
        query, gallery = tests[world] = load(folder / QUERY), load(folder / GALLERY)
        trains[world] = folder / TRAIN
        raw = mean_average_precision(query, gallery, pixels(query.image), pixels(gallery.image))
        colour, which = strongest_histogram(query, gallery)
        print(f"| {world} | {total} | {total / seconds:.0f} | {raw:.1f} | {colour:.1f} | {which} |", flush=True)
    if arguments.train is not None:
        trains = {world: trains[world] for world in arguments.train or WORLDS}
        across(trains, tests, arguments)


def across(trains: dict[str, Path], tests: dict[str, tuple[Images, Images]], arguments: argparse.Namespace) -> None:
    print("| trained on | own mAP | other world's mAP | ratio | seconds of training |\n|---|---|---|---|---|")
    for source, folder in trains.items():
        start = time.perf_counter()
        model = train(load(folder), arguments.epochs, arguments.batch, arguments.rate, arguments.device)
        seconds = time.perf_counter() - start
        scores = {}
        for target, (query, gallery) in tests.items():
            features = (embed(model, part, arguments.device) for part in (query, gallery))
            scores[target] = mean_average_precision(query, gallery, *features)
        other = max(score for target, score in scores.items() if target != source)
        row = f"| {source} | {scores[source]:.1f} | {other:.1f} | {other / scores[source]:.2f} | {seconds:.0f} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
