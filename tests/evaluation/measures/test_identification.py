import json
import math

import numpy as np
import pytest
import torch

from reid_lit.evaluation.distance import pairwise_distance
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.identification import NEIGHBOURS
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker, check_memory
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.streaming import check_streamable


def found_in(case, **words):
    result = evaluate(Ranker(*case, Protocol(**words)))
    return result.scores, result.details["identification"]


def galleries_of(lists, galleries, share):
    """The persons taken out of each gallery."""
    persons = sorted((set(lists.query_person.tolist()) & set(lists.gallery_person.tolist())) - {-1})
    generator = torch.Generator().manual_seed(0)
    number = min(len(persons), max(1, round(share * len(persons))))
    for _ in range(galleries):
        order = torch.randperm(len(persons), generator=generator).tolist()
        yield {persons[place] for place in order[number:]}


def loop(distance, lists, removed, rates, oracle, rule):
    """FNIR, threshold and FPIR of a gallery at each rate, by walking through all thresholds; the searches of each kind."""
    mated, strangers = [], []
    for row, person in enumerate(lists.query_person.tolist()):
        entries = [i for i in oracle.kept(lists, row, rule) if lists.gallery_person[i].item() not in removed]
        enrolled = person in set(lists.gallery_person.tolist()) - removed
        own = [distance[row, i].item() for i in entries if lists.gallery_person[i] == person]
        if not enrolled:
            strangers.append(min(distance[row, i].item() for i in entries))
        elif own:
            mated.append(min(own))
    points = []
    for rate in rates:
        best = (1.0, None, 0.0)
        for threshold in sorted([*mated, *strangers]):
            fpir = sum(value <= threshold for value in strangers) / len(strangers)
            if fpir <= rate:
                best = (sum(value > threshold for value in mated) / len(mated), threshold, fpir)
        points.append(best)
    return points, len(mated), len(strangers)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
def test_equals_the_loop(rule, share, ties, oracle):
    query, gallery, lists = oracle.random_case(queries=40, gallery=60, persons=12, ties=ties)
    lists.query_person[:5] = 99  # shown in no gallery image
    lists.gallery_person[:4] = 50  # shown in no query
    shown = set(lists.gallery_person.tolist())
    distance, rates = pairwise_distance(query, gallery), (0.6, 0.3, 0.2)
    scores, found = found_in(
        (query, gallery, lists),
        camera_rule=rule, identification=rates, identification_galleries=7, identification_enrolled=share,
    )  # fmt: skip
    parts = [
        loop(distance, lists, removed, rates, oracle, rule) for removed in galleries_of(lists, galleries=7, share=share)
    ]
    assert found["mated_searches"] == pytest.approx(np.mean([mated for _, mated, _ in parts]))
    assert found["stranger_searches"] == pytest.approx(np.mean([strangers for *_, strangers in parts]))
    assert (found["galleries"], found["persons"]) == (7, len(set(lists.query_person.tolist()) & shown))
    for place, (rate, point) in enumerate(zip(rates, found["points"], strict=True)):
        fnir, threshold, fpir = zip(*(points[place] for points, *_ in parts), strict=True)
        assert scores[f"fnir@fpir={rate:g}"] == point["fnir"] == pytest.approx(np.mean(fnir))
        assert [point["low"], point["high"]] == pytest.approx(np.quantile(fnir, [0.025, 0.975]))
        known = [each for each in threshold if each is not None]
        assert point["threshold"] == (pytest.approx(np.mean(known), abs=1e-12) if known else None)
        assert point["measured"] == pytest.approx(np.mean(fpir))
        assert point["measured"] <= rate


def test_the_draw_and_chunks_do_not_depend_on_each_other(oracle, monkeypatch):
    case = oracle.random_case(queries=600, gallery=40, persons=12)
    words = {"identification": [0.1], "identification_galleries": 9}
    whole = found_in(case, **words)
    monkeypatch.setattr("reid_lit.evaluation.measures.details.VALUES", 30 * 40)
    assert found_in(case, **words) == whole
    assert found_in(case, **words, roc=[0.1], open_set=[0.1], camera_pairs=True)[1] == whole[1]


