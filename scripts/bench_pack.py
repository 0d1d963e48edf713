"""A folder of images against a pack of it, warm and cold: ``python scripts/bench_pack.py --data <Market-1501>``.

Folder and pack take turns, and the ratios are those of the medians. Before a cold reading the files are pushed out of
the page cache: ``fadvise`` does it file by file (POSIX_FADV_DONTNEED; the kernel keeps what it knows of folders and
inodes, which favours the folder), ``all`` by /proc/sys/vm/drop_caches (as root; everybody on the machine reads cold
then). A measurement lists the data set, then reads all images in a shuffled order, as training does, or in the order of
the lists, as a test does, with and without decoding and resizing to 256 × 128, in one process with one thread.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from reid_lit.data.feeding.decode import decode_batch
from reid_lit.data.sets import market1501
from reid_lit.files.access import close_packs, read_bytes
from reid_lit.synthetic.write import write

WORKS = ("read", "decode")
BATCH = 32
DROP = Path("/proc/sys/vm/drop_caches")


def measure(root: Path, work: str, order: str) -> dict[str, float]:
    """Seconds of listing and of reading, and the number of images."""
    start = time.perf_counter()
    paths = [shot.path for shot in market1501.read(root).shots]
    listed = time.perf_counter()
    if order == "shuffled":
        random.Random(0).shuffle(paths)
    for place in range(0, len(paths), BATCH):
        batch = paths[place : place + BATCH]
        if work == "read":
            for path in batch:
                read_bytes(path)
        else:
            decode_batch(batch, size=(256, 128), interpolation="bicubic")
    return {"images": len(paths), "list": listed - start, "read": time.perf_counter() - listed}


def forget(root: Path, how: str) -> None:
    """Push the files below a folder out of the page cache."""
    os.sync()
    if how == "all":
        DROP.write_text("3")
        return
    for folder, _, names in os.walk(root):
        for name in names:
            file = os.open(Path(folder, name), os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def packed(root: Path, out: Path) -> Path:
    """The pack, made as a user makes it."""
    words = ["dataset=market1501", f'dataset.root="{root.resolve()}"', f'out="{out}"']
    subprocess.run([sys.executable, "-m", "reid_lit.pack", *words], check=True, stdout=subprocess.DEVNULL)
    return out


def compare(root: Path, pack: Path, arguments: argparse.Namespace) -> None:
    print("| cache | work | order | folder: images/s | pack: images/s | pack / folder | listing, folder and pack, s |")
    print("|---|---|---|---|---|---|---|")
    for cache in ("warm", "cold"):
        for work in WORKS:
            for order in ("shuffled", "in order"):
                taken: dict[Path, list[dict[str, float]]] = {root: [], pack: []}
                for number in range(arguments.rounds + (cache == "warm")):
                    for place, rounds in taken.items():
                        close_packs()
                        if cache == "cold":
                            forget(place, arguments.drop)
                        one = measure(place, work, order)
                        if cache == "cold" or number:  # the first one warms the cache
                            rounds.append(one)
                speed = {place: one[0]["images"] / _median(one, "read") for place, one in taken.items()}
                lists = ", ".join(f"{_median(one, 'list'):.2f}" for one in taken.values())
                ratio = speed[pack] / speed[root]
                name = cache if cache == "warm" else f"cold ({arguments.drop})"
                print(
                    f"| {name} | {work} | {order} | {speed[root]:,.0f} | {speed[pack]:,.0f} | {ratio:.2f} | {lists} |"
                )


def _median(rounds: list[dict[str, float]], key: str) -> float:
    return statistics.median(one[key] for one in rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a copy of Market-1501; without it the small synthetic set is drawn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drop", choices=("fadvise", "all"), default="fadvise")
    parser.add_argument("--scratch", type=Path, help="where the pack is written for the time of the measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        root = arguments.data
        if root is None:
            root = write(Path(folder, "synthetic"), size="small", workers=2)
        compare(root, packed(root, Path(folder, "pack")), arguments)


if __name__ == "__main__":
    main()
