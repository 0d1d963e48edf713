"""Time and memory of Jaccard distances next to their neighbour search: ``python scripts/bench_jaccard.py``.

Random embeddings with person structure, as many as MSMT17's training images. With ``--dense`` the sparse distances are
also compared with the matrix of all of them, for few images.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from reid_lit.evaluation.neighbours import jaccard
from reid_lit.evaluation.neighbours.exact import Neighbours, neighbours
from reid_lit.evaluation.neighbours.jaccard import jaccard_neighbours
from reid_lit.models.density_clusters import density_clusters

IMAGES, DIM, PERSONS = 32_621, 2048, 1041
SETTINGS = {"k1": 30, "k2": 6}
EPS, MIN_SAMPLES = 0.6, 4


def drawn(images: int, dim: int, persons: int, noise: float) -> torch.Tensor:
    """Embeddings around a random centre a person, in blocks, so that there is no second copy of all."""
    generator = torch.Generator().manual_seed(0)
    person = torch.randint(persons, (images,), generator=generator)
    centre, embedding = torch.randn(persons, dim, generator=generator), torch.empty(images, dim)
    for start in range(0, images, 1024):
        one = centre[person[start : start + 1024]]
        embedding[start : start + 1024] = one + noise * torch.randn(one.shape, generator=generator)
    return embedding


def peak() -> float:
    """The most memory that this process has held, in GB."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e9


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of all processor cores together: what a busy machine changes less."""

    clock: float
    cores: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} s ({self.cores:.1f} s of cores)"


def timed(work: Callable[[], Any]) -> tuple[Spent, Any]:
    clock, cores = time.perf_counter(), time.process_time()
    result = work()
    return Spent(time.perf_counter() - clock, time.process_time() - cores), result


def dense(embedding: torch.Tensor) -> np.ndarray:
    """The matrix of all distances, as the public code computes it, from the same neighbour lists."""
    unit = F.normalize(embedding, dim=1)
    rank = neighbours(unit, k=SETTINGS["k1"]).index.numpy()
    half, images = round(SETTINGS["k1"] / 2), len(rank)
    long, short = (
        [row[: k + 1][(rank[row[: k + 1], : k + 1] == image).any(1)] for image, row in enumerate(rank)]
        for k in (SETTINGS["k1"], half)
    )
    weight = np.zeros((images, images), dtype=np.float32)
    for image in range(images):
        added = [short[other] for other in long[image]]
        added = [some for some in added if len(np.intersect1d(some, long[image])) > 2 / 3 * len(some)]
        members = np.unique(np.concatenate([long[image], *added]))
        weight[image, members] = F.softmax(2 * unit[image] @ unit[members].T - 2, dim=0).numpy()
    weight = np.stack([weight[row[: SETTINGS["k2"]]].mean(0) for row in rank])
    shared = np.zeros_like(weight)
    for image in range(images):
        used = np.flatnonzero(weight[image])
        shared[image] = np.minimum(weight[:, used], weight[image, used]).sum(1)
    return np.maximum(1 - shared / (2 - shared), 0)


def compare(images: int, noise: float) -> None:
    embedding = drawn(images, DIM, max(2, images // 30), noise)
    found = jaccard_neighbours(embedding, reach=EPS, **SETTINGS)
    truth, sparse = dense(embedding), np.full((images, images), np.inf, dtype=np.float32)
    sparse[found.row.numpy(), found.column.numpy()] = found.value.numpy()
    there = np.isfinite(sparse)
    apart = np.abs(sparse[there] - truth[there]).max()
    print(
        f"{images:,} × {DIM:,}, noise {noise:g}: {there.sum():,} distances up to {EPS}; they differ from the"
        f" dense ones by {apart:.1e} at most; {(truth[~there] <= EPS - 1e-6).sum()} are missing"
    )


def measure(images: int, noise: float, repeats: int) -> None:
    embedding = drawn(images, DIM, max(2, round(PERSONS * images / IMAGES)), noise)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    seconds: list[Spent] = []

    def search(unit: torch.Tensor, **settings: Any) -> Neighbours:
        spent, near = timed(lambda: neighbours(unit, **settings))
        seconds.append(spent)
        return near

    jaccard.neighbours = search  # type: ignore[assignment]
    whole = [timed(lambda: jaccard_neighbours(embedding, reach=EPS, **SETTINGS))[0] for _ in range(repeats)]
    above = peak() - before
    best = min(range(repeats), key=lambda each: whole[each].clock)
    clustering, labels = timed(lambda: density_clusters(embedding, eps=EPS, min_samples=MIN_SAMPLES, **SETTINGS))
    own, part, clusters = whole[best], seconds[best], int(labels.max()) + 1
    print(f"{images:,} × {DIM:,}, noise {noise:g}:", end=" ")
    print(
        f"Jaccard {own}, its neighbour search {part}; ratio"
        f" {own.clock / part.clock:.2f} ({own.cores / part.cores:.2f}); {above:.2f} GB above the embeddings,"
        f" {peak():.2f} GB in all; with DBSCAN {clustering}: {clusters} clusters, {int((labels < 0).sum()):,} outliers"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--noise", type=float, nargs="+", default=[3.5])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--dense", type=int, default=0, metavar="IMAGES", help="compare with the dense matrix of so many"
    )
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for noise in arguments.noise:
        if arguments.dense:
            compare(arguments.dense, noise)
        measure(arguments.images, noise, arguments.repeats)


if __name__ == "__main__":
    main()
