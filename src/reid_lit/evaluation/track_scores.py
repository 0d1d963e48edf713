"""The scores of tracks: CMC, mAP and all else of tracks in place of images, and re-association by time gap."""

from jaxtyping import Float
from torch import Tensor

from reid_lit.evaluation.image_to_track import image_to_track
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.reassociation import reassociation
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import Result, evaluate
from reid_lit.evaluation.streaming import check_streamable
from reid_lit.evaluation.track_vectors import POOLED, pool
from reid_lit.evaluation.tracks import Tracks


def evaluate_tracks(
    embedding: Float[Tensor, "images dim"],
    lists: Lists,
    tracks: Tracks,
    protocol: Protocol,
    *,
    distractors: Distractors | None = None,
) -> tuple[Ranker, Result]:
    """:func:`.scores.evaluate` of the tracks of some images.

    Gallery and counts are of tracks, and so are the queries, unless the protocol's ``track_queries`` keeps images.

    Args:
        embedding: Of queries, then of the gallery.
        lists: Of these images.
        tracks: Of these images.
        protocol: How to pool, rank and score.
        distractors: Refused: they are images.

    Raises:
        ValueError: see :func:`.tracks.track_lists`, :func:`.streaming.check_streamable` and :func:`.scores.evaluate`.
    """
    if distractors is not None:
        check_streamable(protocol)
    if protocol.track_queries == "images":
        ranker = image_to_track(embedding, lists, tracks, protocol)
        result = evaluate(ranker)
    else:
        pooled = pool(embedding, lists, tracks, protocol)
        ranker = Ranker(pooled.query, pooled.gallery, pooled.lists, protocol)
        result = evaluate(ranker)
        if protocol.reassociation:
            edges, limit = protocol.reassociation, protocol.memory_limit_gb
            result.details["reassociation"] = reassociation(pooled.spans, edges, memory_limit_gb=limit)
    told: dict[str, object] = {
        "pooling": POOLED[protocol.tracks],
        "queries": protocol.track_queries,
        "images": len(embedding),
        "without_track": len(embedding) - tracks.known,
    }
    if protocol.track_queries == "tracks" and (copies := int(tracks.again.sum())):
        told["copies_of_queries"] = copies
    result.stamp["tracks"] = told
    return ranker, result
