import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import score_queries
from reid_lit.evaluation.scores import check_matches, evaluate

seeds = st.integers(0, 2**31)
protocols = st.sampled_from(
    [
        Protocol(ap=ap, camera_rule=rule, distance=distance)
        for ap in ("step", "trapezoid", "sklearn")
        for rule in ("cross_camera", "any_camera")
        for distance in ("euclidean", "cosine")
    ]
)
quick = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
def test_scores_are_the_means_of_the_loop(rule, oracle):
    query, gallery, lists = oracle.random_case(queries=40, persons=9)
    distance = torch.cdist(query, gallery)
    plain = [row for row in oracle.score(distance, lists, "step", rule) if row[0]]
    nd = [row for row in oracle.score(distance, lists, "step", rule, nd=True) if row[0]]
    expected = {f"rank{k}": sum(row[0] <= k for row in plain) / len(plain) for k in (1, 5, 10, 20)}
    expected |= {"mAP": sum(row[2] for row in plain) / len(plain), "mINP": sum(row[3] for row in plain) / len(plain)}
    expected |= {"rank1_nd": sum(row[0] == 1 for row in nd) / len(nd), "mAP_nd": sum(row[2] for row in nd) / len(nd)}
    assert evaluate(Ranker(query, gallery, lists, Protocol(camera_rule=rule))).scores == pytest.approx(
        expected, abs=1e-9
    )


@given(seed=seeds, protocol=protocols)
@quick
def test_cmc_rises_and_nd_is_no_worse(oracle, seed, protocol):
    query, gallery, lists = oracle.random_case(seed=seed)
    scores = evaluate(Ranker(query, gallery, lists, protocol)).scores
    assert 0 <= scores["rank1"] <= scores["rank5"] <= scores["rank10"] <= scores["rank20"] <= 1
    if protocol.camera_rule == "any_camera":
        return  # matches of the query's camera are removed too, so nothing is promised
    assert scores["rank1_nd"] >= scores["rank1"]
    plain, nd = (score_queries(Ranker(query, gallery, lists, protocol), nd=nd) for nd in (False, True))
    assert (nd.first_match <= plain.first_match).all()
    assert (nd.average_precision >= plain.average_precision - 1e-12)[plain.valid].all()


@given(seed=seeds, protocol=protocols)
@quick
def test_junk_changes_nothing(oracle, seed, protocol):
    query, gallery, lists = oracle.random_case(seed=seed, junk=0)
    more = replace(
        lists,
        gallery_person=torch.cat([lists.gallery_person, torch.full((5,), -1)]),
        gallery_camera=torch.cat([lists.gallery_camera, torch.arange(5)]),
    )
    assert evaluate(Ranker(query, torch.cat([gallery, query[:5]]), more, protocol)).scores == pytest.approx(
        evaluate(Ranker(query, gallery, lists, protocol)).scores, abs=1e-12
    )


@given(seed=seeds, protocol=protocols)
@quick
def test_a_distractor_never_helps(oracle, seed, protocol):
    query, gallery, lists = oracle.random_case(seed=seed, queries=10)
    more = replace(
        lists,
        gallery_person=torch.cat([torch.tensor([999]), lists.gallery_person]),
        gallery_camera=torch.cat([torch.tensor([1]), lists.gallery_camera]),
    )
    before, after = (
        evaluate(Ranker(query, gallery, lists, protocol)),
        evaluate(Ranker(query, torch.cat([query[:1], gallery]), more, protocol)),
    )
    assert after.scores["mAP"] <= before.scores["mAP"] + 1e-12
    assert after.scores["rank1"] <= before.scores["rank1"]
    assert after.stamp["distractors"] == before.stamp["distractors"] + 1


@given(seed=seeds, protocol=protocols)
@quick
def test_the_order_of_the_gallery_does_not_matter_without_ties(oracle, seed, protocol):
    query, gallery, lists = oracle.random_case(seed=seed)
    order = torch.randperm(len(gallery), generator=torch.Generator().manual_seed(seed))
    mixed = replace(lists, gallery_person=lists.gallery_person[order], gallery_camera=lists.gallery_camera[order])
    assert evaluate(Ranker(query, gallery[order], mixed, protocol)).scores == pytest.approx(
        evaluate(Ranker(query, gallery, lists, protocol)).scores, abs=1e-12
    )


