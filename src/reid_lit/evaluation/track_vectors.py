"""Tracks as vectors: the images of each pooled into one, which is ranked in their place."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.tracks import Tracks, first_of, track_clocks, track_lists

POOLED = {
    "mean": "mean of unit vectors",
    "quality": "mean of unit vectors, weighted by their length before",
    "nearest": "nearest of unit vectors",
}
"""How the images of a track are compared as one, in words."""


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


def pool(embedding: Float[Tensor, "images dim"], lists: Lists, tracks: Tracks, protocol: Protocol) -> Pooled:
    """Put tracks in place of images.

    A track has all of its images, of the query list and of the gallery. One with a query image is a query, one with a
    gallery image is in the gallery; one with both is in both, and is never ranked for itself. A query that is a copy of
    a gallery image, as on VeRi-776, counts once.

    Args:
        embedding: Queries first, then the gallery.
        lists: Of these images.
        tracks: Of these images.
        protocol: Whether the lengths of the embeddings count (``tracks=quality``), see :func:`pooled`.

    Raises:
        ValueError: see :func:`.tracks.track_lists`.
    """
    of_tracks = track_lists(lists, tracks, protocol)
    track = tracks.track.to(embedding.device)
    once = ~tracks.again.to(embedding.device)
    vector = pooled(embedding[once], track[once], quality=protocol.tracks == "quality")
    person = first_of(torch.cat([lists.query_person, lists.gallery_person]), track)
    return Pooled(
        vector[of_tracks.query_track], vector[of_tracks.gallery_track], of_tracks, _spans(vector, person, tracks)
    )


def _spans(vector: Float[Tensor, "tracks dim"], person: Int[Tensor, " tracks"], tracks: Tracks) -> Spans:
    start = tracks.seconds.new_full((len(vector),), torch.inf).scatter_reduce_(0, tracks.track, tracks.seconds, "amin")
    end = torch.full_like(start, -torch.inf).scatter_reduce_(0, tracks.track, tracks.seconds, "amax")
    clock, start, end = (part.to(vector.device) for part in (track_clocks(tracks), start, end))
    return Spans(vector, person, clock, start, end)
