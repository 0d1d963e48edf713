"""Time and memory of evaluation and re-ranking, next to a baseline of each: ``python scripts/bench_retrieval.py``.

Random embeddings with person structure. Each measurement has a process of its own, so that its peak memory is known;
the peak counts from the moment the embeddings are in memory. Where there is a GPU, each row is measured there too.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans

from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.neighbours.exact import Neighbours, neighbours
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.nearest import recall
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.neighbours.search import ExactSearch, FaissSearch
from reid_lit.evaluation.on_disk import NOWHERE, Distractors, StoredEmbeddings
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.streaming import COLUMNS
from reid_lit.models.k_means import lloyd

NOISE = 3.5
"""Standard deviations of an image from its person where one kind of embedding serves: neither perfect nor hopeless."""


@dataclass(frozen=True)
class Size:
    """How much is ranked."""

    queries: int
    gallery: int
    dim: int
    persons: int

    def scaled(self, scale: float) -> "Size":
        """So much of it, and no less than re-ranking needs."""
        numbers = (self.queries, self.gallery, self.dim, self.persons)
        return Size(*(max(least, round(number * scale)) for number, least in zip(numbers, (8, 40, 16, 4), strict=True)))

    def __str__(self) -> str:
        return f"{self.queries:,} × {self.gallery:,} × {self.dim:,}"


MARKET = Size(3368, 15913, 2048, 751)
MSMT = Size(11659, 82161, 2048, 3060)
MANY = Size(2000, 200_000, 256, 10_000)
DISTRACTORS = 500_000
CAMERAS = 6
CLUSTERS = 700
"""As many as PUL's for Market-1501."""


def made(size: Size, noise: float, device: str) -> tuple[torch.Tensor, torch.Tensor, Lists]:
    """Query and gallery, neighbours in memory, and who is on them."""
    generator = torch.Generator().manual_seed(0)
    images = size.queries + size.gallery
    person = torch.randint(size.persons, (images,), generator=generator)
    camera = torch.randint(CAMERAS, (images,), generator=generator)
    centre = torch.randn(size.persons, size.dim, generator=generator)
    embedding = torch.empty(images, size.dim, device=device)
    for start in range(0, images, BLOCK):  # in blocks, so that there is no second copy of all
        part = slice(start, start + BLOCK)
        one = centre[person[part]]
        embedding[part] = (one + noise * torch.randn(one.shape, generator=generator)).to(device)
    cut = size.queries
    return embedding[:cut], embedding[cut:], Lists(person[:cut], camera[:cut], person[cut:], camera[cut:])


class Peak:
    """The most memory that is held above what is held now."""

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        elif (clear := Path("/proc/self/clear_refs")).exists():
            clear.write_text("5")
        self.before = self._read()

    def _read(self) -> float:
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated() / 1e9
        if (status := Path("/proc/self/status")).exists():
            return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e9
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9

    def above(self) -> float:
        """In GB."""
        return self._read() - self.before


def timed(work: Callable[[], Any], device: str) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def rank(size: Size, noise: float, repeats: int, device: str) -> dict[str, float]:
    """The evaluation and its matrix product, in turns."""
    query, gallery, lists = made(size, noise, device)
    peak, rounds = Peak(device), []
    result = evaluate(Ranker(query, gallery, lists, Protocol()))  # before a product is held
    above = peak.above()
    for _ in range(repeats):
        product, _ = timed(lambda: torch.mm(query, gallery.T), device)
        whole, _ = timed(lambda: evaluate(Ranker(query, gallery, lists, Protocol())), device)
        rounds.append((product, whole))
    product, whole = (min(values) for values in zip(*rounds, strict=True))
    return {"seconds": whole, "against": product, "peak": above, "mAP": result.scores["mAP"]}


def rerank(size: Size, noise: float, out: str | None, device: str) -> dict[str, float]:
    """k-reciprocal re-ranking to the last distance, and the seconds of the neighbour search in it."""
    query, gallery, lists = made(size, noise, device)
    seconds = []

    def search(embedding: torch.Tensor, **settings: Any) -> Neighbours:
        spent, found = timed(lambda: neighbours(embedding, **settings), device)
        seconds.append(spent)
        return found

    def stream() -> Iterator[torch.Tensor]:
        blocks = KReciprocal().blocks(query, gallery, neighbours=search)
        yield from (blocks.block(start) for start in range(0, len(query), BLOCK))

    peak = Peak(device)
    whole, _ = timed(lambda: [block.shape for block in stream()], device)
    facts = {"seconds": whole, "against": seconds[0], "peak": peak.above()}
    if out:
        distance = torch.cat([block.to("cpu", copy=True) for block in stream()])
        np.save(out, distance.numpy())
        facts["mAP"] = mean_average_precision(distance, query.cpu(), gallery.cpu(), lists)
    return facts


