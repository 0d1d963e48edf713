"""What an evaluation refuses of a test, asked before hours of training: all that is known without an embedding."""

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.details import galleries
from reid_lit.evaluation.measures.open_set import draw_persons
from reid_lit.evaluation.measures.separation import check_separation
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import check_images
from reid_lit.evaluation.scores import check_matches
from reid_lit.evaluation.streaming import check_streamable
from reid_lit.evaluation.tracks import track_lists, tracks_of
from reid_lit.records import Split


def check_scorable(split: Split, protocol: Protocol, *, streamed: bool = False) -> None:
    """Raise InputError where the query and gallery of ``split`` cannot be ranked and scored as asked.

    Args:
        split: One test; its own rules come before the protocol.
        protocol: How to rank and score.
        streamed: Whether the gallery has distractors on disk too.

    Raises:
        ValueError: no query can have a match; clothes, views, tracks or times are compared that are not known; images
            are too few for the neighbours of expansion or re-ranking, or for R; or what is asked for does not go
            together.
    """
    protocol = protocol.under(split.rules)
    if streamed:
        check_streamable(protocol)
    lists = ranked_lists(split, protocol)
    check_matches(lists, protocol)
    check_images(lists, protocol)
    for _, kept in galleries(lists, protocol, draw_persons(lists, protocol.open_set_share)):
        left = "" if kept.all() else " without the persons whom open_set takes out"
        check_images(lists.with_gallery(kept), protocol, left=left)
    if protocol.separation and not protocol.single_gallery_shot:
        check_separation(lists)


def ranked_lists(split: Split, protocol: Protocol) -> Lists:
    """The lists of what is ranked: of the images of a test, or of their tracks.

    Raises:
        ValueError: see :func:`.tracks.track_lists`.
    """
    lists, tracks = Lists.of(split.query, split.gallery), tracks_of(split, protocol)
    return lists if tracks is None else track_lists(lists, tracks, protocol)
