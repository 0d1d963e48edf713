"""A gallery of drawn vectors: the time of a query and what it takes; and enrolment against ``reid_lit.embed``.

python scripts/bench_gallery.py [--rows 1000000] [--dim 512]        queries
python scripts/bench_gallery.py --enrol <run> <folder of images>     enrolment
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from reid_lit.gallery.engine import engine_of
from reid_lit.gallery.rows import Entry, Where, schema, table_of
from reid_lit.gallery.vectors import Vectors
from reid_lit.progress import untold

TOP = 10
PERSONS = 2_000  # vectors scatter around so many centres
PART = 20_000  # rows added at once


def drawn(random: np.random.Generator, rows: int, dim: int, centres: np.ndarray) -> np.ndarray:
    """Unit vectors around persons' centres, as a model's embeddings lie."""
    vectors = centres[random.integers(len(centres), size=rows)] + random.normal(size=(rows, dim)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def queries(arguments: argparse.Namespace, folder: Path) -> None:
    """Fill a store, copy its vectors, ask."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(PERSONS, arguments.dim)).astype(np.float32)
    engine = engine_of("lancedb", str(folder / "store"))
    engine.create(schema(arguments.dim))
    start = time.perf_counter()
    for first in range(0, arguments.rows, PART):
        vectors = drawn(random, min(PART, arguments.rows - first), arguments.dim, centres)
        entries = [Entry(path=f"/{first + k}", camera=f"c{k % 6}") for k in range(len(vectors))]
        engine.add(table_of(entries, [str(first + k) for k in range(len(vectors))], vectors, first=first))
    say(f"written into LanceDB, {arguments.rows // PART} commits", time.perf_counter() - start)
    asked = drawn(random, 256, arguments.dim, centres)
    exact = None
    for precision in ("float32", "float16"):
        copy = Vectors(folder / "vectors", arguments.dim, precision=precision)
        start = time.perf_counter()
        copy.refresh(engine, tell=untold)
        say(f"{precision}: vectors copied for the search", time.perf_counter() - start)
        copy.nearest(asked[:1], TOP, allowed=None)  # warms the page cache
        for number in (1, 32, 256):
            runs = []
            for _ in range(3):
                start = time.perf_counter()
                found, _ = copy.nearest(asked[:number], TOP, allowed=None)
                runs.append(time.perf_counter() - start)
            say(f"{precision}: {number} queries in one pass, warm", min(runs), per=number)
        if exact is None:
            exact = found
        else:
            same = (found == exact).all(1).mean()
            kept = np.mean([len(set(a) & set(b)) / TOP for a, b in zip(found, exact, strict=True)])
            print(
                f"float16: the first {TOP} are the same, in the same order, for {same:.1%} of {len(asked)} queries;"
                f" {kept:.2%} of them are found"
            )
        start = time.perf_counter()
        copy.nearest(asked[:1], TOP, allowed=np.arange(0, arguments.rows, 6))
        say(f"{precision}: 1 query among a sixth of the rows", time.perf_counter() - start)
    start = time.perf_counter()
    engine.near(asked[0], TOP, Where())
    say("LanceDB's flat scan, 1 query", time.perf_counter() - start)
    start = time.perf_counter()
    engine.index()
    say("LanceDB's index made", time.perf_counter() - start)
    start = time.perf_counter()
    near = [set(engine.near(vector, TOP, Where())[0]) for vector in asked[:64]]
    say("LanceDB's index, 64 queries one by one", time.perf_counter() - start, per=64)
    recall = np.mean([len(one & set(other)) / TOP for one, other in zip(near, exact[:64], strict=True)])
    print(f"recall of the index: {recall:.1%} of the exact nearest {TOP}")


def enrolment(arguments: argparse.Namespace, folder: Path) -> None:
    """The same images through ``reid_lit.embed`` and into a gallery, each a process of its own, twice in turn."""
    run, images = (str(Path(each).resolve()) for each in arguments.enrol)
    number = sum(1 for path in Path(images).rglob("*") if path.suffix in (".jpg", ".png"))
    for turn in range(2):
        took = {}
        gallery = folder / f"gallery{turn}"
        words("reid_lit.gallery", "create", f"gallery={gallery}", f"run={run}")
        for name, command in {
            "embed": (
                "reid_lit.embed",
                f"run={run}",
                "dataset=images",
                f"dataset.root={images}",
                f"hydra.run.dir={folder}/embed{turn}",
            ),
            "enrol": ("reid_lit.gallery", "enrol", f"gallery={gallery}", images),
        }.items():
            start = time.perf_counter()
            words(*command)
            took[name] = time.perf_counter() - start
            say(f"{name}: {number:,} images, start included", took[name], per=number)
        print(f"enrolment has {took['embed'] / took['enrol']:.2f} of the images/s of reid_lit.embed")


def words(*command: str) -> None:
    subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL)


def say(what: str, seconds: float, *, per: int = 1) -> None:
    """A figure, with the most memory that was held so far."""
    each = f", {seconds / per * 1000:.1f} ms each ({per / seconds:.0f}/s)" if per > 1 else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what}: {seconds:.2f} s{each}; peak {peak:.2f} GiB", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--enrol", nargs=2, metavar=("RUN", "IMAGES"))
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, pyarrow {pa.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        (enrolment if arguments.enrol else queries)(arguments, Path(folder))


if __name__ == "__main__":
    main()
