"""The scores of tracks: CMC, mAP and all else of tracks in place of images, and re-association by time gap."""

from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.image_to_track import image_to_track
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.marks import UNKNOWN
from reid_lit.evaluation.measures.reassociation import reassociation
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import Result, evaluate
from reid_lit.evaluation.tracks import POOLED, Spans, Tracks, pool


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
        ValueError: see :func:`.tracks.pool` and :func:`.scores.evaluate`; distractors, or no time where it is needed.
    """
    if distractors is not None:
        raise InputError(f"tracks={protocol.tracks} and distractors on disk, which are images; leave out one of them")
    if protocol.track_queries == "images":
        ranker = image_to_track(embedding, lists, tracks, protocol)
        result = evaluate(ranker)
    else:
        pooled = pool(embedding, lists, tracks, quality=protocol.tracks == "quality")
        _check_times(pooled.spans, protocol)
        ranker = Ranker(pooled.query, pooled.gallery, pooled.lists, protocol)
        result = evaluate(ranker)
        if protocol.reassociation:
            edges, limit = protocol.reassociation, protocol.memory_limit_gb
            result.details["reassociation"] = reassociation(pooled.spans, edges, memory_limit_gb=limit)
    result.stamp["tracks"] = {
        "pooling": POOLED[protocol.tracks],
        "queries": protocol.track_queries,
        "images": len(embedding),
        "without_track": len(embedding) - tracks.known,
    }
    return ranker, result


def _check_times(spans: Spans, protocol: Protocol) -> None:
    """Raise InputError where re-association is asked for and no track has known times."""
    if protocol.reassociation and bool((spans.clock == UNKNOWN).all()):
        raise InputError(
            f"reassociation={list(protocol.reassociation)}: no track of this test has known times; give them in the"
            " column time of the data set's CSV, or set reassociation=[]"
        )
