"""Where ``conf/`` and ``experiments/`` are, in a checkout and in a wheel."""

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
