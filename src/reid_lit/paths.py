"""Where ``conf/`` and ``experiments/`` are, in a checkout and in a wheel; files written whole."""

import os
from pathlib import Path


def packaged(name: str) -> Path:
    """The folder ``name``: beside this package in a wheel, at the root of the checkout otherwise.

    Raises:
        FileNotFoundError: neither place has it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / name, package.parents[1] / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no folder {name!r} beside {package} or at {package.parents[1]}; reinstall reid-lit")


def write_text(path: Path, text: str) -> None:
    """Write ``path`` whole or not at all: a killed run leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
