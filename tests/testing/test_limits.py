"""A limit of memory that cannot be met is refused before anything is embedded."""

import re
import sys
from dataclasses import replace

import pytest
import torch

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.plain import PlainImages
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import MissingPackageError
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.neighbours.search import FaissSearch
from reid_lit.evaluation.protocol import Protocol, _rates
from reid_lit.evaluation.ranker import Ranker, check_memory
from reid_lit.models.base import RetrievalModel
from reid_lit.models.retrieval import EmbeddingModel
from reid_lit.records import JUNK, Moment, Shot, Split
from reid_lit.testing import tests as testing
from reid_lit.testing.limits import check_limits, check_memory_limit, check_search, validated

DIM = 32


class Tiny(RetrievalModel):
    """Embeds everything as zeros and counts how much that was."""

    def __init__(self, protocol):
        EmbeddingModel.__init__(self, evaluation=protocol, memory_format=torch.contiguous_format)
        self.embedded = 0

    def embed(self, image):
        self.embedded += len(image)
        return torch.zeros(len(image), DIM)


@pytest.fixture
def test(tmp_path):
    """40 queries, 500 gallery images and 60 of junk."""
    people = [*range(20), *range(20), *(n % 20 for n in range(500)), *[JUNK] * 60]
    shots = [Shot(tmp_path / f"{n}.jpg", person, n % 2) for n, person in enumerate(people)]
    data = PlainImages(
        root=tmp_path,
        transform=Transform(size=[16, 8], interpolation="bilinear", train=[]),
        sampler=ShuffleSampler,
        loader=Loader(batch_size=2, test_batch_size=3, workers=0),
    )
    data.split = Split(name="made", train=(), query=tuple(shots[:40]), gallery=tuple(shots[40:]))
    return testing.Test(data=data, row="made", average="", split_id=None)


@pytest.mark.parametrize(
    "protocol",
    [
        Protocol(distance="cosine"),
        Protocol(rerank=KReciprocal()),
        Protocol(rerank=KReciprocal(), junk="with"),
        Protocol(expansion=Expansion(), rerank=KReciprocal(), distance="cosine"),
        Protocol(rerank=KReciprocal(), search=FaissSearch(kind="hnsw")),
        Protocol(rerank=KReciprocal(), open_set=[0.1]),
    ],
    ids=["plain", "rerank", "with junk", "expansion", "index", "open set"],
)
def test_it_refuses_what_the_ranking_would_refuse_in_the_same_words(test, protocol):
    protocol = replace(protocol, memory_limit_gb=1e-9)
    split, generator = test.data.split, torch.Generator().manual_seed(0)
    query, gallery = (torch.randn(n, DIM, generator=generator) for n in (40, 560))
    with pytest.raises(ValueError, match="memory_limit_gb") as late:
        Ranker(query, gallery, Lists.of(split.query, split.gallery), protocol).block(0)
    model = Tiny(protocol)
    with pytest.raises(ValueError, match="memory_limit_gb") as early:
        check_memory_limit(model, [test.data])
    assert str(early.value) == str(late.value)
    assert model.embedded == 1
    assert model.training


def embedded(test, protocol):
    """The scores of a test, of embeddings that are drawn."""
    split, metric = test.data.split, RetrievalScores.of(test.data.split, protocol)
    shots = (*split.query, *split.gallery)
    person, camera = (torch.tensor([getattr(shot, name) for shot in shots]) for name in ("person_id", "camera_id"))
    metric.update(torch.randn(len(shots), DIM), person, camera, torch.arange(len(shots)))
    return metric.compute()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"tracks": "nearest", "track_queries": "images", "memory_limit_gb": 0.002}, "ranking needs"),
        ({"tracks": "mean", "reassociation": [1], "memory_limit_gb": 0.01}, "re-association needs"),
    ],
)
def test_tracks_have_a_least_of_their_own(test, words, message, monkeypatch):
    monkeypatch.setattr("reid_lit.evaluation.measures.reassociation.PAIR", 1000)

    def tracked(shots, start):
        return tuple(replace(shot, track_id=k, taken=Moment("one", k)) for k, shot in enumerate(shots, start))

    split = test.data.split
    test.data.split = replace(split, query=tracked(split.query, 0), gallery=tracked(split.gallery, 40))
    protocol = Protocol(**words, camera_rule="any_camera")
    with pytest.raises(ValueError, match=message) as late:
        embedded(test, protocol)
    with pytest.raises(ValueError, match="memory_limit_gb") as early:
        check_memory_limit(Tiny(protocol), [test.data])
    assert str(early.value) == str(late.value)


