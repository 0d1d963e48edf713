"""The data set as JPEG files in Market-1501's layout."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_lit.errors import ExistingFileError, FailedError, InputError
from reid_lit.synthetic.plan import FOLDERS, PlannedImage, counts, plan
from reid_lit.synthetic.render import draw
from reid_lit.synthetic.worlds import world as world_of

VERSION = 1
"""Grows whenever the same world, size and seed would be drawn otherwise."""

RECORD = "synthetic.json"
"""The file that says which set a folder holds; it is written last."""

Progress = Callable[[int, int], None]


def write(
    root: Path,
    *,
    world: str = "plaza",
    size: str = "small",
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Draw a data set into ``root``, or find it there.

    The set is drawn beside ``root`` and renamed when it is whole, so that a killed run leaves nothing that could be
    taken for a set, and two processes may call this at once.

    Args:
        root: The folder to write; it must not exist, be empty, or hold this very set.
        world: ``plaza`` or ``campus``.
        size: ``tiny`` (tests), ``small`` (the demo) or ``full`` (Market-1501's own counts).
        seed: The same seed gives the same files, whatever the number of workers.
        workers: Processes that draw.
        progress: Called with the number of images drawn so far and their total.

    Returns:
        ``root``.

    Raises:
        ValueError: ``world`` or ``size`` is unknown, or ``workers`` is below 1.
        ExistingFileError: ``root`` holds something else.
    """
    if workers < 1:
        raise InputError(f"workers={workers}: they draw nothing; give 1 or more")
    drawings = plan(world, size, seed)
    record = {"world": world, "size": size, "seed": seed, "version": VERSION, "counts": counts(drawings)}
    if _holds(root, record):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = root.parent / f".{root.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        for folder in FOLDERS:
            (partial / folder).mkdir(parents=True)
        _draw_all(partial, world, size, seed, workers, len(drawings), progress)
        (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        _publish(partial, root, record)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root


def write_share(folder: Path, world: str, size: str, seed: int, share: int, shares: int) -> Iterator[int]:
    """Draw one of several shares of a plan into ``folder``; yields the number of images drawn since the last time."""
    cv2.setNumThreads(1)
    place = world_of(world)
    mine = _cut(plan(world, size, seed), share, shares)
    for start in range(0, len(mine), 64):
        for drawing in mine[start : start + 64]:
            target = folder / drawing.folder / drawing.name
            target.write_bytes(encode(draw(place, drawing, seed), place.cameras[drawing.camera].quality))
        yield len(mine[start : start + 64])


def encode(image: NDArray[np.uint8], quality: int) -> bytes:
    """An image (red, green, blue) as JPEG.

    Raises:
        RuntimeError: OpenCV cannot encode it.
    """
    done, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise FailedError(
            f"OpenCV cannot encode an image of shape {image.shape} as JPEG; reinstall opencv-python-headless"
        )
    return bytes(data)


def _cut(drawings: list[PlannedImage], share: int, shares: int) -> list[PlannedImage]:
    """A contiguous share, so that the images of a person are drawn by one process."""
    return drawings[len(drawings) * share // shares : len(drawings) * (share + 1) // shares]


def _draw_all(
    folder: Path, world: str, size: str, seed: int, workers: int, total: int, progress: Progress | None
) -> None:
    """Draw every image, in this process or in others."""
    lock, done = threading.Lock(), 0

    def count(images: int) -> None:
        nonlocal done
        with lock:
            done += images
            if progress is not None:
                progress(done, total)

    if workers == 1:
        for images in write_share(folder, world, size, seed, 0, 1):
            count(images)
        return
    with ThreadPoolExecutor(workers) as pool:
        jobs = [
            pool.submit(_draw_apart, [str(folder), world, size, str(seed), str(k), str(workers)], count)
            for k in range(workers)
        ]
        for job in jobs:
            job.result()


def _draw_apart(arguments: list[str], count: Callable[[int], None]) -> None:
    """Draw a share in a process of its own; a plain one, for multiprocessing would import the caller's main again."""
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "reid_lit.synthetic.share", *arguments]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            count(int(line))
        trouble = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise FailedError(
            f"{' '.join(command)} ended with {process.returncode}; draw with workers=1 to see why:\n{trouble}"
        )


def _holds(root: Path, record: dict[str, object]) -> bool:
    """Whether ``root`` holds the set of ``record``; an empty or missing folder does not.

    Raises:
        ExistingFileError: it holds something else.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / RECORD).read_text())
    except (OSError, ValueError):
        found = None
    if found == record:
        return True
    what = f"the set {json.dumps(found)}" if found else f"no finished synthetic set (no {RECORD} to read)"
    raise ExistingFileError(f"{root.resolve()} holds {what}, not {json.dumps(record)}; remove it or give another root")


def _publish(partial: Path, root: Path, record: dict[str, object]) -> None:
    """Rename the finished set; if another process was faster with the same set, that one stands."""
    try:
        partial.rename(root)
    except OSError:
        if not _holds(root, record):
            raise
