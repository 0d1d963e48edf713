"""``gallery.json``: what a gallery is."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from reid_lit.errors import InputError, MissingFileError
from reid_lit.kinds import PERSON, Kind, read_kind
from reid_lit.paths import write_text
from reid_lit.testing.provenance import Provenance

FILE = "gallery.json"
FORMAT = "reid_lit gallery"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a gallery is, kept in its ``gallery.json``.

    Attributes:
        run: The folder of the run whose model embeds, or a checkpoint in it.
        origin: How it embeds; the embeddings of another model are refused.
        dim: Length of a vector.
        engine: The name of the engine.
        store: Where the engine keeps the rows; empty: ``store`` in the gallery's folder.
        vectors: The precision of the vectors that queries are compared with.
        thumbnails: Whether a small copy of each image is kept.
        sealed: Whether the rows are encrypted, by a key that is kept elsewhere.
        kind: What its images show, by the tests of the run.
    """

    run: str
    origin: Provenance
    dim: int
    engine: str
    store: str
    vectors: str
    thumbnails: bool = False
    sealed: bool = False
    kind: Kind = PERSON


def gallery_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder of a gallery, which is there.

    Raises:
        FileNotFoundError: there is none.
    """
    place = Path(folder).expanduser()
    if not (place / FILE).is_file():
        raise MissingFileError(
            f"no gallery at {place.resolve()}; python -m reid_lit.gallery create gallery=<folder> run=<run> makes one"
        )
    return place


def folder_of(run: str | os.PathLike[str]) -> Path:
    """The folder of a run, for which a checkpoint in it may stand."""
    place = Path(run).expanduser()
    return place.parent.parent if place.is_file() else place


def read_facts(folder: Path) -> Facts:
    """What a gallery is.

    Args:
        folder: Its folder.

    Raises:
        ValueError: its file is damaged, or of another version.
    """
    file = folder / FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        written = (content.pop("format"), content.pop("version"))
        if written != (FORMAT, VERSION):
            raise InputError(f"it says {written}, and this is {(FORMAT, VERSION)}")
        return Facts(
            **content | {"origin": Provenance.from_json(content["origin"]), "kind": read_kind(content.get("kind"))}
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: damaged, or of another version ({error}); restore it from a copy") from error


def write_facts(folder: Path, facts: Facts) -> None:
    """Write its file, with which a folder becomes a gallery."""
    write_text(folder / FILE, json.dumps({"format": FORMAT, "version": VERSION, **asdict(facts)}, indent=1) + "\n")
