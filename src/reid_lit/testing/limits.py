"""What only a model's embeddings can tell of a test: their length, asked before anything is embedded."""

import copy
from collections.abc import Sequence

import torch

from reid_lit.data.base import ReidData
from reid_lit.evaluation.ahead import ranked_lists
from reid_lit.evaluation.marks import UNKNOWN
from reid_lit.evaluation.measures.reassociation import check_pairs
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import check_memory
from reid_lit.evaluation.streaming import images_at_once
from reid_lit.evaluation.tracks import Tracks, track_clocks
from reid_lit.models.base import RetrievalModel
from reid_lit.records import JUNK, Split


def check_limits(model: RetrievalModel, tests: Sequence[ReidData], *, streamed: bool = False) -> None:
    """Raise InputError where a test is refused by :func:`check_memory_limit` or :func:`check_search`."""
    check_memory_limit(model, tests, streamed=streamed)
    check_search(model, tests)


def check_memory_limit(model: RetrievalModel, tests: Sequence[ReidData], *, streamed: bool = False) -> None:
    """Raise InputError unless the tests' rankings stay within the model's ``evaluation.memory_limit_gb``.

    Args:
        model: The model to be tested.
        tests: The data sets; the ``split`` of each is a test.
        streamed: Whether the galleries have distractors on disk.

    Raises:
        ValueError: one does not.
    """
    if model.evaluation.memory_limit_gb is None:
        return
    for test in tests:
        split, protocol = test.split, model.evaluation.under(test.split.rules)
        queries, compared = _compared(split, protocol)
        check = images_at_once if streamed else check_memory
        check(queries, compared, _length(model, test.transform.test_size), protocol)
        if protocol.reassociation:
            check_pairs(_timed_tracks(split), protocol.memory_limit_gb)


def check_search(model: RetrievalModel, tests: Sequence[ReidData]) -> None:
    """Raise InputError unless the tests' neighbours can be searched as the model's ``evaluation.search`` says.

    Args:
        model: The model to be tested.
        tests: The data sets; the ``split`` of each is a test.

    Raises:
        ValueError: an index does not fit the images or the embeddings of a test.
        MissingPackageError: what makes it is not installed.
    """
    for test in tests:
        split, protocol = test.split, model.evaluation.under(test.split.rules)
        if protocol.search is None or (protocol.expansion is None and protocol.rerank is None):
            continue
        queries, compared = _compared(split, protocol)
        alone = protocol.rerank is None and getattr(protocol.expansion, "of", "both") == "queries"
        images = compared if alone else queries + compared
        protocol.search.check(images, _length(model, test.transform.test_size))


def validated(data: ReidData) -> list[ReidData]:
    """A view of a data set whose query and gallery are those that it validates with; none where it does not."""
    if data.validation is None:
        return []
    view = copy.copy(data)
    view.split = data.validation
    return [view]


def _compared(split: Split, protocol: Protocol) -> tuple[int, int]:
    """The numbers of queries and of gallery images, or tracks, that are compared."""
    lists = ranked_lists(split, protocol)
    queries = len(lists.query_person)
    if protocol.tracks == "nearest":
        return queries, len(split.gallery)  # the images of the tracks, each apart
    junk = 0 if protocol.by_neighbours and protocol.junk == "with" else lists.junk
    return queries, len(lists.gallery_person) - junk


def _timed_tracks(split: Split) -> int:
    """The number of tracks, junk aside, whose times are known."""
    query, gallery = ([shot for shot in shots if shot.person_id != JUNK] for shots in (split.query, split.gallery))
    return int((track_clocks(Tracks.of(query, gallery)) != UNKNOWN).sum())


def _length(model: RetrievalModel, size: Sequence[int]) -> int:
    """The length of an embedding, by embedding one empty image."""
    training = model.training
    with torch.no_grad():
        embedding = model.eval().embed(torch.zeros(1, 3, *size, device=model.device))
    model.train(training)
    return embedding.shape[1]
