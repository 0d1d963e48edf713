"""Tracks in place of images: which images are of one track, and the lists of what is ranked then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.marks import UNKNOWN
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import Shot, Split
from reid_lit.wording import counted


@dataclass(frozen=True)
class Tracks:
    """The tracks of a test's images, queries first, then the gallery.

    Attributes:
        track: ``(images)`` the number of the track; an image of no known track is a track of its own.
        clock: ``(images)`` the number of the clock of its time; :data:`.marks.UNKNOWN` where its time is not known.
        seconds: ``(images)`` the time on that clock.
        known: How many images have a known track.
        again: ``(images)`` whether a query image is in the gallery too: an image of its track there has its file name.
    """

    track: Int[Tensor, " images"]
    clock: Int[Tensor, " images"]
    seconds: Float64[Tensor, " images"]
    known: int
    again: Bool[Tensor, " images"]

    @classmethod
    def of(cls, query: Sequence[Shot], gallery: Sequence[Shot]) -> "Tracks":
        """The tracks of some shots, numbered by their first image."""
        shots = (*query, *gallery)
        shown = {(shot.track_id, shot.path.name) for shot in gallery if shot.track_id is not None}
        again = [(shot.track_id, shot.path.name) in shown for shot in query]
        names = [("", number) if shot.track_id is None else (shot.track_id,) for number, shot in enumerate(shots)]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        clocks = {shot.taken.clock: 0 for shot in shots if shot.taken is not None}
        clocks = {clock: number for number, clock in enumerate(clocks)}
        taken = [(UNKNOWN, 0.0) if s.taken is None else (clocks[s.taken.clock], s.taken.seconds) for s in shots]
        return cls(
            torch.tensor([numbers[name] for name in names], dtype=torch.int64),
            torch.tensor([clock for clock, _ in taken], dtype=torch.int64),
            torch.tensor([seconds for _, seconds in taken], dtype=torch.float64),
            sum(shot.track_id is not None for shot in shots),
            torch.tensor(again + [False] * len(gallery), dtype=torch.bool),
        )


def stands_for(track: Int[Tensor, " images"], queries: int) -> tuple[Int[Tensor, " queries"], Int[Tensor, " gallery"]]:
    """Positions in the query list and in the gallery of the first image there of each track.

    Args:
        track: Of all images, queries first.
        queries: How many images are queries.
    """
    parts = []
    for numbers in (track[:queries].tolist(), track[queries:].tolist()):
        first: dict[int, int] = {}
        for place, number in enumerate(numbers):
            first.setdefault(number, place)
        parts.append(torch.tensor(sorted(first.values()), dtype=torch.int64))
    return parts[0], parts[1]


def track_lists(lists: Lists, tracks: Tracks, protocol: Protocol) -> Lists:
    """The lists of what a protocol ranks in place of images; needs no embedding, so that it can come before a training.

    A track with a gallery image is in the gallery. One with a query image is a query, unless each query stays an image.
    Views are left out: a track may show several.

    Args:
        lists: Of the images.
        tracks: Likewise.
        protocol: Says what the queries are, and whether times are needed.

    Raises:
        ValueError: no image has a known track, a track shows two persons, cameras or clothes, or no track has the times
            that re-association needs.
    """
    track = tracks.track.to(lists.query_person.device)
    rows = _checked(lists, tracks, track) | {"track": track}
    _check_times(tracks, protocol)
    queries = len(lists.query_person)
    query, gallery = stands_for(tracks.track, queries)
    if protocol.track_queries == "images":
        query = torch.arange(queries)
    chosen: dict[str, Any] = {}
    for name, values in rows.items():
        chosen[f"query_{name}"] = values[:queries][query.to(values.device)]
        chosen[f"gallery_{name}"] = values[queries:][gallery.to(values.device)]
    return replace(lists, query_view=None, gallery_view=None, views=(), **chosen)


def _checked(lists: Lists, tracks: Tracks, track: Int[Tensor, " images"]) -> dict[str, Int[Tensor, " images"]]:
    """What is known of all images by name; raises InputError unless images have tracks, each of one person."""
    if not tracks.known:
        raise InputError(
            "tracks: no image of this test is of a known track; name them in the column tracklet of the data set's CSV,"
            " or set tracks=none"
        )
    rows = _of_all(lists)
    for name, values in rows.items():
        _check_one(name, values, track)
    return rows


def _of_all(lists: Lists) -> dict[str, Int[Tensor, " images"]]:
    """What is known of all images, queries first."""
    names = ["person", "camera", *(["clothes"] if lists.query_clothes is not None else [])]
    return {name: torch.cat([getattr(lists, f"{role}_{name}") for role in ("query", "gallery")]) for name in names}


def _check_times(tracks: Tracks, protocol: Protocol) -> None:
    """Raise InputError where re-association is asked for and no track has known times."""
    if protocol.reassociation and bool((track_clocks(tracks) == UNKNOWN).all()):
        raise InputError(
            f"reassociation={list(protocol.reassociation)}: no track of this test has known times; give them in the"
            " column time of the data set's CSV, or set reassociation=[]"
        )


def track_clocks(tracks: Tracks) -> Int[Tensor, " tracks"]:
    """The clock of each track's times; :data:`.marks.UNKNOWN` where an image's time is not known, or of another one."""
    first = first_of(tracks.clock, tracks.track)
    other = (tracks.clock != first[tracks.track]).long()
    return first.masked_fill(torch.zeros_like(first).index_add_(0, tracks.track, other) > 0, UNKNOWN)


def first_of(values: Tensor, track: Int[Tensor, " images"]) -> Tensor:
    """The value of the first image of each track."""
    place = torch.arange(len(track), device=track.device)
    first = place.new_full((int(track.max()) + 1,), len(track)).scatter_reduce_(0, track, place, "amin")
    return values[first]


def _check_one(name: str, values: Int[Tensor, " images"], track: Int[Tensor, " images"]) -> None:
    """Raise InputError where images of one track differ."""
    different = (values != first_of(values, track)[track]).nonzero()[:, 0].tolist()
    if different:
        several = {"person": "persons", "camera": "cameras", "clothes": "clothes"}[name]
        raise InputError(
            f"tracks: {counted(len(different), 'image shows', 'images show')} other {several} than the first image of"
            f" the same track, such as image {different[0]} of the list (queries first); a track is one person, by one"
            " camera, in one set of clothes: give each its own name in the column tracklet"
        )


def tracks_of(split: Split, protocol: Protocol) -> Tracks | None:
    """The tracks of a test; None where images are ranked."""
    return None if protocol.tracks == "none" else Tracks.of(split.query, split.gallery)


def shown_of(split: Split, protocol: Protocol) -> Split:
    """What is shown of the queries and gallery that were ranked: of each track its first image there."""
    tracks = tracks_of(split, protocol)
    if tracks is None:
        return split
    query, gallery = stands_for(tracks.track, len(split.query))
    if protocol.track_queries == "images":
        query = torch.arange(len(split.query))
    shown = [
        tuple(side[k] for k in places.tolist()) for side, places in ((split.query, query), (split.gallery, gallery))
    ]
    return replace(split, query=shown[0], gallery=shown[1])
