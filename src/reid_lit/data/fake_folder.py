"""A folder of generated images while it is made: what is to be in it, and what of it is done.

Beside the images it holds ``camstyle.json`` (the settings and the pairs of cameras), ``training_list.txt`` (what the
generators learn from) and ``generators/<pair>/``: the checkpoint of a pair that is trained, ``done.json`` of one that
is done.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.errors import ExistingFileError, InputError
from reid_lit.files.access import is_file, read_bytes
from reid_lit.paths import write_text
from reid_lit.wording import counted

RECORD = "camstyle.json"
GENERATORS = "generators"
DONE, CHECKPOINT = "done.json", "last.ckpt"


def pair_folder(folder: Path, pair: str) -> Path:
    """Where a pair's checkpoint and facts are."""
    return folder / GENERATORS / pair


def done(folder: Path, pair: str) -> dict[str, Any] | None:
    """The facts of a pair whose images are all written; None before."""
    file = pair_folder(folder, pair) / DONE
    return _read(file) if is_file(file) else None


def set_done(folder: Path, pair: str, facts: Mapping[str, Any]) -> None:
    """Say that all images of a pair are written."""
    write_text(pair_folder(folder, pair) / DONE, json.dumps(facts, indent=2) + "\n")


def begin(folder: Path, *, settings: Mapping[str, Any], pairs: Sequence[str]) -> None:
    """Begin a folder, or find that it was begun with the same settings.

    Raises:
        ExistingFileError: it holds images that were not made here, or with other settings.
    """
    file = folder / RECORD
    asked = {"settings": json.loads(json.dumps(settings)), "pairs": list(pairs)}
    if not file.is_file():
        others = (
            [path.name for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS] if folder.is_dir() else []
        )
        if others:
            raise ExistingFileError(
                f"out={folder}: holds {counted(len(others), 'image')} not made by this command, such as {min(others)};"
                f" give out=<another folder>"
            )
        write_text(file, json.dumps(asked, indent=2) + "\n")
        return
    there = _read(file)
    if there != asked:
        differing = [key for key in asked["settings"] if there.get("settings", {}).get(key) != asked["settings"][key]]
        what = ", ".join(differing) or "the pairs of cameras"
        raise ExistingFileError(
            f"out={folder}: was begun with other settings ({what}); give the same, or out=<another folder>, or remove"
            f" this one"
        )


def record(folder: Path) -> bytes:
    """What tells the content of a finished folder from that of another one; empty for images that were not made here.

    Raises:
        InputError: it is not finished, or what it says is damaged.
    """
    if not is_file(folder / RECORD):
        return b""
    content = _read(folder / RECORD)
    pairs: dict[str, Any] = {pair: done(folder, pair) for pair in content.get("pairs", ())}
    left = [pair for pair, facts in pairs.items() if facts is None]
    if left:
        raise InputError(
            f"fakes={folder}: {len(left)} of its {counted(len(pairs), 'pair')} of cameras are not done, such as"
            f" {left[0]}; python -m reid_lit.camstyle with the words that began it goes on"
        )
    digests = {pair: facts["digest"] for pair, facts in pairs.items()}
    return json.dumps([content["settings"], digests], sort_keys=True).encode()


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bytes(file))
    except ValueError as error:
        raise InputError(f"{file}: damaged ({error}); remove the folder of the images, and make them anew") from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: damaged (no mapping); remove the folder of the images, and make them anew")
    return content