@pytest.mark.parametrize(
    ("search", "message"), [({"m": 5}, "m=5: give a divisor .* 32, such as 4"), ({"m": 4, "bits": 10}, "2.10 codes")]
)
@pytest.mark.parametrize("part", [{"rerank": KReciprocal()}, {"expansion": Expansion(of="queries")}])
def test_an_index_that_does_not_fit_is_refused_in_the_same_words(test, search, message, part):
    protocol = Protocol(search=FaissSearch(kind="ivf_pq", **search), **part)
    with pytest.raises(ValueError, match=message) as late:
        embedded(test, protocol)
    with pytest.raises(ValueError, match=message) as early:
        check_search(Tiny(protocol), [test.data])
    assert str(early.value) == str(late.value)
    check_search(Tiny(Protocol(search=protocol.search)), [test.data])  # nothing looks for neighbours


def test_an_index_without_faiss_is_refused_before_anything_is_embedded(test, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingPackageError, match="FaissSearch needs faiss"):
        check_search(Tiny(Protocol(rerank=KReciprocal(), search=FaissSearch(kind="flat"))), [test.data])


def test_distractors_have_a_least_of_their_own(test):
    with pytest.raises(ValueError, match="reading distractors needs"):
        check_memory_limit(Tiny(Protocol(memory_limit_gb=1e-9)), [test.data], streamed=True)


@pytest.mark.parametrize("limit", [None, 1.0])
def test_what_fits_is_left_alone(test, limit):
    for streamed in (False, True):
        check_memory_limit(Tiny(Protocol(memory_limit_gb=limit)), [test.data], streamed=streamed)


def test_the_least_counts_expansion_index_and_the_gallery_of_the_open_set():
    def least(**choices):
        with pytest.raises(ValueError, match="GB above") as refused:
            check_memory(1000, 100_000, 512, Protocol(memory_limit_gb=1e-9, **choices))
        return float(re.search(r"needs ([\d.]+) GB", str(refused.value))[1])

    plain = least(rerank=KReciprocal())
    assert least(rerank=KReciprocal(), open_set=[0.1]) == pytest.approx(2 * plain, abs=0.11)
    assert least(rerank=KReciprocal(), search=FaissSearch(kind="hnsw")) > plain + 0.2
    assert least(expansion=Expansion()) > 0.4


@pytest.mark.parametrize("rates", [0.01, "0.01", ["0.01"], [2.0], {"a": 0.1}])
def test_rates_that_are_none_are_named(rates):
    with pytest.raises(ValueError, match=r"^roc=.*: give rates between 0 and 1"):
        _rates("roc", rates)


def test_whom_a_training_validates_with_counts_too(test):
    """An index that fits the test need not fit fewer images, and is built after the first epoch."""
    search = FaissSearch(kind="ivf_pq", m=4, bits=8, train=600)
    model = Tiny(Protocol(rerank=KReciprocal(), search=search))
    assert not validated(test.data)
    check_limits(model, [test.data])
    test.data.validation = replace(test.data.split, gallery=test.data.split.gallery[:100])
    with pytest.raises(ValueError, match="bits=8: 140 training images are too few"):
        check_limits(model, validated(test.data))
    assert len(test.data.split.gallery) == 560
