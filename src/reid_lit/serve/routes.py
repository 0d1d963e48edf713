"""The gallery's verbs as requests."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, FastAPI, File, Form, Query, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from reid_lit.errors import InputError
from reid_lit.gallery.answers import Found
from reid_lit.gallery.guarded import GuardedGallery
from reid_lit.gallery.rows import UPLOAD, Entry, Where, moment
from reid_lit.serve.queries import Queries
from reid_lit.serve.small import small_images

LARGE = 2**18
"""Bytes of a request's images from which on they are decoded in a thread of their own, so that no other one waits."""
SHOWN = 1000
"""Rows or lines of an answer where no number is asked for."""

_Images = Annotated[list[UploadFile], File(description="One or several crops.")]
_Persons = Annotated[list[str], Form(description="Only who has these names.")]
_Cameras = Annotated[list[str], Form(description="Only these cameras.")]
_Since = Annotated[str, Form(description="Taken then or later: 2026-11-28, 2026-11-28T09:30:00+01:00; else UTC.")]
_Until = Annotated[str, Form(description="Taken before.")]


class Erasure(BaseModel):
    """Which images are erased: those that meet all that is said."""

    model_config = ConfigDict(extra="forbid")

    person: list[str] = []
    camera: list[str] = []
    path: list[str] = []
    since: str = ""
    until: str = ""
    all: bool = False


def add_routes(
    app: FastAPI, guarded: Callable[..., Awaitable[GuardedGallery]], queries: Queries, *, max_images: int
) -> None:
    """Add query, enrol, list, erase, audit and verify.

    Args:
        app: To which.
        guarded: The gallery as the caller of a request may use it.
        queries: Answers those of small images.
        max_images: Of a request.
    """
    guarded_gallery = Depends(guarded)
    _add_rows(app, guarded_gallery)
    _add_log(app, guarded_gallery)

    @app.post("/query", tags=["gallery"])
    async def query(
        image: _Images,
        top: Annotated[int | None, Form(description="How many images of each; else 10, or the policy's.")] = None,
        person: _Persons = [],  # noqa: B006 - FastAPI copies it
        camera: _Cameras = [],  # noqa: B006
        since: _Since = "",
        until: _Until = "",
        fmr: Annotated[float | None, Form(description="The false match rate whose threshold decides.")] = None,
        prior: Annotated[float, Form(description="The share of pairs that show the same, for P(same).")] = 0.5,
        track: Annotated[bool, Form(description="The images are crops of one track, and one query.")] = False,
        quality: Annotated[bool, Form(description="A track's crops count by the length of their embedding.")] = False,
        approximate: Annotated[bool, Form(description="The engine's index answers.")] = False,
        thumbnails: Annotated[bool, Form(description="Small copies of what was found, as data: addresses.")] = False,
        gallery: GuardedGallery = guarded_gallery,
    ) -> JSONResponse:
        """The nearest images of each crop, with P(same), and whether they match."""
        contents = [content for _, content in _read(image, max_images)]
        asked: dict[str, Any] = {
            "top": top,
            "where": _where(person, camera, since, until),
            "fmr": fmr,
            "prior": prior,
            "track": track,
            "quality": quality,
            "approximate": approximate,
        }
        if approximate or sum(map(len, contents)) > LARGE:
            found = await to_thread.run_sync(lambda: gallery.query(contents, **asked))
        else:
            found = await queries.answer(gallery.asking(contents, **asked), images=len(contents))
        hits = [hit for each in found for hit in each.hits]
        small = await to_thread.run_sync(small_images, gallery, hits) if thumbnails else None
        names = [""] if track else [upload.filename or "" for upload in image]
        answers = [_answer(each, name, small) for each, name in zip(found, names, strict=True)]
        return JSONResponse({"answers": answers})

    @app.post("/enrol", tags=["gallery"])
    def enrol(
        image: _Images,
        person: Annotated[str, Form(description="Who, or what, it shows.")] = "",
        camera: Annotated[str, Form(description="What took it.")] = "",
        time: Annotated[str, Form(description="When: 2026-11-28T09:30:00+01:00; without a zone in UTC.")] = "",
        gallery: GuardedGallery = guarded_gallery,
    ) -> JSONResponse:
        """Add images. Once this is answered they are on the disk: vectors, and what is said of them; not the files."""
        given = Entry(path="", person=person or None, camera=camera or None, time=moment(time, name="time"))
        return JSONResponse(_enrolled(gallery, _read(image, max_images), given))


