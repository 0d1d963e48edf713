"""The check of ``evaluation.memory_limit_gb`` before anything is embedded."""

from collections.abc import Sequence

import torch

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.ranker import check_memory
from reid_lit.evaluation.streaming import images_at_once
from reid_lit.models.base import RetrievalModel
from reid_lit.testing.tests import Test


def check_memory_limit(model: RetrievalModel, tests: Sequence[Test], *, streamed: bool = False) -> None:
    """Raise InputError unless the tests' rankings stay within the model's ``evaluation.memory_limit_gb``.

    Args:
        model: The model to be tested.
        tests: The tests.
        streamed: Whether the galleries have distractors on disk.

    Raises:
        ValueError: one does not.
    """
    if model.evaluation.memory_limit_gb is None:
        return
    for test in tests:
        split, protocol = test.data.split, model.evaluation.under(test.data.split.rules)
        lists = Lists.of(split.query, split.gallery)
        compared = len(split.gallery) - (0 if protocol.by_neighbours and protocol.junk == "with" else lists.junk)
        check = images_at_once if streamed else check_memory
        check(len(split.query), compared, _length(model, test.data.transform.test_size), protocol)


def _length(model: RetrievalModel, size: Sequence[int]) -> int:
    """The length of an embedding, by embedding one empty image."""
    training = model.training
    with torch.no_grad():
        embedding = model.eval().embed(torch.zeros(1, 3, *size, device=model.device))
    model.train(training)
    return embedding.shape[1]