def line(**changes):
    """Three queries and four gallery images of known places: person 7 is found, person 8 only under its own camera."""
    lists = Lists(
        torch.tensor([7, 8, 9]), torch.tensor([0, 0, 0]), torch.tensor([7, 8, -1, 5]), torch.tensor([1, 0, 1, 1])
    )
    return torch.zeros(3, 1), torch.arange(1.0, 5.0)[:, None], replace(lists, **changes)


def test_the_stamp_counts_what_happened():
    result = evaluate(Ranker(*line(), Protocol(ap="trapezoid")))
    assert json.loads(json.dumps(result.stamp)) == {
        "ap": "trapezoid",
        "gallery": "all images",
        "camera_rule": "cross_camera",
        "distance": "euclidean",
        "feature": "embedding",
        "test_time_augmentation": "none",
        "reranking": "none",
        "images": {"query": 3, "gallery": 4},
        "junk": 1,
        "distractors": 1,
        "queries": 3,
        "valid_queries": 1,
        "valid_queries_nd": 1,
        "without_match": {"absent": 1, "same_camera": 1},
    }
    assert result.scores["rank1"] == 1.0
    assert result.scores["rank20"] == 1.0  # a gallery of four
    assert "mAP" in repr(result)


def test_auto_takes_any_camera_only_for_a_single_camera():
    one = evaluate(
        Ranker(*line(gallery_camera=torch.tensor([0, 0, 3, 0])), Protocol(camera_rule="auto"))
    )  # junk's camera is no matter
    assert (one.stamp["camera_rule"], one.stamp["camera_rule_note"]) == ("any_camera", "auto: a single camera")
    assert "rank1_nd" not in one.scores
    two = evaluate(Ranker(*line(), Protocol(camera_rule="auto")))
    assert (two.stamp["camera_rule"], two.stamp["camera_rule_note"]) == ("cross_camera", "auto: more than one camera")


def test_no_match_at_all_says_why_and_what_to_set():
    with pytest.raises(ValueError, match="no query has a match") as error:
        evaluate(Ranker(*line(gallery_camera=torch.tensor([0, 0, 1, 1])), Protocol()))
    message = str(error.value)
    assert "camera_rule=cross_camera" in message
    assert (
        "of 3 queries, 1 shows a person who is not in the gallery and 2 one who is there only under the same camera"
        in message
    )
    assert "query 0 (person 7, c1)" in message
    assert "set camera_rule=any_camera" in message


@given(seed=seeds, protocol=protocols)
@quick
def test_labels_alone_tell_whether_a_query_has_a_match(oracle, seed, protocol):
    query, gallery, lists = oracle.random_case(queries=2, gallery=4, persons=4, cameras=2, seed=seed)

    def message(ask):
        try:
            ask()
        except ValueError as error:
            return str(error)

    assert message(lambda: check_matches(lists, protocol)) == message(
        lambda: evaluate(Ranker(query, gallery, lists, protocol))
    )


def test_strangers_are_no_matter_of_cameras():
    with pytest.raises(ValueError, match=r"share no person: check .*dataset\.root") as error:
        evaluate(Ranker(*line(gallery_person=torch.tensor([1, 2, 3, 4])), Protocol()))
    assert "any_camera" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"ap": "trapezoidal"}, "^ap='trapezoidal' is unknown; choose one of .*did you mean trapezoid"),
        ({"camera_rule": "cross"}, "did you mean cross_camera"),
        ({"distance": "xyz"}, "choose one of euclidean, cosine$"),
        ({"ranks": (0, 1)}, "counted from 1"),
        ({"ranks": ()}, "one rank or more"),
    ],
)
def test_a_wrong_word_is_answered_with_the_choices(words, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**words)


def test_ranks_may_be_a_list():
    assert set(evaluate(Ranker(*line(), Protocol(ranks=[1, 3]))).scores) == {
        "rank1",
        "rank3",
        "mAP",
        "mINP",
        "rank1_nd",
        "mAP_nd",
    }
