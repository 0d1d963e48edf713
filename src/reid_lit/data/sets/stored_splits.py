"""Random splits of data sets whose authors fixed none: drawn once by us, stored here, and read with their SHA-256."""

import hashlib
import json
from pathlib import Path
from typing import Any

from reid_lit.data.sets.naming import check_choice
from reid_lit.errors import InputError

SPLITS = 10
SHA256 = {
    "cuhk01": "e4039541efadb077c05dd84047fddfb0b45aa9e246636c1b1f041e10a7b38f3a",
    "ilids": "ced70f2a74cf42500875bdc46580c6bf9f7f9c41f7254b8eff5c74d04e223452",
    "prid2011": "3f9e00845cdb35083b2933f74500eeccbee98a33ba4e6dd54d791b8681129cad",
    "viper": "f8f77e36563b9c924c7ce2fc936483d71fd90204b70b9b4efd7394d3c0131a16",
}
"""Of each file of splits: scores under another file are not comparable."""


def file_of(name: str) -> Path:
    """Where the splits of a data set are stored."""
    return Path(__file__).with_name(f"{name}_splits.json")


def stored_split(name: str, split_id: int) -> tuple[Any, str]:
    """A stored split as its file has it, and a note that says whose it is.

    Public readers draw such splits when they first run, so that they differ between machines; a stored one is the same
    whatever a later Python draws.

    Args:
        name: An option of ``dataset``.
        split_id: 0 … 9.

    Raises:
        ValueError: there is no such split, or the file is not the one that we stored.
    """
    check_choice("split_id", split_id, tuple(range(SPLITS)))
    file = file_of(name)
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[name]:
        raise InputError(
            f"{file}: its SHA-256 is {digest[:12]}…, not {SHA256[name][:12]}…: scores under other splits are not"
            " comparable; install reid_lit anew"
        )
    note = (
        f"split {split_id} of the {SPLITS} stored ones ({file.name}, SHA-256 {digest[:12]}…), drawn by us: the authors"
        " fixed none"
    )
    return json.loads(content)["splits"][split_id], note