def _add_rows(app: FastAPI, guarded_gallery: Any) -> None:
    @app.get("/list", tags=["gallery"])
    def rows(
        person: Annotated[list[str], Query()] = [],  # noqa: B006
        camera: Annotated[list[str], Query()] = [],  # noqa: B006
        since: str = "",
        until: str = "",
        first: Annotated[int, Query(ge=0, description="How many to pass over.")] = 0,
        number: Annotated[int, Query(ge=1, description="How many to give.")] = SHOWN,
        gallery: GuardedGallery = guarded_gallery,
    ) -> JSONResponse:
        """What is enrolled: number, path, person, camera, time."""
        found = gallery.rows(_where(person, camera, since, until))
        shown = [{**row, "time": _spelt(row["time"])} for row in found[first : first + number]]
        return JSONResponse({"images": len(found), "rows": shown})

    @app.post("/erase", tags=["gallery"])
    def erase(which: Erasure, gallery: GuardedGallery = guarded_gallery) -> JSONResponse:
        """Erase images from the gallery and its disk."""
        where = _where(which.person, which.camera, which.since, which.until, which.path)
        if where.is_all and not which.all:
            raise InputError("nothing says which images to erase; give person, camera, path, until, or all: true")
        return JSONResponse({"erased": gallery.erase(where), "images": len(gallery)})


def _add_log(app: FastAPI, guarded_gallery: Any) -> None:
    @app.get("/audit", tags=["gallery"])
    def audit(
        who: str = "",
        act: str = "",
        state: str = "",
        since: str = "",
        until: str = "",
        number: Annotated[int, Query(ge=1, description="The last so many.")] = SHOWN,
        gallery: GuardedGallery = guarded_gallery,
    ) -> JSONResponse:
        """What was done, by whom, when, and what for; the newest last."""
        given = {"who": who, "act": act, "state": state}
        times = {"since": moment(since, name="since"), "until": moment(until, name="until")}
        wanted = {key: value for key, value in given.items() if value}
        wanted |= {key: value.isoformat() for key, value in times.items() if value}
        found = gallery.audit(**wanted)
        return JSONResponse({"lines": len(found), "shown": found[-number:]})

    @app.post("/verify", tags=["gallery"])
    def verify(gallery: GuardedGallery = guarded_gallery) -> JSONResponse:
        """What is wrong with the log and the rows; nothing where all is whole."""
        return JSONResponse({"faults": gallery.verify()})


def _answer(found: Found, name: str, small: dict[int, str] | None) -> dict[str, Any]:
    """An answer, called by its upload's name, with small copies where they were asked for."""
    answer = found.as_json()
    answer["query"] = name or answer["query"]
    answer["verdict"] = found.verdict
    if small is not None:
        for hit in answer["hits"]:
            hit["thumbnail"] = small.get(hit["number"])
    return answer


def _enrolled(gallery: GuardedGallery, uploads: Sequence[tuple[str, bytes]], given: Entry) -> dict[str, Any]:
    """Enrol uploads, and tell what became of them.

    Raises:
        ValueError: none of them is an image.
    """
    paths = {name: f"{UPLOAD}{hashlib.sha256(content).hexdigest()}" for name, content in uploads}
    names = {path: name for name, path in paths.items()}
    result = gallery.enrol([replace(given, path=paths[name], content=content) for name, content in uploads])
    refused = [_renamed(line, names) for line in result.refused]
    if refused and not result.added + result.known:
        raise InputError("; ".join(refused))
    return {"added": result.added, "known": result.known, "refused": refused, "paths": paths}


def _read(images: Sequence[UploadFile], max_images: int) -> list[tuple[str, bytes]]:
    if len(images) > max_images:
        raise InputError(f"{len(images)} images are too many: max_images={max_images} is what one request may have")
    read: dict[str, bytes] = {}
    for place, upload in enumerate(images):
        name = upload.filename or f"image {place}"  # a clipboard calls each image.png
        read[f"{name} (image {place})" if name in read else name] = upload.file.read()
    return list(read.items())


def _where(persons: Sequence[str], cameras: Sequence[str], since: str, until: str, paths: Sequence[str] = ()) -> Where:
    return Where(
        persons=tuple(each for each in persons if each),
        cameras=tuple(each for each in cameras if each),
        paths=tuple(paths),
        since=moment(since, name="since"),
        until=moment(until, name="until"),
    )


def _renamed(line: str, names: dict[str, str]) -> str:
    """A line about an upload, by the name that its sender gave it."""
    path = next((path for path in names if line.startswith(path)), "")
    return names.get(path, "") + line[len(path) :]


def _spelt(time: Any) -> str | None:
    return time.isoformat() if isinstance(time, datetime) else None