def expand(size: Size, noise: float, device: str) -> dict[str, float]:
    """Query expansion of query and gallery, and the seconds of the neighbour search in it."""
    query, gallery, lists = made(size, noise, device)
    seconds = []

    class Timed(ExactSearch):
        def neighbours(self, embedding: torch.Tensor, **settings: Any) -> Neighbours:
            spent, found = timed(lambda: neighbours(embedding, **settings), device)
            seconds.append(spent)
            return found

    peak = Peak(device)
    whole, expanded = timed(lambda: Expansion(of="both")(query, gallery, search=Timed()), device)
    facts = {"seconds": whole, "against": seconds[0], "peak": peak.above()}
    return facts | {"mAP": evaluate(Ranker(*expanded, lists, Protocol())).scores["mAP"]}


def rerank_and_score(size: Size, noise: float, device: str) -> dict[str, float]:
    """An evaluation with k-reciprocal re-ranking, from embeddings to scores."""
    query, gallery, lists = made(size, noise, device)
    protocol = Protocol(rerank=KReciprocal())
    search, _ = timed(lambda: neighbours(torch.cat([query, gallery]), k=KReciprocal().k1 + 1), device)
    peak = Peak(device)
    whole, result = timed(lambda: evaluate(Ranker(query, gallery, lists, protocol)), device)
    return {"seconds": whole, "against": search, "peak": peak.above(), "mAP": result.scores["mAP"]}


def k_means(size: Size, noise: float, device: str) -> dict[str, float]:
    """k-means of all images from one start: scikit-learn's on the CPU, ours on a GPU."""
    query, gallery, _ = made(size, noise, device)
    features = torch.cat([query, gallery])
    start = features[torch.linspace(0, len(features) - 1, min(size.persons, CLUSTERS)).long()]
    peak = Peak(device)
    if device == "cpu":
        means = KMeans(len(start), init=start.numpy(), n_init=1)
        seconds, _ = timed(lambda: means.fit(features.numpy()), device)
        return {"seconds": seconds, "peak": peak.above(), "inertia": float(means.inertia_)}
    seconds, (_, _, inertia) = timed(lambda: lloyd(features, start), device)
    return {"seconds": seconds, "peak": peak.above(), "inertia": inertia}


