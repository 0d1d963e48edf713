"""The clothes rules against double loops, as the evaluators of LTCC and PRCC define the removals."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.lists import Lists, clothes_of
from reid_lit.evaluation.measures.single_shot import single_shot_ranks
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.on_disk import Distractors, StoredEmbeddings
from reid_lit.evaluation.protocol import CHOICES, Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import ABSENT, CLOTHES, FOUND, SAME_CAMERA, score_queries
from reid_lit.evaluation.scores import causes, check_matches, evaluate
from reid_lit.evaluation.top import top
from reid_lit.records import Shot

RULES = CHOICES["clothes_rule"]
RERANK = KReciprocal(k1=6, k2=3, lambda_value=0.3, variant="reference")


def removed(lists, query, entry, camera_rule, clothes_rule):
    """Whether a gallery entry is taken out of the ranking of a query: the definitions, word by word."""
    if lists.gallery_person[entry] == -1:
        return True
    if lists.gallery_person[entry] != lists.query_person[query]:
        return False
    same_camera = bool(lists.gallery_camera[entry] == lists.query_camera[query])
    same_clothes = bool(lists.gallery_clothes[entry] == lists.query_clothes[query])
    if camera_rule == "cross_camera" and same_camera:
        return True
    return {"general": False, "changed_clothes": same_clothes, "same_clothes": not same_clothes}[clothes_rule]


def by_loops(distance, lists, camera_rule, clothes_rule, nd=False):
    """For each query: first match, AP, cause."""
    rows = []
    for query in range(len(distance)):
        order = sorted(range(distance.shape[1]), key=lambda entry, query=query: (distance[query, entry].item(), entry))
        if nd:
            order = [entry for entry in order if lists.gallery_camera[entry] != lists.query_camera[query]]
        left = [entry for entry in order if not removed(lists, query, entry, camera_rule, clothes_rule)]
        ranks = [rank for rank, e in enumerate(left, 1) if lists.gallery_person[e] == lists.query_person[query]]
        rows.append((ranks[0], sum(n / rank for n, rank in enumerate(ranks, 1)) / len(ranks)) if ranks else (0, None))
    return rows


def dressed(oracle, seed=0, **case):
    query, gallery, lists = oracle.random_case(seed=seed, **case)
    generator = torch.Generator().manual_seed(seed + 1)
    worn = [torch.randint(0, 3, (len(side),), generator=generator) for side in (query, gallery)]
    return query, gallery, dataclasses.replace(lists, query_clothes=worn[0], gallery_clothes=worn[1])


def agree(queries, expected):
    assert queries.first_match.tolist() == [first for first, _ in expected]
    for measured, (_, precision) in zip(queries.average_precision.tolist(), expected, strict=True):
        assert math.isnan(measured) if precision is None else measured == pytest.approx(precision, abs=1e-12)


@pytest.mark.parametrize("rerank", [None, RERANK], ids=["plain", "re-ranked"])
@pytest.mark.parametrize("clothes_rule", RULES)
@pytest.mark.parametrize("camera_rule", ["cross_camera", "any_camera"])
def test_the_removals_are_those_of_a_double_loop(oracle, camera_rule, clothes_rule, rerank):
    query, gallery, lists = dressed(oracle, ties=rerank is None)
    ranker = Ranker(query, gallery, lists, Protocol(camera_rule=camera_rule, clothes_rule=clothes_rule, rerank=rerank))
    distance = torch.full((len(query), len(gallery)), torch.inf, dtype=torch.float64)
    distance[:, ranker.columns.index] = ranker.block(0).double()
    for nd in (False, True):
        expected = by_loops(distance, lists, camera_rule, clothes_rule, nd)
        agree(score_queries(ranker, chunk=7, nd=nd), expected)
    first = by_loops(distance, lists, camera_rule, clothes_rule)
    result = evaluate(ranker)
    without = [match for match, _ in first if not match]
    assert result.stamp["valid_queries"] == len(first) - len(without)
    assert sum(result.stamp["without_match"].values()) == len(without)
    assert result.stamp["clothes_rule"] == clothes_rule
    assert result.scores["rank1"] == pytest.approx(
        sum(match == 1 for match, _ in first) / (len(first) - len(without)), abs=1e-12
    )


def test_each_cause_is_told_and_counted():
    lists = Lists(
        torch.tensor([0, 1, 2, 3, 4]), torch.zeros(5).long(), torch.tensor([0, 1, 2, 4, 4]),
        torch.tensor([1, 0, 1, 0, 1]), torch.tensor([0, 0, 0, 0, 0]), torch.tensor([1, 1, 0, 1, 0]),
    )  # fmt: skip
    expected = [FOUND, SAME_CAMERA, CLOTHES, ABSENT, CLOTHES]  # the last wears other clothes under its own camera alone
    protocol = Protocol(clothes_rule="changed_clothes")
    assert causes(lists, protocol).tolist() == expected
    ranker = Ranker(torch.randn(5, 3), torch.randn(5, 3), lists, protocol)
    assert score_queries(ranker).cause.tolist() == expected
    result = evaluate(ranker)
    assert result.stamp["without_match"] == {"absent": 1, "same_camera": 1, "clothes": 2}
    same = dataclasses.replace(protocol, clothes_rule="same_clothes")
    assert causes(lists, same).tolist() == [CLOTHES, SAME_CAMERA, FOUND, ABSENT, FOUND]


@pytest.mark.parametrize("clothes_rule", RULES)
def test_all_measures_leave_out_the_same_images(oracle, clothes_rule):
    query, gallery, lists = dressed(oracle, queries=40)
    protocol = Protocol(
        clothes_rule=clothes_rule, roc=[0.5], open_set=[0.5], open_set_share=0.0, identification=[0.5],
        identification_galleries=1, identification_enrolled=1.0, camera_pairs=True,
    )  # fmt: skip
    ranker = Ranker(query, gallery, lists, protocol)
    kept = [
        [entry for entry in range(len(gallery)) if not removed(lists, row, entry, "cross_camera", clothes_rule)]
        for row in range(len(query))
    ]
    matches = [
        [e for e in entries if lists.gallery_person[e] == lists.query_person[r]] for r, entries in enumerate(kept)
    ]
    result = evaluate(ranker)
    assert result.details["roc"]["genuine_pairs"] == sum(map(len, matches))
    assert result.details["open_set"]["genuine_queries"] == sum(map(bool, matches))
    assert result.details["identification"]["mated_searches"] == sum(map(bool, matches))
    nearest = top(ranker, k=len(gallery))
    for row, entries in enumerate(kept):
        assert sorted(nearest.gallery[row][nearest.gallery[row] >= 0].tolist()) == entries
        assert sorted(nearest.gallery[row][nearest.match[row]].tolist()) == matches[row]
    found = single_shot_ranks(Ranker(query, gallery, lists, dataclasses.replace(protocol, single_gallery_shot=3)))
    assert (found > 0).all(0).tolist() == [bool(each) for each in matches]
    pairs = sum(record["queries"] for record in result.details["camera_pairs"])
    assert pairs == sum(len({lists.gallery_camera[e].item() for e in each}) for each in matches)


def test_distractors_on_disk_follow_the_clothes(oracle, tmp_path):
    query, gallery, lists = dressed(oracle)
    query, gallery, more = query.float(), gallery.float(), torch.randn(30, query.shape[1])
    nobody = torch.full((30,), -1)
    whole = dataclasses.replace(
        lists,
        gallery_person=torch.cat([lists.gallery_person, 1000 + torch.arange(30)]),
        gallery_camera=torch.cat([lists.gallery_camera, nobody]),
        gallery_clothes=torch.cat([lists.gallery_clothes, nobody]),
    )
    np.save(tmp_path / "more.npy", more.numpy())
    distractors = Distractors((StoredEmbeddings.of_npy(tmp_path / "more.npy"),), nobody)
    protocol = Protocol(clothes_rule="changed_clothes")
    held = evaluate(Ranker(query, torch.cat([gallery, more]), whole, protocol))
    streamed = evaluate(Ranker(query, gallery, lists, protocol), distractors=distractors)
    assert streamed.scores == pytest.approx(held.scores, abs=1e-12)


def test_batches_in_any_order_keep_their_clothes(oracle):
    query, gallery, lists = dressed(oracle)
    protocol = Protocol(clothes_rule="same_clothes")
    images = torch.cat([query, gallery]).float()
    person, camera = (
        torch.cat([getattr(lists, f"{role}_{name}") for role in ("query", "gallery")]) for name in ("person", "camera")
    )
    scores = RetrievalScores(queries=len(query), images=len(images), protocol=protocol, lists=lists)
    for part in torch.randperm(len(images)).split(17):
        scores.update(images[part], person[part], camera[part], part)
    expected = evaluate(Ranker(query.float(), gallery.float(), lists, protocol))
    assert scores.compute().scores == expected.scores


def test_clothes_that_are_compared_must_be_known(oracle):
    query, gallery, lists = oracle.random_case()
    with pytest.raises(ValueError, match="no image of this test has known clothes; name them in the column clothes"):
        Ranker(query, gallery, lists, Protocol(clothes_rule="changed_clothes"))
    query, gallery, lists = dressed(oracle)
    lists.query_clothes[3] = -1
    with pytest.raises(ValueError, match=r"1 query image has no known clothes, the first at \[3\]"):
        check_matches(lists, Protocol(clothes_rule="same_clothes"))
    check_matches(lists, Protocol())
    assert clothes_of([Shot("a", 1, 0)]) is None
    assert clothes_of([Shot("a", 1, 0), Shot("b", 1, 0, clothes_id=4)]).tolist() == [-1, 4]


def test_an_evaluation_that_clothes_leave_empty_says_so():
    lists = Lists(*(torch.tensor([value]) for value in (0, 0, 0, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"no query has a match; of 1 query, .* 1 one who is there only in clothes"):
        check_matches(lists, Protocol(clothes_rule="changed_clothes"))
