"""Find images that cannot be read before training, and remember those that can."""

import hashlib
import json
import logging
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

import PIL
import platformdirs
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from reid_lit.data.feeding.readable import CLOSED, MAX_PIXELS, TOO_LARGE, trouble
from reid_lit.data.problems import IMAGES, Problem
from reid_lit.errors import FailedError
from reid_lit.files.access import check_hashes, state
from reid_lit.files.box import unboxed
from reid_lit.overrides import assignment
from reid_lit.paths import write_text
from reid_lit.progress import Progress, progress
from reid_lit.records import Split, absolute_path
from reid_lit.wording import counted

logger = logging.getLogger(__name__)

CHOICES = ("stop", "drop")
_ALONE = 1000  # up to so many images are read faster than other processes start
_CHUNK = 64
_RULES = f"2, Pillow {PIL.__version__}"  # images that were checked by other rules are checked again

State = list[int]
"""Size in bytes and time of the last change in ns."""


def sound(split: Split, *, root: Path, on_bad_image: str, max_pixels: int = MAX_PIXELS, processes: int = 1) -> Split:
    """Remove images that cannot be read from a split, or raise an error for them.

    Args:
        split: All lists.
        root: The data set's folder; the good images are remembered under its name.
        on_bad_image: ``stop`` raises when there is such an image, ``drop`` leaves them out and notes how many.
        max_pixels: An image of more is taken for a mistake.
        processes: Processes that read.

    Raises:
        DataError: there are such images and ``on_bad_image`` is ``stop``, or without them a list is empty.
    """
    paths = dict.fromkeys(shot.path for shot in split.shots)
    with progress("reading all images once") as tell:
        bad = bad_images(paths, root=root, max_pixels=max_pixels, memory=memory(root), processes=processes, tell=tell)
    if not bad:
        return split
    examples = tuple(f"{path}: {reason}" for path, reason in list(bad.items())[:3])
    readable = _without(split, bad)
    emptied = _emptied(split, readable)
    if on_bad_image == "drop" and not emptied:
        note = f"{len(bad)} of {counted(len(paths), 'image')} dropped: unreadable, such as {examples[0]}"
        return replace(readable, notes=(*readable.notes, note))
    emptying = f"; without them {' and '.join(emptied)} would be empty" if emptied else ""
    fact = f"{len(bad)} of {counted(len(paths), 'image')} of {split.name} cannot be used{emptying}"
    place = shlex.quote(assignment("dataset.root", root.resolve()))
    large = all(reason.startswith(TOO_LARGE) for reason in bad.values())
    mend = "make them smaller" if large else "copy them anew"
    cure = f"{mend} (python -m reid_lit.doctor dataset=… {place} lists them all)"
    drop = "" if emptied else ", or set dataset.on_bad_image=drop to leave them out, counted and reported"
    raise Problem(kind=IMAGES, place=root, fact=fact, cure=cure + drop, examples=examples).error()


def _without(split: Split, bad: dict[Path, str]) -> Split:
    return split.with_lists(lambda shots: tuple(shot for shot in shots if shot.path not in bad))


def _emptied(before: Split, after: Split) -> list[str]:
    """Lists that lost their last image."""
    names = [name for name in ("train", "query", "gallery") if getattr(before, name) and not getattr(after, name)]
    parts = [*zip(before.tests, after.tests, strict=True)]
    if before.validation and after.validation:
        parts.append((before.validation, after.validation))
    return [*names, *(f"{old.name} {name}" for old, new in parts for name in _emptied(old, new))]


def memory(root: Path) -> Path | None:
    """The file that remembers the good images of a data set, in ``$REID_CACHE`` or the user's cache folder.

    None for a user without a home: nothing is remembered.
    """
    folder = os.environ.get("REID_CACHE")
    try:
        cache = Path(folder).expanduser() if folder else platformdirs.user_cache_path("reid_lit")
    except RuntimeError as error:  # no $HOME, and a user that the system does not know
        rank_zero_only(logger.info)("images are read again next time: %s; $REID_CACHE=<folder> remembers them", error)
        return None
    place = str(root.resolve())
    return cache / "images" / f"{root.resolve().name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.json"