def test_errors_follow_their_law():
    """On the way from an image of everybody (at 0) to that of its person (at 1), a query is anywhere alike.

    So a search for an enrolled person finds them at a distance that is even in 0 to 1, and one for a stranger finds the
    image at 0 at such a distance, too: FNIR is 1 - FPIR.
    """
    persons, generator = 300, torch.Generator().manual_seed(0)
    place, person = torch.eye(persons + 1, persons), torch.arange(persons + 1)
    who = person[:-1].repeat(4)
    query = place[who] * torch.rand(len(who), 1, generator=generator)
    lists = Lists(who, torch.zeros_like(who), person, torch.ones_like(person))
    scores, found = found_in((query, place, lists), identification=[0.5, 0.1], identification_galleries=50)
    for point in found["points"]:
        assert point["low"] - 0.01 <= 1 - point["fpir"] <= point["high"] + 0.01
        assert scores[f"fnir@fpir={point['fpir']:g}"] == pytest.approx(1 - point["fpir"], abs=0.04)
    assert all(abs(point["fnir"] + point["fpir"] - 1) < 0.05 for point in found["det"])


def test_det_goes_down_to_what_strangers_show(oracle):
    case = oracle.random_case(queries=200, gallery=120, persons=20)
    scores, found = found_in(case, identification=[0.5, 0.1], identification_galleries=11)
    rates, errors = ([point[name] for point in found["det"]] for name in ("fpir", "fnir"))
    assert rates == sorted(rates)
    assert errors == sorted(errors, reverse=True)
    assert 1 / 200 <= rates[0] <= 1 / 50
    assert rates[-1] == 1
    assert np.interp(0.1, rates, errors) == pytest.approx(scores["fnir@fpir=0.1"], abs=0.05)
    assert all(point["low"] <= point["fnir"] <= point["high"] for point in found["det"])
    json.dumps(found)


def test_what_cannot_be_shown_is_said(oracle):
    case = oracle.random_case(queries=60, persons=12)
    scores, found = found_in(case, identification=[0.5, 1e-3])
    assert set(scores) & {"fnir@fpir=0.5", "fnir@fpir=0.001"} == {"fnir@fpir=0.5"}
    assert found["points"][1]["reason"].endswith(" searches for strangers cannot show a rate of 0.001")
    _, found = found_in(case, identification=[0.5], identification_enrolled=1.0)
    assert found["points"][0]["reason"] == "0 searches for strangers cannot show a rate of 0.5"
    assert found["det"] == []


@pytest.mark.parametrize(
    "words", [{"rerank": KReciprocal(k1=6, k2=3, lambda_value=0.3)}, {"expansion": Expansion(k=3)}]
)
def test_distances_by_neighbours_are_not_measured(words, oracle):
    query, gallery, lists = oracle.random_case(queries=60, persons=12)
    result = evaluate(Ranker(query.float(), gallery.float(), lists, Protocol(identification=[0.1], **words)))
    assert result.details["identification"] == {
        "points": [{"fpir": 0.1, "fnir": None, "threshold": None, "reason": NEIGHBOURS}]
    }
    assert "identification" not in result.stamp
    assert not any(name.startswith("fnir") for name in result.scores)


def test_the_stamp_says_how(oracle):
    stamp = evaluate(Ranker(*oracle.random_case(queries=60), Protocol(identification=[0.5]))).stamp
    assert stamp["identification"] == "100 random galleries, 50% of the queries' persons enrolled in each, seed 0"


def test_what_it_holds_counts_against_the_limit():
    limit = {"memory_limit_gb": 1.0, "identification_galleries": 1000}
    check_memory(200_000, 10_000, 512, Protocol(**limit))
    with pytest.raises(ValueError, match=r"memory_limit_gb=1: ranking needs 1\.7 GB"):
        check_memory(200_000, 10_000, 512, Protocol(identification=[0.1], **limit))


def test_distractors_on_disk_are_refused():
    with pytest.raises(ValueError, match="the false positive identification rate is that of the whole gallery"):
        check_streamable(Protocol(identification=[0.1]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"identification": [2.0]}, r"^identification=\[2\.0\]: give rates between 0 and 1"),
        ({"identification_galleries": 0}, "^identification_galleries=0: give the number of random galleries"),
        ({"identification_enrolled": 0.0}, r"^identification_enrolled=0\.0: give a share above 0, up to 1"),
        ({"identification_enrolled": math.nan}, "^identification_enrolled=nan: give a share"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**words)