def find(size: Size, noise: float, kind: str, device: str) -> dict[str, float]:
    """The ten nearest of each query by an index of faiss, and exactly."""
    query, gallery, _ = made(size, noise, device)
    exact, truth = timed(lambda: ExactSearch().search(query, gallery, k=10), device)
    settings = {"m": size.dim // 8, "bits": min(8, size.gallery.bit_length() - 2)} if kind == "ivf_pq" else {}
    search = FaissSearch(kind=kind, recall_sample=0, **settings)
    peak = Peak(device)
    building, index = timed(lambda: search.build(gallery), device)
    asking, found = timed(lambda: search.search(query, gallery, k=10, index=index), device)
    facts = {"seconds": asking, "against": exact, "peak": peak.above(), "building": building}
    return facts | {"recall": recall(found.index, truth.index)}


def stream(size: Size, noise: float, distractors: int, device: str) -> dict[str, float]:
    """The evaluation of a gallery with distractors on disk, and the matrix product of all its images."""
    query, gallery, lists = made(size, noise, device)
    generator = torch.Generator().manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "distractors.bin"
        with file.open("wb") as raw:
            for start in range(0, distractors, COLUMNS):
                shape = (min(COLUMNS, distractors - start), size.dim)
                ((1 + noise**2) ** 0.5 * torch.randn(shape, generator=generator)).numpy().tofile(raw)
        rows = StoredEmbeddings(file, 0, (distractors, size.dim))
        piece = rows.read(0, COLUMNS).to(device)
        pieces = [piece] * (distractors // len(piece)) + [piece[: distractors % len(piece)], gallery]
        product, _ = timed(lambda: [torch.mm(query, part.T).shape for part in pieces], device)
        del piece, pieces
        behind = Distractors((rows,), torch.full((distractors,), NOWHERE))
        peak = Peak(device)
        whole, result = timed(lambda: evaluate(Ranker(query, gallery, lists, Protocol()), distractors=behind), device)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    facts = {"seconds": whole, "against": product, "peak": peak.above(), "resident": resident}
    return facts | {"mAP": result.scores["mAP"]}


def rerank_densely(size: Size, noise: float, out: str) -> dict[str, float]:
    """The implementation that is copied from code base to code base."""
    query, gallery, lists = made(size, noise, "cpu")
    peak = Peak("cpu")
    seconds, distance = timed(lambda: dense_reference(torch.cat([query, gallery]).numpy(), len(query)), "cpu")
    above = peak.above()
    np.save(out, distance)
    score = mean_average_precision(torch.from_numpy(distance), query, gallery, lists)
    return {"seconds": seconds, "peak": above, "mAP": score}


def dense_reference(
    feature: np.ndarray, queries: int, k1: int = 20, k2: int = 6, lambda_value: float = 0.3
) -> np.ndarray:
    """k-reciprocal re-ranking as Zhong et al. published it, with N × N matrices throughout."""
    images = len(feature)
    squares = (feature**2).sum(1)
    original = np.maximum(squares[:, None] + squares - 2 * feature @ feature.T, 0)
    original = np.transpose(original / original.max(axis=0))
    rank = np.argsort(original, kind="stable").astype(np.int32)

    def reciprocal(image: int, k: int) -> np.ndarray:
        forward = rank[image, : k + 1]
        return forward[(rank[forward, : k + 1] == image).any(1)]

    weight = np.zeros_like(original)
    for image in range(images):
        own = reciprocal(image, k1)
        members = own
        for other in own:
            more = reciprocal(other, round(k1 / 2))
            if len(np.intersect1d(more, own)) > 2 / 3 * len(more):
                members = np.append(members, more)
        members = np.unique(members)
        weight[image, members] = np.exp(-original[image, members])
        weight[image] /= weight[image].sum()
    original = original[:queries]
    if k2 != 1:
        weight = np.stack([weight[rank[image, :k2]].mean(0) for image in range(images)])
    lists = [np.flatnonzero(weight[:, column]) for column in range(images)]
    jaccard = np.zeros_like(original)
    for query in range(queries):
        shared = np.zeros(images, dtype=np.float32)
        for column in np.flatnonzero(weight[query]):
            shared[lists[column]] += np.minimum(weight[query, column], weight[lists[column], column])
        jaccard[query] = 1 - shared / (2 - shared)
    return ((1 - lambda_value) * jaccard + lambda_value * original)[:, queries:]


class Given:
    """Distances that are known, in the place of a re-ranking."""

    stamp = "given"

    def __init__(self, distance: torch.Tensor) -> None:
        self.distance = distance

    def needed(self, images: int, dim: int, columns: int) -> int:  # noqa: ARG002 - a re-ranking's interface
        """Nothing more."""
        return 0

    def blocks(self, *_: Any, **__: Any) -> "Given":
        """The distances, whatever the embeddings."""
        return self

    def block(self, start: int) -> torch.Tensor:
        """The distances of some queries."""
        return self.distance[start : start + BLOCK].clone()


def mean_average_precision(distance: torch.Tensor, query: torch.Tensor, gallery: torch.Tensor, lists: Lists) -> float:
    return evaluate(Ranker(query, gallery, lists, Protocol(rerank=Given(distance)))).scores["mAP"]


TASKS: dict[str, Callable[..., dict[str, float]]] = {
    "rank": rank,
    "rerank": rerank,
    "dense": rerank_densely,
    "expand": expand,
    "rerank_and_score": rerank_and_score,
    "k_means": k_means,
    "find": find,
    "stream": stream,
}
"""The measurements that run in processes of their own."""


def measured(task: str, size: Size, **settings: Any) -> dict[str, float]:
    """The facts of a task, from a process of its own."""
    request = json.dumps({"task": task, "size": vars(size), **settings})
    command = [sys.executable, __file__, "--measure", request]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def row(work: str, device: str, facts: dict[str, float], against: str, notes: str = "") -> None:
    ratio = facts["seconds"] / facts["against"]
    print(
        f"| {work} | {device} | {facts['seconds']:.2f} s | {against}: {facts['against']:.2f} s | {ratio:.3g} "
        f"| {facts['peak']:.2f} GB | {notes} |",
        flush=True,
    )


def evaluation(arguments: argparse.Namespace) -> None:
    size = MARKET.scaled(arguments.scale)
    for noise, device in ((noise, device) for noise in arguments.noise for device in arguments.devices):
        facts = measured("rank", size, noise=noise, repeats=arguments.repeats, device=device)
        row(f"evaluation, {size}, noise {noise:g}", device, facts, "its product", f"mAP {facts['mAP']:.3f}")


def k_reciprocal(arguments: argparse.Namespace) -> None:
    size = MARKET.scaled(arguments.scale)
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = (str(Path(folder) / name) for name in ("theirs.npy", "ours.npy"))
        dense = measured("dense", size, noise=NOISE, out=theirs)
        for device in arguments.devices:
            facts = measured("rerank", size, noise=NOISE, out=ours, device=device)
            apart = np.abs(np.load(ours) - np.load(theirs))
            row(
                f"k-reciprocal, {size}",
                device,
                facts | {"against": dense["seconds"]},
                "dense numpy",
                f"neighbour search {facts['against']:.2f} s; dense: {dense['peak']:.1f} GB; "
                f"{(apart > 1e-6).mean():.1e} of the distances differ by more than 1e-6, at most by {apart.max():.1e}; "
                f"mAP {facts['mAP']:.4f}, dense {dense['mAP']:.4f}",
            )


def k_reciprocal_large(arguments: argparse.Namespace) -> None:
    size = MSMT.scaled(arguments.scale)
    for device in arguments.devices:
        facts = measured("rerank", size, noise=NOISE, out=None, device=device)
        row(f"k-reciprocal, {size}", device, facts, "its neighbour search")


def expansion(arguments: argparse.Namespace) -> None:
    size = MARKET.scaled(arguments.scale)
    for device in arguments.devices:
        facts = measured("expand", size, noise=NOISE, device=device)
        row(f"query expansion, {size}", device, facts, "its neighbour search")


def search(arguments: argparse.Namespace) -> None:
    size = MANY.scaled(arguments.scale)
    for kind, device in ((kind, device) for kind in ("flat", "ivf_pq", "hnsw") for device in arguments.devices):
        facts = measured("find", size, noise=1.0, kind=kind, device=device)
        notes = f"built in {facts['building']:.1f} s; recall@10 {facts['recall']:.4f}"
        row(f"faiss {kind}, {size}", device, facts, "exact search", notes)


def distractors(arguments: argparse.Namespace) -> None:
    size, number = MARKET.scaled(arguments.scale), round(DISTRACTORS * arguments.scale)
    for device in arguments.devices:
        facts = measured("stream", size, noise=NOISE, distractors=number, device=device)
        notes = f"resident {facts['resident']:.2f} GB in all; mAP {facts['mAP']:.3f}"
        row(f"{number:,} distractors on disk behind {size}", device, facts, "its product", notes)


ROWS: dict[str, Callable[[argparse.Namespace], None]] = {
    "evaluation": evaluation,
    "k-reciprocal": k_reciprocal,
    "k-reciprocal-large": k_reciprocal_large,
    "expansion": expansion,
    "search": search,
    "distractors": distractors,
}
"""What is measured, by name."""

LARGE = {"k-reciprocal-large", "search", "distractors"}
"""Rows that take many minutes, measured with ``--large`` or by name."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=[])
    parser.add_argument("--large", action="store_true", help=f"also {', '.join(sorted(LARGE))}")
    parser.add_argument("--scale", type=float, default=1.0, help="shrinks everything, such as 0.05")
    parser.add_argument("--noise", type=float, nargs="+", default=[1.0, 8.0, 100.0], help="100 is an untrained model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        request = json.loads(arguments.measure)
        print(json.dumps(TASKS[request.pop("task")](size=Size(**request.pop("size")), **request)))
        return
    arguments.devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}{card}")
    print("| work | on | time | measured by | ratio | peak above the embeddings | |\n|---|---|---|---|---|---|---|")
    for name in arguments.only or [name for name in ROWS if arguments.large or name not in LARGE]:
        ROWS[name](arguments)


if __name__ == "__main__":
    main()
