"""Write the data set as JPEG files in Market-1501's layout."""

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
from reid_lit.files.access import entries, exists, is_dir, read_bytes
from reid_lit.paths import beside, remove_leftovers
from reid_lit.synthetic.plan import FOLDERS, PlannedImage, counts, plan
from reid_lit.synthetic.render import draw
from reid_lit.synthetic.worlds import world as world_of

VERSION = 1
"""The version of the drawing; it grows when the same world, size and seed give other images."""

RECORD = "synthetic.json"
"""The file that names the set in a folder; it is written last."""

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
    """Draw a data set into ``root``, unless it is there already.

    The set is drawn next to ``root`` and renamed when it is complete. So a killed run leaves no incomplete set, and two
    processes may call this at once.

    Args:
        root: The folder to write; it must be missing, be empty, or hold this same set.
        world: ``plaza`` or ``campus``.
        size: ``tiny`` (tests), ``small`` (the demo) or ``full`` (Market-1501's own counts).
        seed: The same seed gives the same files, whatever the number of workers.
        workers: The number of processes that draw.
        progress: Called with the number of images drawn so far and their total.

    Returns:
        ``root``.

    Raises:
        ValueError: ``world`` or ``size`` is unknown, or ``workers`` is below 1.
        ExistingFileError: ``root`` holds something else.
    """
    if workers < 1:
        raise InputError(f"workers={workers}: no process would draw; give 1 or more")
    drawings = plan(world, size, seed)
    record = {"world": world, "size": size, "seed": seed, "version": VERSION, "counts": counts(drawings)}
    if _holds(root, record):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(root)
    partial = beside(root, mark=secrets.token_hex(4))
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
    """Draw one of several shares of a plan into ``folder``; yield the number of images drawn since the last yield."""
    cv2.setNumThreads(1)
    place = world_of(world)
    drawings = _cut(plan(world, size, seed), share, shares)
    for start in range(0, len(drawings), 64):
        for drawing in drawings[start : start + 64]:
            target = folder / drawing.folder / drawing.name
            target.write_bytes(encode(draw(place, drawing, seed), place.cameras[drawing.camera].quality))
        yield len(drawings[start : start + 64])


def encode(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode an image (red, green, blue) as JPEG.

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
    """Draw every image, in this process or in several."""
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
    """Draw a share in a separate process; not by multiprocessing, which would import the caller's main again."""
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "reid_lit.synthetic.share", *arguments]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            count(int(line))
        errors = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise FailedError(
            f"{' '.join(command)} ended with {process.returncode}; draw with workers=1 to see why:\n{errors}"
        )


def _holds(root: Path, record: dict[str, object]) -> bool:
    """Whether ``root`` holds the set of ``record``; an empty or missing folder does not.

    Raises:
        ExistingFileError: it holds something else.
    """
    if not exists(root) or (is_dir(root) and not entries(root)):
        return False
    try:
        present = json.loads(read_bytes(root / RECORD))
    except (OSError, ValueError):
        present = None
    if present == record:
        return True
    content = f"the set {json.dumps(present)}" if present else f"no finished synthetic set (no {RECORD} to read)"
    raise ExistingFileError(
        f"{root.resolve()} holds {content}, not {json.dumps(record)}; remove it or give another root"
    )


def _publish(partial: Path, root: Path, record: dict[str, object]) -> None:
    """Rename the finished set; if another process was faster with the same set, its copy stays."""
    try:
        partial.rename(root)
    except OSError:
        if not _holds(root, record):
            raise
