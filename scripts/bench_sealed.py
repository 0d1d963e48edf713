"""A sealed gallery: how long it takes to open, how long a query takes, and in how much memory, on drawn vectors.

python scripts/bench_sealed.py --rows 1000000 --dim 512
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from reid_lit.gallery.engine import engine_of
from reid_lit.gallery.keystore import KeyStore
from reid_lit.gallery.master import Master
from reid_lit.gallery.rows import Entry, Where, schema, table_of
from reid_lit.gallery.sealed import SealedEngine

ADDED = 8192  # rows of one commit
CAMERAS = 8


def engine_at(folder: Path, dim: int, precision: str) -> SealedEngine:
    keys = KeyStore(folder / "keys.sqlite", Master(bytes(32), source="the bench"))
    lock = FileLock(folder / ".lock")
    return SealedEngine(engine_of("lancedb", str(folder / "store")), keys, lock, dim=dim, precision=precision)


def unit(random: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    drawn = random.standard_normal((rows, dim), np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def fill(folder: Path, rows: int, dim: int, each: int) -> None:
    """Seal drawn vectors; ``each`` images a person."""
    KeyStore.create(folder / "keys.sqlite", Master(bytes(32), source="the bench"))
    engine, random, start = (
        engine_at(folder, dim, "float32"),
        np.random.default_rng(0),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    engine.create(schema(dim))
    for first in range(0, rows, ADDED):
        number = range(first, min(first + ADDED, rows))
        entries = [
            Entry(
                path=f"/crops/{k:08}.jpg",
                person=f"person {k // each}",
                camera=f"camera {k % CAMERAS}",
                time=start + timedelta(seconds=k),
            )
            for k in number
        ]
        vectors = unit(random, len(number), dim)
        engine.add(table_of(entries, [f"{k:064x}" for k in number], vectors, first=first))


def seconds(work: Callable[[], object], times: int = 1) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def ask(folder: Path, dim: int, precision: str) -> dict[str, float]:
    """What a process does that opens the gallery and asks."""
    engine, query = engine_at(folder, dim, precision), unit(np.random.default_rng(1), 32, dim)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"opening s": seconds(engine.refresh)}
    found["one query s"] = seconds(lambda: engine.nearest(query[:1], 10, Where()), 5)
    found["32 queries s"] = seconds(lambda: engine.nearest(query, 10, Where()), 3)
    found["one query, one camera s"] = seconds(lambda: engine.nearest(query[:1], 10, Where(cameras=("camera 3",))), 3)
    found["rows held GiB"] = sum(block.vectors.nbytes for block in engine.memory._state.blocks) / 2**30
    found["peak memory GiB"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    return found


def erase(folder: Path, dim: int) -> dict[str, float]:
    """Erase one person from an open gallery, with the compaction that takes the rows from the disk."""
    engine = engine_at(folder, dim, "float16")
    engine.refresh()
    return {"erasing a person s": seconds(lambda: engine.erase(Where(persons=("person 7",))))}


def alone(work: Callable[..., dict[str, float]], *words: object) -> dict[str, float]:
    """In a process of its own, whose memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--each", type=int, default=20, help="images of a person")
    parser.add_argument("--folder", type=Path, help="where the store is made, and removed at the end")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench_sealed", dir=given.folder))
    try:
        print(f"{given.rows:,} rows of {given.dim} numbers, {torch.get_num_threads()} threads")
        print(f"sealing and writing: {seconds(lambda: fill(folder, given.rows, given.dim, given.each)):.1f} s")
        for name in ("store", "keys.sqlite"):
            size = sum(file.stat().st_size for file in [folder / name, *(folder / name).rglob("*")] if file.is_file())
            print(f"{name}: {size / 2**30:.3f} GiB")
        for precision in ("float32", "float16"):
            print(precision, json.dumps(alone(ask, folder, given.dim, precision)))
        print(json.dumps(alone(erase, folder, given.dim)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
