"""Galleries with more distractors than memory holds: their embeddings stay on disk and are read in pieces."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.budget import size_within
from reid_lit.evaluation.counting import Counts, Thresholds, count_before
from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker, distance_blocks
from reid_lit.evaluation.ranking import QueryScores, Ranked, join, rank_rows, score_rows
from reid_lit.progress import progress
from reid_lit.wording import counted

COLUMNS = 16384
"""Images in one matrix product. The last piece is padded to as many: a product of another shape rounds differently."""

LEAST = 512
"""The least number of them under a memory limit."""

NEEDS_ALL = {
    "rerank": "re-ranking compares the neighbour lists of all images",
    "expansion": "query expansion looks for neighbours among all images",
    "single_gallery_shot": "single_gallery_shot draws one image of each gallery person; distractors have none",
    "roc": "the false positive rate is that of all pairs at once",
    "open_set": "the false alarm rate is that of the whole gallery at once",
    "identification": "the false positive identification rate is that of the whole gallery at once",
    "camera_pairs": "a pair of cameras has a gallery of its own",
    "view_pairs": "a pair of views has a gallery of its own",
    "tracks": "they are images, and tracks are ranked",
}
"""The choices of a protocol that distractors on disk rule out, and why."""


def check_streamable(protocol: Protocol) -> None:
    """Raise InputError where the protocol asks for a score that needs all images at once."""
    for name, reason in NEEDS_ALL.items():
        asked = getattr(protocol, name)
        if asked and asked != "none":
            raise InputError(
                f"{name} and distractors on disk: {reason}; leave out one of them, or make the distractors"
                " part of the data set's gallery, which is held in memory"
            )
    if protocol.local is not None and protocol.local.nearest is not None:
        raise InputError(
            f"local.nearest={protocol.local.nearest} and distractors on disk: the nearest are those of the whole"
            " gallery; set evaluation.local.nearest=null, which compares the stripes of all"
        )


@torch.no_grad()
def score_streamed(ranker: Ranker, distractors: Distractors) -> tuple[QueryScores, QueryScores]:
    """The scores of :func:`.score_both` for the gallery with the distractors behind it, which are read once.

    A true match stays where it ranks in the gallery, behind as many distractors as are strictly nearer; a distractor at
    the same distance comes later. The camera rule for ``auto`` depends on the gallery alone.

    Args:
        ranker: Queries and the gallery proper, and how they are scored; no distance is asked of it.
        distractors: More of the gallery, on disk.

    Raises:
        ValueError: the protocol asks for a score that needs all images at once, or embeddings are not finite or of
            another length.
    """
    query, protocol, columns = ranker.query, ranker.protocol, ranker.columns
    check_streamable(protocol)
    for part in distractors.parts:
        if part.shape[1] != query.shape[1]:
            raise InputError(
                f"{part.path} has embeddings of {counted(part.shape[1], 'number')}, the queries have {query.shape[1]};"
                " embed all with one model"
            )
    gallery = columns.select(ranker.gallery)
    number = 8 if torch.float64 in (query.dtype, gallery.dtype) else 4
    size = images_at_once(len(query), len(gallery), query.shape[1], protocol, number=number)
    ranked = _rank_gallery(ranker, gallery, size)
    done = 0
    with progress("distractors") as tell:
        for piece, camera in distractors.pieces(size):
            blocks = distance_blocks(query, _padded(piece.to(query.device), size), protocol)
            for place, matches in enumerate(ranked):
                distance = blocks.block(place * BLOCK)[:, : len(piece)]
                ranked[place] = _behind(matches, distance, camera.to(query.device))
            done += len(piece)
            tell(done, len(distractors))
    return join([score_rows(rows, columns, protocol) for rows in ranked])


def images_at_once(queries: int, gallery: int, dim: int, protocol: Protocol, *, number: int = 4) -> int:
    """The images in one product that the memory limit allows: :data:`COLUMNS` or a part of it.

    Args:
        queries: Number of queries.
        gallery: Number of gallery images in memory, junk aside.
        dim: Length of an embedding.
        protocol: Has the limit.
        number: Bytes of a number.

    Raises:
        ValueError: the limit cannot be met.
    """
    length = dim * number
    return size_within(
        protocol.memory_limit_gb,
        work="reading distractors",
        fixed=(queries + 2 * gallery) * length + 3 * BLOCK * gallery * number,
        each=4 * length + 2 * BLOCK * number,  # as read, padded, of unit length; their distances
        most=COLUMNS,
        least=min(COLUMNS, LEAST),
    )


def _rank_gallery(ranker: Ranker, gallery: Float[Tensor, "columns dim"], size: int) -> list[Ranked]:
    """The true matches of each block of queries in the gallery, by products of the shape that distractors get."""
    query, lists, protocol = ranker.query, ranker.lists, ranker.protocol
    parts = [(distance_blocks(query, _padded(part, size), protocol), len(part)) for part in gallery.split(size)]
    ranked = []
    for start in range(0, len(query), BLOCK):
        rows = slice(start, start + BLOCK)
        distance = torch.cat([blocks.block(start)[:, :count] for blocks, count in parts], dim=1)
        ranked.append(rank_rows(distance, lists.asked(rows), ranker.columns))
    return ranked


def _behind(ranked: Ranked, distance: Float[Tensor, "rows columns"], camera: Int[Tensor, " columns"]) -> Ranked:
    """The true matches with distractors put behind the gallery."""
    place = torch.zeros_like(ranked.shown.column)  # no distractor comes earlier, so ties rank behind
    first = Thresholds(ranked.shown.value, place, ranked.shown.wanted)
    others, same_camera = count_before(distance, first, ranked.asked.camera, camera)
    return ranked._replace(others=_sum(ranked.others, others), same_camera=_sum(ranked.same_camera, same_camera))


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(one.before + other.before, one.upto + other.upto)


def _padded(embedding: Float[Tensor, "images dim"], size: int) -> Float[Tensor, "padded dim"]:
    return embedding if len(embedding) == size else F.pad(embedding, (0, 0, 0, size - len(embedding)))
