"""What comparing stripes costs beside their products alone, and the memory that it takes.

    python scripts/bench_local_distance.py --queries 400 --gallery 4000 --stripes 8

For 2,048 and 128 channels it prints the seconds of all products of stripes, of the whole distance, and their ratio,
both of the same tiles and the same threads; the best of some repeats, taken in turn. Whole images have few numbers here
(``--whole``): their distance is that of any evaluation. Another process on the machine slows down both.
"""

import argparse
import resource
import time

import torch
from torch.nn import functional as F

from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.local_blocks import LocalBlocks
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.evaluation.stripes import Tiles
from reid_lit.evaluation.tile_workers import TileWorkers


def embeddings(images: int, stripes: int, channels: int, whole: int, *, seed: int) -> torch.Tensor:
    """Random whole images, and stripes of length 1 behind them."""
    generator = torch.Generator().manual_seed(seed)
    parts = F.normalize(torch.randn(images, stripes, channels, generator=generator), dim=2)
    return torch.cat([torch.randn(images, whole, generator=generator), parts.flatten(1)], dim=1)


def products(blocks: LocalBlocks) -> None:
    """All products of stripes, by the tiles and threads of the distance, and nothing else."""
    workers = TileWorkers(blocks.query.shape[1], blocks.query.device, "dmli")
    one = workers.one
    for rows in blocks.query.split(BLOCK):
        parts = [one.of_queries(part) for part in rows.split(one.queries)]

        def multiply(tiles: Tiles, first: int, parts: list[torch.Tensor] = parts) -> None:
            side = tiles.of_gallery(blocks.gallery[first : first + tiles.gallery])
            for part in parts:
                tiles.multiply(part, side)

        workers.each(multiply, range(0, len(blocks.gallery), one.gallery))


def distances(blocks: LocalBlocks) -> None:
    """All distances."""
    for start in range(0, len(blocks.query), BLOCK):
        blocks.block(start)


def seconds(task: object, blocks: LocalBlocks) -> float:
    """How long a task takes."""
    start = time.perf_counter()
    task(blocks)  # type: ignore[operator]
    if blocks.query.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Print a row for each number of channels."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("queries", 400), ("gallery", 4000), ("stripes", 8), ("whole", 8), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--channels", type=int, nargs="+", default=[128, 2048])
    parser.add_argument("--nearest", type=int, default=None)
    parser.add_argument("--matching", default="dmli")
    parser.add_argument("--device", default="cpu")
    wanted = parser.parse_args()
    print(f"{wanted.queries} × {wanted.gallery} pairs of {wanted.stripes} stripes, {torch.get_num_threads()} threads")
    print("| channels | products, s | distance, s | ratio | above the embeddings, GB |\n|---|---|---|---|---|")
    for channels in wanted.channels:
        made = [
            embeddings(images, wanted.stripes, channels, wanted.whole, seed=seed).to(wanted.device)
            for seed, images in enumerate((wanted.queries, wanted.gallery))
        ]
        local = LocalDistance(
            matching=wanted.matching, feature="local", global_weight=2.0, local_weight=1.0, nearest=wanted.nearest,
            whole=wanted.whole, channels=channels,
        )  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        blocks = LocalBlocks(*made, "cosine", local)
        times = [(seconds(products, blocks), seconds(distances, blocks)) for _ in range(wanted.repeats)]
        alone, whole = (min(column) for column in zip(*times, strict=True))
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e9
        print(f"| {channels} | {alone:.2f} | {whole:.2f} | {whole / alone:.2f} | {more:.2f} |", flush=True)


if __name__ == "__main__":
    main()
