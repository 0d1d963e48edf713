"""What each verb of ``reid_lit.gallery`` does."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from reid_lit.errors import InputError
from reid_lit.gallery.access_command import VERBS, caller_of, opened, policy_of, write_policy
from reid_lit.gallery.making import create
from reid_lit.gallery.master import VARIABLE
from reid_lit.gallery.page import write_answers
from reid_lit.gallery.rotating import rotate
from reid_lit.gallery.rows import UPLOAD, Entry, Where, moment, texts
from reid_lit.gallery.sources import entries_of
from reid_lit.gallery.text import enrolled_lines, show_found, show_rows
from reid_lit.progress import progress
from reid_lit.records import absolute_path
from reid_lit.safeguards.guard import Guard
from reid_lit.wording import counted


def run_verb(verb: str, config: DictConfig) -> None:
    """Do what a verb says.

    Raises:
        ValueError: something that was given cannot be used.
    """
    _VERBS[verb](config)


def _create(config: DictConfig) -> None:
    policy = policy_of(config)
    gallery = create(
        config.gallery,
        config.run,
        engine=config.engine,
        store=config.store or "",
        vectors=config.vectors,
        thumbnails=config.thumbnails,
        trust=config.trust,
        key=_text(config.key),
    )
    _print(
        f"{gallery.folder}: an empty gallery of {gallery.facts.dim} numbers an image, kept by {gallery.facts.engine}"
    )
    if gallery.facts.sealed:
        source = VARIABLE if config.key is None else config.key
        _print(f"sealed by the key of {source}: who loses the key loses the gallery, so keep a copy of it elsewhere")
    for line in [] if policy is None else write_policy(gallery.folder, policy):
        _print(line)
    if gallery.facts.store != (config.store or ""):
        _print(
            "the password of store= was used, and is not kept: set PGPASSWORD, or write ~/.pgpass, for what comes next"
        )
    if gallery.calibration is None:
        _print("the run was not calibrated: queries give scores, and neither P(same) nor no match")


def _enrol(config: DictConfig) -> None:
    gallery = opened(config)
    given = {"person": _text(config.person), "camera": _text(config.camera), "time": moment(config.time, name="time")}
    with progress("enrolling") as tell:
        result = gallery.enrol([str(each) for each in config.images], tell=tell, **given)
    for line in enrolled_lines(result, total=len(gallery)):
        _print(line)
    if result.refused:
        raise SystemExit(1)


def _query(config: DictConfig) -> None:
    gallery = opened(config)
    if not len(gallery):
        raise InputError(f"{gallery.folder} is empty; python -m reid_lit.gallery enrol puts images into it")
    with progress("opening rows" if gallery.facts.sealed else "copying vectors") as tell:
        found = gallery.query(
            _images(config.images),
            top=config.top,
            where=_where(config),
            fmr=None if config.fmr is None else float(config.fmr),
            prior=float(config.prior),
            track=config.track,
            quality=config.quality,
            approximate=config.approximate,
            tell=tell,
        )
    if config.html:
        page = write_answers(
            Path(config.html),
            gallery,
            found,
            filters=_filters(config),
            prior=float(config.prior),
            approximate=config.approximate,
        )
        _print(f"{page} opens in any browser, without a network")
    elif config.json:
        sys.stdout.write(f"{json.dumps([each.as_json() for each in found], indent=1)}\n")
    else:
        show_found(found, Console(), gallery.facts.kind)
    if config.approximate:
        vectors = gallery.embedder(_images(config.images), normalize=True).numpy()
        recall = gallery.recall(vectors, top=config.top, where=_where(config))
        sys.stderr.write(f"approximate: {recall:.1%} of the exact nearest are among them\n")


def _list(config: DictConfig) -> None:
    gallery = opened(config)
    rows = list(gallery.rows(_where(config)))
    if config.json:
        sys.stdout.write(f"{json.dumps(rows, default=str, indent=1)}\n")
    else:
        show_rows(rows, Console(), gallery.facts.kind)


def _erase(config: DictConfig) -> None:
    gallery, where = opened(config), _where(config)
    if config.damaged:
        rows = counted(gallery.erase_damaged(), "damaged row is", "damaged rows are")
        _print(f"{rows} erased; {len(gallery):,} are left")
        return
    if where.is_all and not config.all:
        raise InputError("nothing says which images to erase; give person=, camera=, path=, until=, or all=true")
    _print(f"{counted(gallery.erase(where), 'image is', 'images are')} erased; {len(gallery):,} are left")


def _export(config: DictConfig) -> None:
    gallery, file = opened(config), Path(config.file)
    images = counted(gallery.export(file, plain=config.plain), "image")
    _print(f"{file}: {images} with vectors of {gallery.facts.dim} numbers")


def _rotate(config: DictConfig) -> None:
    guard = Guard(Path(config.gallery).expanduser())
    with guard.access("rotate", caller_of(config)), progress("sealing") as tell:
        gallery = rotate(
            config.gallery, key=_text(config.key), new_key=str(config.new_key), data=config.data, tell=tell
        )
    again = "; its rows are sealed anew" if config.data else ""
    _print(f"{gallery.folder}: the key of {config.new_key} opens it, and the old one does not{again}")


def _import(config: DictConfig) -> None:
    gallery = opened(config)
    with progress("importing") as tell:
        result = gallery.import_rows(Path(config.file), tell=tell)
    for line in enrolled_lines(result, total=len(gallery)):
        _print(line)


def _index(config: DictConfig) -> None:
    gallery = opened(config)
    if not len(gallery):
        raise InputError(f"{gallery.folder} is empty; python -m reid_lit.gallery enrol puts images into it")
    start = time.monotonic()
    with Console(stderr=True).status(f"making the index of {counted(len(gallery), 'image', grouped=True)}"):
        words = gallery.index()
    _print(f"{gallery.folder}: {words} ({time.monotonic() - start:.1f} s)")


_VERBS: dict[str, Callable[[DictConfig], None]] = {
    "create": _create,
    "enrol": _enrol,
    "query": _query,
    "list": _list,
    "erase": _erase,
    "export": _export,
    "rotate": _rotate,
    **VERBS,
    "import": _import,
    "index": _index,
}


def _where(config: DictConfig) -> Where:
    return Where(
        persons=texts(config.person),
        cameras=texts(config.camera),
        paths=tuple(map(_path, texts(config.get("path")))),
        since=moment(config.since, name="since"),
        until=moment(config.until, name="until"),
    )


def _path(text: str) -> str:
    """The path of an image as it was enrolled."""
    return text if text.startswith(UPLOAD) else absolute_path(Path(text).expanduser())


def _filters(config: DictConfig) -> str:
    """Which rows are compared, in words."""
    asked = {key: texts(config.get(key)) for key in ("person", "camera", "since", "until")}
    return ", ".join(f"{key} {' or '.join(words)}" for key, words in asked.items() if words)


def _images(images: Iterable[Any]) -> list[str]:
    """The images of a query; of a folder, all in it."""
    return [entry.path for entry in entries_of([str(each) for each in images], given=Entry(path=""))]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _print(text: str) -> None:
    Console().print(text, markup=False, soft_wrap=True)
