"""Decoding, augmentation, cache and start-up against torchvision's way: ``python scripts/bench_feeding.py``.

Everything runs on one core; each round takes every way in turn, and the ratios are those of the medians. The training
loop's own cost and the figures of a GPU come from ``bench_loop.py``, which this script calls at its end.
"""

import argparse
import functools
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms as rival

import bench_loop
from reid_lit.backbones.base import Backbone
from reid_lit.data.feeding.cache import shared_cache
from reid_lit.data.feeding.loading import Loader, ShotDataset
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.market1501 import Market1501
from reid_lit.data.transforms.erasing import IMAGENET_MEAN, Erase
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Flip, PadCrop, Transform
from reid_lit.records import Shot
from reid_lit.synthetic.write import write

SIZE = (256, 128)
STD = (0.229, 0.224, 0.225)
COUNT, BATCH = 512, 32


def real_images(source: Path | None, folder: Path) -> list[Path]:
    """JPEGs to read: those given, or those of the tiny synthetic set."""
    if source is None:
        source = folder / "synthetic"
        write(source, world="plaza", size="tiny", seed=0)
    files = sorted(source.rglob("*.jpg"))
    if not files:
        raise SystemExit(f"no *.jpg in {source.resolve()}")
    return list(itertools.islice(itertools.cycle(files), COUNT))


def rivals_batches(files: list[Path], interpolation: str) -> Callable[[], None]:
    """What others do: torchvision's transforms, image by image, on PIL's images."""
    change = rival.Compose(
        [
            rival.Resize(SIZE, interpolation=rival.InterpolationMode(interpolation)),
            rival.RandomHorizontalFlip(),
            rival.Pad(10),
            rival.RandomCrop(SIZE),
            rival.ToTensor(),
            rival.Normalize(IMAGENET_MEAN, STD),
            rival.RandomErasing(p=0.5, value=0),
        ]
    )

    def batch(files: list[Path]) -> Tensor:
        return torch.stack([change(Image.open(file).convert("RGB")) for file in files])

    return lambda: _consume(batch(files[start : start + BATCH]) for start in range(0, COUNT, BATCH))


def our_batches(files: list[Path], interpolation: str, *, cached: bool, augmented: bool) -> Callable[[], None]:
    """Ours: a dataset that gives whole batches, the transform, the backbone's normalisation."""
    erase = Erase(probability=0.5, area=(0.02, 0.4), aspect=(0.3, 1 / 0.3), fill=IMAGENET_MEAN)
    train = [Flip(probability=0.5), PadCrop(pad=10), erase]
    transform = Transform(size=SIZE, interpolation=interpolation, train=train)
    shots = [Shot(path=file, person_id=0, camera_id=0) for file in files]
    cache = shared_cache(images=COUNT, size=SIZE, trainer=None) if cached else None
    dataset = ShotDataset(shots, [0] * COUNT, transform=transform, cache=cache)
    normalised = Backbone(nn.Identity(), dim=3, mean=IMAGENET_MEAN, std=STD)

    def batch(index: list[int]) -> Tensor:
        read = dataset.__getitems__(index)
        if not augmented:
            return read.image
        return normalised(transform.training(read.image, ImageNoise(read.index, seed=0, epoch=0)))

    return lambda: _consume(batch(list(range(start, start + BATCH))) for start in range(0, COUNT, BATCH))


def _consume(batches: Iterator[Tensor]) -> None:
    for _ in batches:
        pass


def seconds(work: Callable[[], None]) -> float:
    """Time of the core, whoever else uses it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def feeding(files: list[Path], rounds: int) -> None:
    print("| resize | way | images/s | × torchvision |\n|---|---|---|---|")
    for interpolation in ("bicubic", "bilinear"):
        make = functools.partial(our_batches, files, interpolation)
        ways = {
            "torchvision on PIL, image by image": rivals_batches(files, interpolation),
            "worker alone": make(cached=False, augmented=False),
            "worker, augmentation, normalisation": make(cached=False, augmented=True),
            "full cache, augmentation, normalisation": make(cached=True, augmented=True),
        }
        for work in ways.values():
            work()  # the first time fills the cache
        taken = [{way: seconds(work) for way, work in ways.items()} for _ in range(rounds)]
        median = {way: statistics.median(one[way] for one in taken) for way in ways}
        slowest = next(iter(median.values()))
        for way, value in median.items():
            print(f"| {interpolation} | {way} | {COUNT / value:,.0f} | {slowest / value:.2f} |")


def market_tree(folder: Path, files: list[Path]) -> Path:
    """Market-1501's folders with as many small images, hard links to a few; persons and cameras are made up."""
    kept = [folder / f"{number}.jpg" for number in range(16)]
    for target, file in zip(kept, files, strict=False):
        target.write_bytes(file.read_bytes())
    lists = {"bounding_box_train": (12936, 2, 751), "query": (3368, 801, 750), "bounding_box_test": (19732, 801, 750)}
    for place, (count, first, persons) in lists.items():
        (folder / "market" / place).mkdir(parents=True)
        for number in range(count):
            name = f"{first + number % persons:04d}_c{number % 6 + 1}s1_{number:06d}_01.jpg"
            (folder / "market" / place / name).hardlink_to(kept[number % len(kept)])
    return folder / "market"


def startup(folder: Path, files: list[Path]) -> None:
    root = market_tree(folder, files)
    for times in ("the first time", "afterwards"):
        data = Market1501(
            root=root,
            transform=Transform(size=SIZE, interpolation="bicubic", train=[]),
            sampler=ShuffleSampler,
            loader=Loader(batch_size=32, test_batch_size=32),
        )
        start = time.perf_counter()
        data.prepare_data()
        data.setup("fit")
        print(f"prepare_data and setup on 36,036 files, {times}: {time.perf_counter() - start:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of JPEGs to read instead of the synthetic set's")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=40, help="of the training loop; 0 leaves it out")
    arguments = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        os.environ |= {"XDG_CACHE_HOME": name, "XDG_DATA_HOME": name, "XDG_STATE_HOME": name}  # a first time for all
        files = real_images(arguments.images, folder)
        width, height = Image.open(files[0]).size
        print(f"JPEGs of {height} × {width}, torch {torch.__version__}\n")
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(cores)})
        torch.set_num_threads(1)
        torch.empty(31 * 2**20, dtype=torch.uint8)  # as in any training: from here on glibc keeps what is freed
        feeding(files, arguments.rounds)
        os.sched_setaffinity(0, cores)
        print()
        startup(folder, files)
        if arguments.steps:
            print()
            bench_loop.run(files, folder, steps=arguments.steps)


if __name__ == "__main__":
    main()
