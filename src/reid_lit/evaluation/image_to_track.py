"""Images that ask for tracks: the queries stay images, and the gallery is ranked by its tracks."""

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.evaluation.lists import Columns, Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Blocks, Ranker, check_memory, distance_blocks
from reid_lit.evaluation.track_vectors import pooled
from reid_lit.evaluation.tracks import Tracks, track_lists


def image_to_track(embedding: Float[Tensor, "images dim"], lists: Lists, tracks: Tracks, protocol: Protocol) -> Ranker:
    """What ranks the tracks of the gallery for each image of the query list.

    A track has its images of the gallery alone. With x of unit length, the distance of the query q to the track t is
    that to v(t), see :func:`.track_vectors.pooled`, or of ``tracks=nearest`` the least d(q, x_i) over its images i.
    The track that a query is of is never ranked for it.

    The definition is ours: public code for VeRi-776 compares the query with the mean of a track's images, or with each.

    Args:
        embedding: Of queries, then of the gallery.
        lists: Of these images.
        tracks: Of these images.
        protocol: Its ``tracks`` says how the distance comes about.

    Raises:
        ValueError: see :func:`.tracks.track_lists`.
    """
    of_tracks = track_lists(lists, tracks, protocol)
    queries, number = len(lists.query_person), cast(Tensor, of_tracks.gallery_track)
    place = torch.zeros(int(tracks.track.max()) + 1, dtype=torch.int64, device=embedding.device)
    place[number] = torch.arange(len(number), device=place.device)
    shown = place[tracks.track[queries:].to(place.device)]
    vectors = F.normalize(embedding, dim=1)
    gallery = pooled(embedding[queries:], shown, quality=protocol.tracks == "quality")
    if protocol.tracks == "nearest":
        return NearestImageRanker(vectors[:queries], gallery, of_tracks, protocol, vectors[queries:], shown)
    return Ranker(vectors[:queries], gallery, of_tracks, protocol)


class NearestImageRanker(Ranker):
    """Ranks each track by the nearest of its images.

    Args:
        query: Embeddings.
        gallery: A vector of each track; only their number counts.
        lists: Of queries and tracks.
        protocol: How to compare and score; neither expanded nor re-ranked.
        image: Embeddings of all images of the tracks.
        track: The gallery row of each image; every row has one.
    """

    def __init__(
        self,
        query: Float[Tensor, "queries dim"],
        gallery: Float[Tensor, "tracks dim"],
        lists: Lists,
        protocol: Protocol,
        image: Float[Tensor, "images dim"],
        track: Int[Tensor, " images"],
    ) -> None:
        super().__init__(query, gallery, lists, protocol)
        self.image, self.track = image, track

    @override
    def distances(self, columns: Columns) -> Blocks:
        check_memory(len(self.query), len(self.image), self.query.shape[1], self.protocol)
        column = torch.full_like(self.lists.gallery_person, -1)
        column[columns.index] = torch.arange(len(columns.index), device=column.device)
        kept = column[self.track] >= 0
        blocks = distance_blocks(self.query, self.image[kept], self.protocol)
        return _Nearest(blocks, column[self.track[kept]], len(columns.index))


class _Nearest:
    """The least distance to an image of each column."""

    def __init__(self, blocks: Blocks, column: Int[Tensor, " images"], columns: int) -> None:
        self.blocks, self.column, self.columns = blocks, column, columns

    def block(self, start: int) -> Float[Tensor, "rows columns"]:
        distance = self.blocks.block(start)
        nearest = distance.new_full((len(distance), self.columns), torch.inf)
        return nearest.scatter_reduce_(1, self.column.expand(len(distance), -1), distance, "amin")
