"""The oracle follows the definition with Python's sets; distances in double precision, ties by lower index."""

import math

import pytest
import torch
from torch.nn import functional as F

from reid_lit.evaluation.distance import BLOCK, pairwise_distance
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.local_blocks import LocalBlocks
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.evaluation.neighbours import reciprocal as module
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
    ),
]


def people(images, dim=16, seed=0, noise=0.7, per_person=9):
    """Embeddings around a centre for each person, in float32."""
    generator = torch.Generator().manual_seed(seed)
    persons = max(1, images // per_person)
    centre = torch.randn(persons, dim, generator=generator)
    person = torch.randint(persons, (images,), generator=generator)
    return centre[person] + noise * torch.randn(images, dim, generator=generator)


def grid(images, dim=5, seed=0):
    """Embeddings with whole squared distances, many of them equal and some 0: ties and duplicates."""
    return torch.randint(-1, 2, (images, dim), generator=torch.Generator().manual_seed(seed)).float()


def oracle(embedding, queries, k1, k2, lambda_value, variant="reference"):
    """Final distances ``(queries gallery)``, image by image."""
    x = embedding.double()
    x = x if variant == "reference" else F.normalize(x, dim=1)
    return oracle_of((x[:, None] - x).square().sum(2), queries, k1, k2, lambda_value, variant)


def oracle_of(squared, queries, k1, k2, lambda_value, variant="reference"):
    """The same from a matrix of distances."""
    x = squared
    distance = squared if variant == "fastreid" else squared / squared.amax(1, keepdim=True)
    distance = distance.square() if variant == "layumi" else distance
    ranked = squared.sort(dim=1, stable=True).indices.tolist()
    longest = k1 if variant == "fastreid" else k1 + 1

    def reciprocal(image, k):
        length = min(k + 1, longest)
        return {other for other in ranked[image][:length] if image in ranked[other][:length]}

    weights = []
    for image in range(len(x)):
        own = reciprocal(image, k1)
        members = set(own)
        for other in own:
            more = reciprocal(other, round(k1 / 2))
            if len(more & own) > 2 / 3 * len(more):
                members |= more
        raw = {other: math.exp(-distance[image, other]) for other in members}
        weights.append({other: value / sum(raw.values()) for other, value in raw.items()})
    averaged = []
    for image in range(len(x)):
        mean = dict.fromkeys({other for near in ranked[image][:k2] for other in weights[near]}, 0.0)
        for near in ranked[image][:k2]:
            for other, value in weights[near].items():
                mean[other] += value / k2
        averaged.append(mean)
    out = torch.empty(queries, len(x) - queries, dtype=torch.float64)
    for query in range(queries):
        for entry in range(queries, len(x)):
            one, two = averaged[query], averaged[entry]
            shared = sum(min(one[other], two[other]) for other in one.keys() & two.keys())
            mixed = squared[query, entry] / 2 if variant == "fastreid" else distance[query, entry]
            jaccard = 1 - shared / (2 - shared)
            out[query, entry - queries] = (1 - lambda_value) * jaccard + lambda_value * mixed
    return out


def reranked(embedding, queries, **settings):
    """The whole matrix, from its blocks."""
    device = embedding.device
    blocks = KReciprocal(**settings).blocks(embedding[:queries], embedding[queries:])
    rows = [blocks.block(start).clone() for start in range(0, queries, BLOCK)]
    assert all(row.device == device for row in rows)
    return torch.cat(rows).cpu()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("variant", ["reference", "fastreid", "layumi"])
@pytest.mark.parametrize(
    ("images", "k1", "k2", "lambda_value"),
    [(300, 20, 6, 0.3), (150, 7, 3, 0.0), (90, 1, 1, 0.5), (60, 13, 13, 0.9), (40, 30, 1, 0.3), (200, 3, 2, 0.1)],
)
def test_equals_the_definition(device, variant, images, k1, k2, lambda_value):
    settings = {"k1": k1, "k2": k2, "lambda_value": lambda_value, "variant": variant}
    embedding = people(images, seed=k1)
    ours = reranked(embedding.to(device), images // 5, **settings)
    torch.testing.assert_close(ours.double(), oracle(embedding, images // 5, **settings), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
@pytest.mark.parametrize("matching", ["dmli", "unaligned"])
def test_stripes_are_compared_too(kind, matching):
    local = LocalDistance(matching=matching, feature="local", global_weight=2.0, local_weight=0.5, nearest=None)
    local, embedding = local.of(whole=4, channels=4), people(120, dim=16)
    distance = LocalBlocks(embedding, embedding, kind, local).block(0).fill_diagonal_(0).double()
    lists = Lists(*(torch.arange(length) % 9 for length in (20, 20, 100, 100)))
    protocol = Protocol(distance=kind, local=local, rerank=KReciprocal(k1=12, k2=4, lambda_value=0.3))
    ranker = Ranker(embedding[:20], embedding[20:], lists, protocol)
    torch.testing.assert_close(ranker.block(0).double(), oracle_of(distance, 20, 12, 4, 0.3), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (5, 5), (4, 1)])
def test_duplicates_and_ties(k1, k2):
    embedding = grid(220)
    settings = {"k1": k1, "k2": k2, "lambda_value": 0.3}
    torch.testing.assert_close(
        reranked(embedding, 50, **settings).double(), oracle(embedding, 50, **settings), rtol=0, atol=1e-6
    )


def test_images_that_are_all_the_same():
    assert not reranked(torch.ones(30, 4), 10, k1=5, k2=2, lambda_value=1.0).any()


def test_several_chunks_and_blocks_change_nothing(monkeypatch):
    embedding = people(1300, dim=8)
    whole = reranked(embedding, 600)
    monkeypatch.setattr(module, "ROWS", 64)
    monkeypatch.setattr("reid_lit.evaluation.neighbours.encoding.ROWS", 64)
    monkeypatch.setattr("reid_lit.evaluation.neighbours.sparse.ENTRIES", 500)
    torch.testing.assert_close(reranked(embedding, 600), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("variant", ["reference", "fastreid", "layumi"])
def test_lambda_1_gives_the_input_ranking(variant):
    embedding = people(250)
    plain = pairwise_distance(embedding[:60], embedding[60:], "euclidean" if variant == "reference" else "cosine")
    ours = reranked(embedding, 60, lambda_value=1.0, variant=variant)
    assert torch.equal(ours.sort(dim=1, stable=True).indices, plain.sort(dim=1, stable=True).indices)


def test_permuting_the_gallery_permutes_the_distances():
    embedding = people(300)
    order = torch.randperm(240, generator=torch.Generator().manual_seed(0))
    mixed = torch.cat([embedding[:60], embedding[60:][order]])
    torch.testing.assert_close(reranked(mixed, 60), reranked(embedding, 60)[:, order], rtol=0, atol=1e-6)


def test_a_search_of_ones_own_is_asked_once():
    embedding, calls = people(100), []

    def search(image, *, k, memory_limit_gb, held):
        calls.append((len(image), k, memory_limit_gb, held))
        return module.neighbours(image, k=k)

    rerank = KReciprocal(k1=9, k2=3)
    ours = rerank.blocks(embedding[:20], embedding[20:], neighbours=search).block(0)
    assert torch.equal(ours, rerank.blocks(embedding[:20], embedding[20:]).block(0))
    assert calls == [(100, 10, None, 100 * 16 * 4)]


@pytest.mark.parametrize(("variant", "enough"), [("reference", 21), ("fastreid", 20)])
def test_too_few_images(variant, enough):
    embedding = people(enough)
    rerank = KReciprocal(variant=variant)
    rerank.blocks(embedding[:3], embedding[3:])
    with pytest.raises(
        ValueError, match=rf"k1=20: lists of {enough} images cannot be made of {enough - 1}.*give 19 or less"
    ):
        rerank.blocks(embedding[:3], embedding[4:])


def test_embeddings_that_are_not_finite():
    embedding = people(50)
    embedding[7] = torch.inf
    with pytest.raises(ValueError, match=r"1 of 50 image embeddings are not finite, the first at \[7\]"):
        KReciprocal().blocks(embedding[:20], embedding[20:])


def test_a_limit_that_cannot_be_met_is_refused_before_work_starts(monkeypatch):
    monkeypatch.setattr(module, "neighbours", None)
    with pytest.raises(ValueError, match=r"memory_limit_gb=0\.01: k-reciprocal re-ranking of 50 images needs 0\.\d GB"):
        KReciprocal().blocks(people(50)[:20], people(50)[20:], memory_limit_gb=0.01)


def test_a_limit_changes_nothing():
    embedding = people(300)
    limited = KReciprocal().blocks(embedding[:60], embedding[60:], memory_limit_gb=0.5).block(0)
    assert torch.equal(limited, KReciprocal().blocks(embedding[:60], embedding[60:]).block(0))


def test_no_more_is_kept_than_was_announced():
    """The bound on the members of R*, on which the limit rests."""
    for embedding in (people(900), people(900, noise=3.0), grid(900)):
        encoding = module.encode(embedding, module.neighbours(embedding, k=21), 21, 11, "reference")
        assert 0 < int(encoding.count.max()) <= 21 + 20 * 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": 0}, "^k1=0: give 1 or more"),
        ({"k2": 0}, "^k2=0: give 1 to k1=20 neighbours"),
        ({"k1": 5, "k2": 6}, "^k2=6: give 1 to k1=5 neighbours"),
        ({"lambda_value": 1.1}, "^lambda_value=1.1: give a weight from 0 to 1"),
    ],
)
def test_numbers_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        KReciprocal(**settings)


def test_an_unknown_variant():
    with pytest.raises(ValueError, match="variant='original' is unknown; choose one of reference, fastreid, layumi"):
        KReciprocal(variant="original")


def test_the_stamp_says_what_was_done():
    assert KReciprocal().stamp == "k-reciprocal (k1=20, k2=6, λ=0.3)"
    assert KReciprocal(variant="layumi").stamp == "k-reciprocal as in layumi, on unit vectors (k1=20, k2=6, λ=0.3)"
