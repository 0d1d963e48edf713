"""Where ``conf/`` and ``experiments/`` are, in a checkout and in a wheel; files written whole."""

import os
from collections.abc import Callable
from pathlib import Path


def packaged(name: str) -> Path:
    """The folder ``name``: next to this package in a wheel, at the root of the checkout otherwise.

    Raises:
        FileNotFoundError: neither place has it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parents[1] / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no folder {name!r} next to {package} or at {package.parents[1]}; reinstall reid-lit")


def options(group: str) -> list[str]:
    """The options of a group of ``conf/``, sorted. A file whose name starts with ``_`` is none: others extend it."""
    return sorted(file.stem for file in (packaged("conf") / group).glob("[!_]*.yaml"))


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a file next to ``path``, then rename it: a killed run leaves the old file or the new one.

    Args:
        path: Where the file is to be; its folder is made.
        write: Called with the path of that file, which has the same ending.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
