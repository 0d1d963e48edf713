"""Tracks in place of images: all images of a track as one vector, and the lists of what is ranked then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.marks import UNKNOWN
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import Shot, Split
from reid_lit.wording import counted

POOLED = {
    "mean": "mean of unit vectors",
    "quality": "mean of unit vectors, weighted by their length before",
    "nearest": "nearest of unit vectors",
}
"""How the images of a track are compared as one, in words."""


@dataclass(frozen=True)
class Tracks:
    """The tracks of a test's images, queries first, then the gallery.

    Attributes:
        track: ``(images)`` the number of the track; an image of no known track is a track of its own.
        clock: ``(images)`` the number of the clock of its time; :data:`.marks.UNKNOWN` where its time is not known.
        seconds: ``(images)`` the time on that clock.
        known: How many images have a known track.
    """

    track: Int[Tensor, " images"]
    clock: Int[Tensor, " images"]
    seconds: Float64[Tensor, " images"]
    known: int

    @classmethod
    def of(cls, shots: Sequence[Shot]) -> "Tracks":
        """The tracks of some shots, numbered by their first image."""
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
        )


class Spans(NamedTuple):
    """All tracks of a test, each once.

    Attributes:
        vector: ``(tracks dim)`` of unit length.
        person: ``(tracks)`` person ids; -1 is junk.
        clock: ``(tracks)`` the clock of its times; :data:`.marks.UNKNOWN` where an image's time is not known, or of
            another clock.
        start: ``(tracks)`` seconds of the first image.
        end: ``(tracks)`` seconds of the last image.
    """

    vector: Float[Tensor, "tracks dim"]
    person: Int[Tensor, " tracks"]
    clock: Int[Tensor, " tracks"]
    start: Float64[Tensor, " tracks"]
    end: Float64[Tensor, " tracks"]


class Pooled(NamedTuple):
    """What is ranked in place of images.

    Attributes:
        query: ``(query tracks dim)`` of unit length.
        gallery: ``(gallery tracks dim)``.
        lists: Persons, cameras, clothes and tracks of both.
        spans: All tracks.
    """

    query: Float[Tensor, "queries dim"]
    gallery: Float[Tensor, "gallery dim"]
    lists: Lists
    spans: Spans


def pooled(
    embedding: Float[Tensor, "images dim"], track: Int[Tensor, " images"], *, quality: bool = False
) -> Float[Tensor, "tracks dim"]:
    """The vector of each track 0…n-1, of unit length: v_t ∝ Σ_i w_i x_i / |x_i| over its images i.

    Args:
        embedding: x, before they are brought to unit length.
        track: The track of each.
        quality: w_i = |x_i|, so that an image counts by the length of its embedding; else w_i = 1.
    """
    vectors = embedding if quality else F.normalize(embedding, dim=1)
    sums = vectors.new_zeros(int(track.max()) + 1, embedding.shape[1]).index_add_(0, track, vectors)
    return F.normalize(sums, dim=1)


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


def pool(embedding: Float[Tensor, "images dim"], lists: Lists, tracks: Tracks, *, quality: bool) -> Pooled:
    """Put tracks in place of images.

    A track has all of its images, of the query list and of the gallery. One with a query image is a query, one with a
    gallery image is in the gallery; one with both is in both, and is never ranked for itself.

    Args:
        embedding: Queries first, then the gallery.
        lists: Of these images.
        tracks: Of these images.
        quality: See :func:`pooled`.

    Raises:
        ValueError: see :func:`check_tracks`.
    """
    track = tracks.track.to(embedding.device)
    rows = check_tracks(lists, tracks, track)
    queries = len(lists.query_person)
    vector = pooled(embedding, track, quality=quality)
    query, gallery = (part.to(embedding.device) for part in stands_for(tracks.track, queries))
    chosen: dict[str, Any] = {}
    for name, values in rows.items():
        chosen |= {f"query_{name}": values[:queries][query], f"gallery_{name}": values[queries:][gallery]}
    chosen |= {"query_track": track[:queries][query], "gallery_track": track[queries:][gallery]}
    return Pooled(
        vector[chosen["query_track"]],
        vector[chosen["gallery_track"]],
        replace(without_views(lists), **chosen),
        _spans(vector, rows["person"], track, tracks),
    )


def without_views(lists: Lists) -> Lists:
    """The lists without the views of their images: a track may show several."""
    return replace(lists, query_view=None, gallery_view=None, views=())


def check_tracks(lists: Lists, tracks: Tracks, track: Int[Tensor, " images"]) -> dict[str, Int[Tensor, " images"]]:
    """Raise InputError unless images have tracks, each of one person; return what is known of all images by name.

    Args:
        lists: Of the images.
        tracks: Likewise.
        track: The numbers of the tracks, on the lists' device.

    Raises:
        ValueError: no image has a known track, or a track shows two persons, cameras or clothes.
    """
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


def _first(values: Tensor, track: Int[Tensor, " images"]) -> Tensor:
    """The value of the first image of each track."""
    place = torch.arange(len(track), device=track.device)
    first = place.new_full((int(track.max()) + 1,), len(track)).scatter_reduce_(0, track, place, "amin")
    return values[first]


def _check_one(name: str, values: Int[Tensor, " images"], track: Int[Tensor, " images"]) -> None:
    """Raise InputError where images of one track differ."""
    different = (values != _first(values, track)[track]).nonzero()[:, 0].tolist()
    if different:
        several = {"person": "persons", "camera": "cameras", "clothes": "clothes"}[name]
        raise InputError(
            f"tracks: {counted(len(different), 'image shows', 'images show')} other {several} than the first image of"
            f" the same track, such as image {different[0]} of the list (queries first); a track is one person, by one"
            " camera, in one set of clothes: give each its own name in the column tracklet"
        )


def _spans(vector: Float[Tensor, "tracks dim"], person: Tensor, track: Int[Tensor, " images"], tracks: Tracks) -> Spans:
    clock, seconds = tracks.clock.to(track.device), tracks.seconds.to(track.device)
    number, first = len(vector), _first(clock, track)
    mixed = seconds.new_zeros(number).index_add_(0, track, (clock != first[track]).to(seconds.dtype)) > 0
    start = seconds.new_full((number,), torch.inf).scatter_reduce_(0, track, seconds, "amin")
    end = seconds.new_full((number,), -torch.inf).scatter_reduce_(0, track, seconds, "amax")
    return Spans(vector, _first(person, track), first.masked_fill(mixed, UNKNOWN), start, end)


def tracks_of(split: Split, protocol: Protocol) -> Tracks | None:
    """The tracks of a test; None where images are ranked."""
    return None if protocol.tracks == "none" else Tracks.of((*split.query, *split.gallery))


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
