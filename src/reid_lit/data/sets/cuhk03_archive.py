"""CUHK03's raw archive ``cuhk-03.mat`` as image files: opened once and unpacked next to it.

A MATLAB 7.3 file, which is HDF5 with every array transposed: ``detected`` and ``labeled`` refer to five camera pairs,
a pair to persons × 10 images (1 to 5 by its first view), ``testsets`` to 20 lists of 100 (pair, person).
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from reid_lit.data.problems import LISTS, Problem
from reid_lit.errors import MissingPackageError, WriteError
from reid_lit.files.access import entries, is_dir, is_file, opened
from reid_lit.paths import beside, remove_leftovers

TESTSETS = "testsets.json"
KINDS = ("detected", "labeled")
Progress = Callable[[int, int], None]


def images_folder(kind: str) -> str:
    """The folder's name of the ``detected`` or ``labeled`` images."""
    return f"images_{kind}"


def is_there(path: Path) -> bool:
    """Whether there is such a file, or such a folder with something in it."""
    return is_file(path) or (is_dir(path) and bool(entries(path)))


def unpack(archive: Path, target: Path, *, progress: Progress | None = None) -> None:
    """Write what ``target`` lacks of ``images_detected``, ``images_labeled`` and ``testsets.json``.

    Each is written under another name and renamed when it is complete. So a killed run leaves no incomplete copy, and
    two processes may call this at once. The test sets come last, with the number of images of each kind.

    Args:
        archive: ``cuhk-03.mat``.
        target: The folder to write.
        progress: Called with the number of persons done so far and their total, after each person.

    Raises:
        MissingPackageError: h5py is not installed.
        ValueError: the archive is a web page, cut short, or no CUHK03.
        OSError: ``target`` cannot be written.
    """
    lacking = [kind for kind in KINDS if not is_there(target / images_folder(kind))]
    remove_leftovers(target / "cuhk03")
    partial = beside(target / "cuhk03", mark=secrets.token_hex(4))
    with _opened(archive) as file:
        _make(partial, archive)
        try:
            for kind in lacking:
                (partial / images_folder(kind)).mkdir()
            counts = _write_images(file, partial, lacking, progress)
            record = {"testsets": _testsets(file), "images": counts}
            (partial / TESTSETS).write_text(json.dumps(record) + "\n")
            for name in (*(images_folder(kind) for kind in lacking), TESTSETS):
                _publish(partial / name, target / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def is_web_page(path: Path) -> bool:
    """Whether a file is a web page, as a failed download leaves it."""
    with opened(path) as file:
        return file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def web_page(path: Path) -> Problem:
    """The problem that a file is a web page."""
    fact = f"{path.resolve()} is a web page (HTML) and no MATLAB file: the download failed"
    return Problem(kind=LISTS, place=path, fact=fact, cure="download it again in a browser")


def _opened(archive: Path) -> Any:
    h5py = _h5py()
    if is_web_page(archive):
        raise web_page(archive).error()
    try:
        file = h5py.File(archive, "r")
    except OSError as error:
        fact = f"{archive.resolve()} cannot be opened as HDF5 ({error})"
        cure = "download it again: it is cut short or another file"
        raise Problem(kind=LISTS, place=archive, fact=fact, cure=cure).error() from error
    lacking = [key for key in (*KINDS, "testsets") if key not in file]
    if lacking:
        fact = f"{archive.resolve()} holds {', '.join(sorted(file)) or 'nothing'} but no {', '.join(lacking)}"
        file.close()
        raise Problem(kind=LISTS, place=archive, fact=fact, cure="use CUHK03's own cuhk-03.mat").error()
    return file


def _h5py() -> ModuleType:
    try:
        import h5py  # an optional extra
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "CUHK03's archive cuhk-03.mat is read by h5py, which is not installed; pip install h5py",
            name="h5py",
        ) from error
    return h5py


def _make(partial: Path, archive: Path) -> None:
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise WriteError(
            f"{archive.resolve()} cannot be unpacked into {partial.parent.resolve()} ({error});"
            f" set dataset.extract_to=<a folder that can be written>"
        ) from error


def _write_images(file: Any, partial: Path, kinds: list[str], progress: Progress | None) -> dict[str, int]:
    """Write the images of ``kinds``, and return the number of images of every kind."""
    pairs = {kind: [file[reference][()] for reference in np.ravel(file[kind][()])] for kind in KINDS}
    total = sum(pair.shape[1] for of_kind in pairs.values() for pair in of_kind)
    counts, done = dict.fromkeys(KINDS, 0), 0
    for kind in KINDS:
        for pair, cells in enumerate(pairs[kind], start=1):
            for person, references in enumerate(cells.T, start=1):
                for number, image in _images(file, references):
                    counts[kind] += 1
                    if kind in kinds:
                        name = f"{pair}_{person:03d}_{1 + (number > 5)}_{number:02d}.png"
                        Image.fromarray(np.transpose(image[()], (2, 1, 0))).save(partial / images_folder(kind) / name)
                done += 1
                if progress is not None:
                    progress(done, total)
    return counts


def _images(file: Any, references: Any) -> Iterator[tuple[int, Any]]:
    """The images of a person, numbered 1 … 10, without empty cells, in which MATLAB writes the size."""
    for number, reference in enumerate(references, start=1):
        if reference and file[reference].ndim == 3 and file[reference].size:
            yield number, file[reference]


def _testsets(file: Any) -> list[list[list[int]]]:
    """The 20 test sets, each a sorted list of (pair, person), both from 1."""
    return [sorted(file[reference][()].T.astype(int).tolist()) for reference in np.ravel(file["testsets"][()])]


def _publish(partial: Path, final: Path) -> None:
    """Rename what is complete; if another process was faster, its copy stays."""
    try:
        partial.rename(final)
    except OSError:
        if not is_there(final):
            raise
