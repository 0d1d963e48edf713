import math
from dataclasses import fields, replace

import pytest
import torch

from reid_lit.evaluation import counting
from reid_lit.evaluation.distance import pairwise_distance
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import ABSENT, FOUND, SAME_CAMERA, score_queries

AP = ("step", "trapezoid", "sklearn")


def assert_equals_oracle(queries, expected):
    assert queries.first_match.tolist() == [row[0] for row in expected]
    assert queries.first_match_index.tolist() == [row[1] for row in expected]
    assert queries.matches.tolist() == [row[4] for row in expected]
    for name, place in (("average_precision", 2), ("inverse_negative_penalty", 3)):
        reference = torch.tensor([row[place] for row in expected], dtype=torch.float64)
        torch.testing.assert_close(getattr(queries, name), reference, rtol=0, atol=1e-9, equal_nan=True)


def assert_same(one, other):
    for item in fields(one):
        assert torch.equal(getattr(one, item.name).nan_to_num(-1), getattr(other, item.name).nan_to_num(-1)), item.name


PACKED, WHOLE = 0, 10**9


@pytest.mark.parametrize("sparse", [PACKED, WHOLE])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("nd", [False, True])
@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
@pytest.mark.parametrize("ap", AP)
def test_equals_a_double_loop(ap, rule, nd, ties, sparse, monkeypatch, oracle):
    monkeypatch.setattr(counting, "SPARSE", sparse)
    for seed, kind in enumerate(("euclidean", "cosine", "euclidean")):
        query, gallery, lists = oracle.random_case(seed=seed, ties=ties)
        queries = score_queries(Ranker(query, gallery, lists, Protocol(ap=ap, camera_rule=rule, distance=kind)), nd=nd)
        assert_equals_oracle(queries, oracle.score(pairwise_distance(query, gallery, kind), lists, ap, rule, nd))


@pytest.mark.parametrize("transposed", [False, True])  # as re-ranking gives its distances
@pytest.mark.parametrize("columns", [50, 64])  # no multiple of eight, and one
@pytest.mark.parametrize("sparse", [PACKED, WHOLE])
def test_numpy_counts_as_torch_does(sparse, columns, transposed, monkeypatch):
    monkeypatch.setattr(counting, "SPARSE", sparse)
    values, near = torch.randint(0, 9, (7, columns)).float(), torch.randint(0, 9, (7, 5)).float().sort(dim=1).values
    thresholds = counting.Thresholds(near, torch.randint(0, columns, (7, 5)), torch.ones(7, 5, dtype=torch.bool))
    camera, column_camera = torch.randint(0, 3, (7,)), torch.randint(0, 3, (columns,))
    laid_out = values.T.contiguous().T if transposed else values
    everywhere, own = counting.count_before(laid_out, thresholds, camera, column_camera)
    masked = values.masked_fill(camera[:, None] != column_camera, torch.inf)
    for counts, seen in ((everywhere, values), (own, masked)):
        reference = counting._count_in_torch(seen, thresholds)
        assert torch.equal(counts.before, reference.before)
        assert torch.equal(counts.upto, reference.upto)


def golden(hits):
    """One query and a gallery on a line, one step farther each; a match is person 0."""
    lists = Lists(
        torch.tensor([0]), torch.tensor([0]), torch.tensor([1 - hit for hit in hits]), torch.ones(len(hits)).long()
    )
    return torch.zeros(1, 1), torch.arange(1.0, len(hits) + 1)[:, None], lists


@pytest.mark.parametrize(("ap", "expected"), [("step", 0.45), ("sklearn", 0.45), ("trapezoid", 0.2875)])
def test_hits_at_ranks_2_and_5(ap, expected):
    queries = score_queries(Ranker(*golden([0, 1, 0, 0, 1]), Protocol(ap=ap)))
    assert queries.average_precision.item() == pytest.approx(expected, abs=1e-12)
    assert queries.first_match.item() == 2
    assert queries.inverse_negative_penalty.item() == pytest.approx(2 / 5)


@pytest.mark.parametrize("ap", AP)
def test_all_hits_first_is_one(ap):
    assert score_queries(Ranker(*golden([1, 1, 1, 0, 0]), Protocol(ap=ap))).average_precision.item() == 1.0


def test_a_tie_goes_to_the_earlier_gallery_entry():
    query, gallery, lists = golden([0, 1])
    same = torch.zeros_like(gallery)
    assert score_queries(Ranker(query, same, lists, Protocol())).first_match.item() == 2
    assert (
        score_queries(
            Ranker(query, same, replace(lists, gallery_person=torch.tensor([0, 1])), Protocol())
        ).first_match.item()
        == 1
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_scores_do_not_depend_on_the_chunk(dtype, oracle):
    query, gallery, lists = oracle.random_case(queries=600, gallery=701, dim=33, persons=40, cameras=4)
    gallery[350:700] = gallery[:350]  # exact ties between persons
    query[:100] = gallery[50:150]
    query, gallery = query.to(dtype), gallery.to(dtype)
    reference = score_queries(Ranker(query, gallery, lists, Protocol()), chunk=len(query))
    for chunk in (1, 7, 64, 256):
        assert_same(score_queries(Ranker(query, gallery, lists, Protocol()), chunk=chunk), reference)


def test_copies_of_an_image_tie_whatever_their_place():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(5, 203, generator=generator)
    picked = torch.randint(0, 5, (333,), generator=generator)
    distance = pairwise_distance(torch.randn(40, 203, generator=generator), base[picked])
    for copy in range(5):
        columns = distance[:, picked == copy]
        assert torch.equal(columns, columns[:, :1].expand_as(columns))


def test_a_query_without_match_says_why():
    lists = Lists(
        torch.tensor([0, 1, 2, -1]), torch.tensor([0, 0, 0, 0]), torch.tensor([0, 1, -1, 3]), torch.tensor([1, 0, 1, 1])
    )
    query, gallery = torch.randn(4, 3), torch.randn(4, 3)
    queries = score_queries(Ranker(query, gallery, lists, Protocol()))
    assert queries.cause.tolist() == [FOUND, SAME_CAMERA, ABSENT, ABSENT]
    assert queries.valid.tolist() == [True, False, False, False]
    assert queries.first_match.tolist()[1:] == [0, 0, 0]
    assert all(map(math.isnan, queries.average_precision.tolist()[1:]))
    assert score_queries(Ranker(query, gallery, lists, Protocol(camera_rule="any_camera"))).cause.tolist()[1] == FOUND


def test_lists_must_fit_the_embeddings():
    query, gallery, lists = golden([0, 1])
    with pytest.raises(ValueError, match="3 gallery embeddings but 2 gallery persons"):
        score_queries(Ranker(query, torch.zeros(3, 1), lists, Protocol()))
    with pytest.raises(ValueError, match=r"2 gallery images \(2 of junk\)"):
        score_queries(Ranker(query, gallery, replace(lists, gallery_person=torch.tensor([-1, -1])), Protocol()))


@pytest.mark.usefixtures("unchecked_shapes")
def test_each_image_has_a_person_and_a_camera():
    _, _, lists = golden([0, 1])
    with pytest.raises(ValueError, match="1 query person but 2 query cameras"):
        replace(lists, query_camera=torch.tensor([0, 0]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_scores_like_the_cpu(oracle):
    query, gallery, lists = oracle.random_case(queries=600, gallery=701, ties=True)
    assert_same(
        score_queries(Ranker(query.cuda(), gallery.cuda(), lists, Protocol())),
        score_queries(Ranker(query, gallery, lists, Protocol())),
    )