def bad_images(
    paths: Iterable[Path],
    *,
    root: Path,
    max_pixels: int = MAX_PIXELS,
    memory: Path | None = None,
    processes: int = 1,
    tell: Progress | None = None,
) -> dict[Path, str]:
    """Find the images that cannot be read to their end, in the order of ``paths``, and the reasons.

    Args:
        paths: The images; a file that is repeated, or has several boxes, is read once.
        root: The data set's folder; the names in the memory are relative to it.
        max_pixels: Pixels that an image may have.
        memory: The file that remembers good images by size and time of change; it is updated.
        processes: Processes that read, for a thousand images and more.
        tell: Called with the number of images read so far and their total.

    Raises:
        PackError: they are in a pack one of whose shards is missing or another one; it is hashed if an image is new.
    """
    files = {path: os.fspath(unboxed(path)[0]) for path in paths}
    names = {name: Path(name) for name in files.values()}
    rules = f"{_RULES}, {max_pixels} pixels"
    remembered = _recall(memory, rules)
    states: dict[str, State] = {}
    troubles: dict[str, str] = {}
    start = os.path.join(absolute_path(root), "")  # noqa: PTH118 - 30,000 pure paths take a second
    for name, path in names.items():
        try:
            states[name] = list(state(path))
        except OSError as error:
            troubles[name] = "missing" if isinstance(error, FileNotFoundError) else f"{CLOSED} ({error.strerror})"
    keys = {name: absolute_path(name).removeprefix(start) for name in states}
    new = [name for name, state in states.items() if remembered.get(keys[name]) != state]
    if len(new) > _ALONE:
        rank_zero_only(logger.info)("reading %d images of %s to find broken ones", len(new), root)
    check_hashes(names[name] for name in new)
    troubles |= _read(new, max_pixels=max_pixels, processes=processes, tell=tell)
    good = {keys[name]: states[name] for name in new if name not in troubles}
    if memory is not None and good:
        _remember(memory, rules, remembered | good)
    return {path: troubles[name] for path, name in files.items() if name in troubles}


def _recall(memory: Path | None, rules: str) -> dict[str, State]:
    if memory is None:
        return {}
    try:
        if not memory.is_file():
            return {}
        content = json.loads(memory.read_bytes())
        return dict(content["good"]) if content["rules"] == rules else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        rank_zero_only(logger.info)("%s cannot be used (%r): all images are read again", memory, error)
        return {}


def _remember(memory: Path, rules: str, good: dict[str, State]) -> None:
    try:
        write_text(memory, json.dumps({"rules": rules, "good": good}))
    except OSError as error:
        rank_zero_only(logger.info)("images are read again next time: %s cannot be written (%s)", memory, error)


def _read(names: list[str], *, max_pixels: int, processes: int, tell: Progress | None) -> dict[str, str]:
    """The reason for each image that cannot be read."""
    chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
    reasons: dict[str, str] = {}
    done, lock = 0, threading.Lock()

    def take(chunk: list[str], answers: list[str]) -> None:
        nonlocal done
        with lock:
            reasons.update({name: reason for name, reason in zip(chunk, answers, strict=True) if reason})
            done += len(chunk)
            if tell is not None:
                tell(done, len(names))

    if processes <= 1 or len(names) <= _ALONE:
        for chunk in chunks:
            take(chunk, [trouble(name, max_pixels) for name in chunk])
        return reasons

    def take_share(share: int) -> None:
        for chunk, answers in _read_apart(chunks[share::processes], max_pixels):
            take(chunk, answers)

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(take_share, range(processes)))
    return reasons


def _read_apart(chunks: list[list[str]], max_pixels: int) -> Iterator[tuple[list[str], list[str]]]:
    """Read in a plain process: threads wait for each other in PIL, and a fork of a process with threads may hang."""
    package = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", "reid_lit.data.feeding.readable", str(max_pixels)]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        requests, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        for chunk in chunks:
            try:
                requests.write(json.dumps(chunk) + "\n")
                requests.flush()
                reply = json.loads(answers.readline())
            except (OSError, ValueError) as error:
                process.kill()
                last = process.communicate()[1].strip().splitlines()[-1:]
                raise FailedError(
                    f"the process that reads images died ({process.returncode} {' '.join(last)}) on one of {chunk[0]} …"
                    f" {chunk[-1]}; machine.workers=0 reads them here"
                ) from error
            yield chunk, reply
