"""The answers of a gallery as a page that needs no network."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from reid_lit.gallery.answers import Found, Hit
from reid_lit.gallery.enrolling import SIZE
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.guarded import GuardedGallery
from reid_lit.pages.render import data_uri, write_page
from reid_lit.pages.thumbnails import thumbnails

KINDS: dict[str | None, tuple[str, str]] = {
    "same": ("m", "✓"),
    "undecided": ("u", "~"),
    "different": ("r", "–"),
    None: ("r", ""),
}
"""By what is said of an image: the style of its frame, and its sign."""


def write_answers(
    file: Path,
    gallery: Gallery | GuardedGallery,
    found: Sequence[Found],
    *,
    filters: str,
    prior: float,
    approximate: bool,
) -> Path:
    """Write the answers with their images: the thumbnails that the gallery keeps, else the files that were enrolled.

    Args:
        file: Where to.
        gallery: It gave the answers.
        found: The answers.
        filters: Which rows were compared, in words; empty for all.
        prior: See :meth:`Gallery.query`.
        approximate: Whether the engine's index answered.
    """
    hits = [hit for answer in found for hit in answer.hits]
    kept = {
        number: data_uri(small, "image/jpeg")
        for number, small in gallery.thumbnails(sorted({hit.number for hit in hits})).items()
    }
    asked = [path for answer in found for path in answer.images]
    drawn = thumbnails([*asked, *(hit.path for hit in hits if hit.number not in kept)], None, SIZE)
    matches = [*(hit.match for hit in hits), *(answer.withheld for answer in found)]
    match = next((each for each in matches if each is not None), None)
    return write_page(
        file,
        "answers.html",
        title=f"Answers of {gallery.folder.resolve().name}",
        size=SIZE,
        rows=f"{len(gallery):,}",
        filters=filters,
        written=datetime.now().astimezone().isoformat(" ", "minutes"),
        kind=gallery.facts.kind,
        threshold=match
        and f"{match.threshold:.3f} or more: {match.fmr:g} of pairs of two {gallery.facts.kind.several} reach it, by"
        " the calibration",
        prior=f"{prior:.0%}",
        approximate=approximate,
        answers=[_answer(answer, kept, drawn) for answer in found],
    )


def _answer(answer: Found, kept: dict[int, str], drawn: dict[str, str | None]) -> dict[str, Any]:
    asked = [
        {
            "kind": "q",
            "sign": "?",
            "image": drawn[path],
            "path": path,
            "says": f"asked for: {path}",
            "lines": ["asked for"],
        }
        for path in answer.images
    ]
    names = [Path(path).name for path in answer.images]
    return {
        "name": names[0] if len(names) == 1 else answer.query,
        "path": answer.images[0] if len(answer.images) == 1 else "",
        "kind": {True: "m", False: "r", None: ""}[answer.is_match],
        "verdict": answer.verdict,
        "tiles": asked + [_tile(hit, kept.get(hit.number) or drawn.get(hit.path)) for hit in answer.hits],
    }


def _tile(hit: Hit, image: str | None) -> dict[str, Any]:
    kind, sign = KINDS[None if hit.match is None else hit.match.answer]
    score = f"score {hit.score:.3f}" if hit.match is None else f"P {hit.match.probability:.2f} · {hit.score:.3f}"
    lines = [hit.person or "unknown", hit.camera or "", (hit.time or "")[:16].replace("T", " "), score]
    said = "not calibrated" if hit.match is None else hit.match.answer
    return {
        "kind": kind,
        "sign": sign,
        "image": image,
        "path": hit.path,
        "says": f"{said}: {hit.path}",
        "lines": [line for line in lines if line],
    }
