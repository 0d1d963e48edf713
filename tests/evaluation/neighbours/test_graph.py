import numpy as np
import pytest
import torch

from reid_lit.evaluation.distance import BLOCK, pairwise_distance
from reid_lit.evaluation.neighbours import graph
from reid_lit.evaluation.neighbours.graph import GraphRerank


def graph_in_loops(query, gallery, *, k1, k2, lambda_value):
    """The score as the source writes it, whole matrices and loops, in float64."""
    embedding = np.concatenate([query.numpy(), gallery.numpy()]).astype(np.float64)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    cosine = embedding @ embedding.T
    images, queries = len(embedding), len(query)
    nearest = [sorted(range(images), key=lambda j: (-cosine[i, j], j))[:k1] for i in range(images)]
    adjacency = np.zeros((images, images))
    for i in range(images):
        adjacency[i, nearest[i]] = 1
    for _ in range(2 if k2 != 1 else 0):
        adjacency = adjacency + adjacency.T
        adjacency = np.stack([sum(cosine[i, j] ** 2 * adjacency[j] for j in nearest[i][:k2]) for i in range(images)])
        adjacency /= np.linalg.norm(adjacency, axis=1, keepdims=True)
    common = adjacency[:queries] @ adjacency[queries:].T
    return (1 - lambda_value) * common + lambda_value * cosine[:queries, queries:]


def case(queries=30, gallery=90, dim=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(10, dim, generator=generator)[torch.randint(10, (queries + gallery,), generator=generator)]
    return (centre + torch.randn(queries + gallery, dim, generator=generator)).split([queries, gallery])


def whole(rerank, query, gallery, **settings):
    blocks = rerank.blocks(query, gallery, **settings)
    return torch.cat([blocks.block(start).clone() for start in range(0, len(query), BLOCK)])


@pytest.mark.parametrize("lambda_value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("k1", "k2"), [(26, 7), (10, 1), (5, 5), (40, 2), (1, 1)])
def test_equals_the_loops_but_for_a_constant(k1, k2, lambda_value, monkeypatch):
    monkeypatch.setattr(graph, "ROWS", 50)
    query, gallery = case()
    settings = {"k1": k1, "k2": k2, "lambda_value": lambda_value}
    distance = whole(GraphRerank(**settings), query, gallery)
    score = torch.from_numpy(graph_in_loops(query, gallery, **settings)).float()
    top = (1 - lambda_value) * (1 if k2 > 1 else k1) + lambda_value
    torch.testing.assert_close(distance, top - score, rtol=1e-5, atol=2e-6)
    assert (distance >= 0).all()


def test_more_queries_than_a_block():
    query, gallery = case(queries=BLOCK + 20)
    score = graph_in_loops(query, gallery, k1=12, k2=4, lambda_value=0.3)
    distance = whole(GraphRerank(k1=12, k2=4), query, gallery)
    torch.testing.assert_close(distance, 1 - torch.from_numpy(score).float(), rtol=1e-5, atol=2e-6)


def test_lambda_one_gives_the_input_ranking():
    query, gallery = case()
    distance = whole(GraphRerank(lambda_value=1.0), query, gallery)
    assert torch.equal(distance, pairwise_distance(query, gallery, "cosine"))


def test_permuting_the_gallery_permutes_the_output():
    query, gallery = case()
    order = torch.randperm(len(gallery), generator=torch.Generator().manual_seed(1))
    distance = whole(GraphRerank(), query, gallery)
    torch.testing.assert_close(whole(GraphRerank(), query, gallery[order]), distance[:, order])


def test_duplicates_are_one_place_in_the_ranking():
    query, gallery = case()
    gallery = torch.cat([gallery, gallery[:5], query[:1]])
    distance = whole(GraphRerank(k1=12, k2=4), query, gallery)
    assert distance.isfinite().all()
    assert distance[0].argmin() == len(gallery) - 1


def test_embeddings_of_length_zero_stay_finite():
    query, gallery = case()
    query[0], gallery[3] = 0, 0
    assert whole(GraphRerank(), query, gallery).isfinite().all()


def test_the_search_can_be_another():
    query, gallery = case()
    asked = []

    def find(embedding, *, k, memory_limit_gb, held):
        asked.append((len(embedding), k, memory_limit_gb))
        return graph.neighbours(embedding, k=k)

    distance = whole(GraphRerank(), query, gallery, neighbours=find, memory_limit_gb=2.0)
    assert asked == [(120, 26, 2.0)]
    assert torch.equal(distance, whole(GraphRerank(), query, gallery))


def test_a_block_may_be_written_to():
    query, gallery = case()
    blocks = GraphRerank().blocks(query, gallery)
    first = blocks.block(0).clone()
    blocks.block(0).fill_(torch.inf)
    assert torch.equal(blocks.block(0), first)


def test_the_stamp_names_the_settings():
    assert GraphRerank(lambda_value=0.25).stamp == "graph (k1=26, k2=7, λ=0.25)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k2": 0}, "^k2=0: give 1 to k1=26 neighbours"),
        ({"k1": 5}, "^k2=7: give 1 to k1=5 neighbours"),
        ({"lambda_value": 1.5}, "^lambda_value=1.5: give a weight from 0 to 1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        GraphRerank(**settings)


def test_more_neighbours_than_images():
    query, gallery = case(queries=3, gallery=10)
    with pytest.raises(ValueError, match="26"):
        GraphRerank().blocks(query, gallery)


def test_a_limit_that_cannot_be_met_is_refused_before_any_search():
    query, gallery = case(queries=300, gallery=2000)

    def find(*args, **settings):
        pytest.fail("the search was started")

    with pytest.raises(ValueError, match=r"memory_limit_gb=0.01: re-ranking of 2300 images by a graph needs 0.1 GB"):
        GraphRerank().blocks(query, gallery, neighbours=find, memory_limit_gb=0.01)
    GraphRerank().blocks(query, gallery, memory_limit_gb=0.1)
