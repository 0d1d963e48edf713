import math

import pytest
import torch

from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.graph import GraphRerank
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.neighbours.search import ExactSearch
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def mean_of_nearest(image, others, k, alpha):
    """Σ cos^α x / k over the k of ``others`` that are most like the image."""
    similar = sorted(((-cosine(image, other), i) for i, other in enumerate(others)))[:k]
    weights = [(max(0.0, -negative) ** alpha, others[i]) for negative, i in similar]
    return [sum(weight * other[axis] for weight, other in weights) / k for axis in range(len(image))]


def expand_in_loops(query, gallery, *, k, alpha, times, of):
    query, gallery = query.tolist(), gallery.tolist()
    for _ in range(times):
        if of == "both":
            images = query + gallery
            expanded = [mean_of_nearest(image, images, k, alpha) for image in images]
            query, gallery = expanded[: len(query)], expanded[len(query) :]
        else:
            query = [mean_of_nearest(image, [image, *gallery], k, alpha) for image in query]
    return torch.tensor(query), torch.tensor(gallery)


def case(queries=13, gallery=45, dim=6, seed=0):
    """Embeddings of different lengths, in clumps."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(8, dim, generator=generator)[torch.randint(8, (queries + gallery,), generator=generator)]
    embedding = centre + 0.5 * torch.randn(queries + gallery, dim, generator=generator)
    return (embedding * (0.5 + torch.rand(len(embedding), 1, generator=generator))).split([queries, gallery])


@pytest.mark.parametrize("of", ["both", "queries"])
@pytest.mark.parametrize(("k", "alpha", "times"), [(5, 3.0, 1), (2, 0.0, 1), (4, 1.5, 2), (9, 2.5, 3)])
def test_equals_the_loops(k, alpha, times, of):
    query, gallery = case()
    expanded = Expansion(k=k, alpha=alpha, times=times, of=of)(query, gallery)
    for ours, theirs in zip(
        expanded, expand_in_loops(query, gallery, k=k, alpha=alpha, times=times, of=of), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("of", ["both", "queries"])
def test_images_that_point_away_count_nothing(of):
    query, gallery = torch.tensor([[2.0, 0.0]]), torch.tensor([[-1.0, 0.1], [-1.0, -0.1], [0.0, -3.0]])
    expanded, _ = Expansion(k=4, alpha=2.5, of=of)(query, gallery)
    torch.testing.assert_close(expanded, query / 4)


def test_zero_alpha_is_the_plain_mean():
    query, gallery = case()
    k = len(query) + len(gallery)
    expanded, others = Expansion(k=k, alpha=0.0)(query, gallery)
    mean = torch.cat([query, gallery]).mean(0)
    torch.testing.assert_close(torch.cat([expanded, others]), mean.expand(k, -1))


def test_a_query_alone_does_not_feel_the_others_but_in_both_it_does():
    query, gallery = case()
    query[1] = query[0] + 0.01
    deployed, joint = Expansion(of="queries"), Expansion(of="both")
    torch.testing.assert_close(deployed(query, gallery)[0][:1], deployed(query[:1], gallery)[0])
    assert not torch.allclose(joint(query, gallery)[0][:1], joint(query[:1], gallery)[0], atol=1e-3)
    assert deployed(query, gallery)[1] is gallery


@pytest.mark.parametrize("of", ["both", "queries"])
def test_permuting_the_gallery_permutes_the_output(of):
    query, gallery = case()
    order = torch.randperm(len(gallery), generator=torch.Generator().manual_seed(1))
    expansion = Expansion(of=of)
    (one, others), (again, permuted) = expansion(query, gallery), expansion(query, gallery[order])
    torch.testing.assert_close(again, one)
    torch.testing.assert_close(permuted, others[order])


def test_what_came_in_is_left_alone():
    query, gallery = case()
    before = query.clone(), gallery.clone()
    Expansion(times=2)(query, gallery)
    assert torch.equal(query, before[0])
    assert torch.equal(gallery, before[1])


def test_another_search_finds_the_same():
    query, gallery = case()

    class Counted(ExactSearch):
        calls = 0

        def neighbours(self, *args, **settings):
            self.calls += 1
            return super().neighbours(*args, **settings)

    search = Counted()
    ours, exact = Expansion(times=2)(query, gallery, search=search), Expansion(times=2)(query, gallery)
    assert search.calls == 2
    assert torch.equal(ours[0], exact[0])


def test_the_stamp_says_who_was_expanded():
    assert Expansion().stamp == "α query expansion (k=5, α=3, of queries and gallery, transductive)"
    assert Expansion(alpha=0.5, times=2, of="queries").stamp == "α query expansion (k=5, α=0.5, 2 times, of queries)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"of": "gallery"}, "choose one of queries, both"),
        ({"k": 1}, "^k=1: give 2 or more images, the image itself included"),
        ({"alpha": -1.0}, "^alpha=-1.0: give an exponent of 0 or more"),
        ({"times": 0}, "^times=0: give 1 or more"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Expansion(**settings)


def test_more_neighbours_than_images():
    query, gallery = case(queries=2, gallery=3)
    with pytest.raises(ValueError, match="of 3 images"):
        Expansion(k=5, of="queries")(query, gallery)
    with pytest.raises(ValueError, match="6"):
        Expansion(k=6)(query, gallery)


@pytest.mark.parametrize("of", ["both", "queries"])
def test_a_limit_that_cannot_be_met_is_refused_and_the_least_named_will_do(of):
    query, gallery = case(queries=2000, gallery=500, dim=600)
    with pytest.raises(ValueError, match=r"memory_limit_gb=0.005: .* needs 0.1 GB above the embeddings at least"):
        Expansion(of=of)(query, gallery, memory_limit_gb=0.005)
    limited, free = Expansion(of=of)(query, gallery, memory_limit_gb=0.1), Expansion(of=of)(query, gallery)
    torch.testing.assert_close(limited[0], free[0])


@pytest.mark.parametrize("rerank", [GraphRerank(k1=12, k2=4), KReciprocal(k1=8, k2=3)], ids=lambda rerank: rerank.stamp)
def test_what_is_expanded_can_be_re_ranked(rerank):
    query, gallery = case()
    expected = rerank.blocks(*expand_in_loops(query, gallery, k=5, alpha=3.0, times=1, of="both")).block(0)
    torch.testing.assert_close(rerank.blocks(*Expansion()(query, gallery)).block(0), expected, rtol=1e-4, atol=1e-4)


def test_an_evaluation_expands_then_re_ranks_by_any_search(oracle):
    query, gallery, lists = oracle.random_case(junk=0.0)
    query, gallery = query.float(), gallery.float()
    rerank, search = GraphRerank(k1=8, k2=3), ExactSearch()
    protocol = Protocol(distance="cosine", expansion=Expansion(), rerank=rerank, search=search)
    result = evaluate(Ranker(query, gallery, lists, protocol))
    expected = rerank.blocks(*Expansion()(query, gallery)).block(0)
    torch.testing.assert_close(Ranker(query, gallery, lists, protocol).block(0), expected, rtol=1e-4, atol=1e-5)
    assert result.stamp["reranking"] == rerank.stamp
    assert result.stamp["expansion"] == Expansion().stamp
    assert result.stamp["neighbours"] == search.stamp
