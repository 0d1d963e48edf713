import json
from dataclasses import replace

import pytest
import torch

from reid_lit.evaluation.distance import BLOCK, pairwise_distance
from reid_lit.evaluation.measures import details
from reid_lit.evaluation.measures.camera_pairs import CameraPairs
from reid_lit.evaluation.measures.details import measured, watch
from reid_lit.evaluation.measures.open_set import OpenSet, draw_persons
from reid_lit.evaluation.measures.verification import Verification
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate

ALL = Protocol(roc=[0.1, 0.01], camera_pairs=True, bootstrap=50, open_set=[0.3], identification=[0.3])
KINDS = {"roc", "camera_pairs", "open_set", "identification", "bootstrap"}


def test_everything_asked_for_is_added_to_what_was_there(oracle):
    case = oracle.random_case(queries=60)
    plain, full = evaluate(Ranker(*case, Protocol())), evaluate(Ranker(*case, ALL))
    assert plain.details == {}
    assert json.loads(json.dumps(full.details)).keys() == KINDS
    added = {"tpr@fpr=0.1", "tpr@fpr=0.01", "fnmr@fmr=0.1", "fnmr@fmr=0.01", "eer", "dir@far=0.3", "fnir@fpir=0.3"}
    assert full.scores.keys() - plain.scores.keys() == added
    assert {name: full.scores[name] for name in plain.scores} == plain.scores
    assert full.stamp.keys() - plain.stamp.keys() == {"identification"}
    assert plain.stamp.items() <= full.stamp.items()


def test_each_alone_gives_what_all_together_give(oracle):
    case = oracle.random_case(queries=600)
    full = evaluate(Ranker(*case, ALL))
    for name in KINDS:
        alone = evaluate(Ranker(*case, Protocol(**{name: getattr(ALL, name)})))
        assert alone.details == {name: full.details[name]}


def test_cosine_and_the_rule_for_a_single_camera_are_the_scores_own(oracle):
    query, gallery, lists = oracle.random_case(cameras=1)
    one = evaluate(Ranker(query, gallery, lists, Protocol(roc=[0.1], camera_rule="auto", distance="cosine")))
    unit = [torch.nn.functional.normalize(side, dim=1) for side in (query, gallery)]
    other = evaluate(Ranker(*unit, lists, Protocol(roc=[0.1], camera_rule="any_camera", distance="cosine")))
    assert one.details["roc"]["genuine_pairs"] == other.details["roc"]["genuine_pairs"] > 0
    assert one.scores["tpr@fpr=0.1"] == pytest.approx(other.scores["tpr@fpr=0.1"])


@pytest.mark.parametrize(
    "words", [{"rerank": KReciprocal(k1=6, k2=3, lambda_value=0.3)}, {"expansion": Expansion(k=3)}]
)
def test_re_ranked_distances_are_measured_and_the_open_set_is_re_ranked_on_its_own(words, oracle):
    query, gallery, lists = oracle.random_case(queries=60, persons=12)
    query, gallery = query.float(), gallery.float()
    found = evaluate(Ranker(query, gallery, lists, replace(ALL, **words))).details
    ranker = Ranker(query, gallery, lists, Protocol(roc=ALL.roc, **words))
    _, alone = measured(ranker, Protocol(roc=ALL.roc, camera_pairs=True), torch.tensor([0]))
    assert {name: found[name] for name in alone} == alone
    assert found["roc"] != evaluate(Ranker(query, gallery, lists, ALL)).details["roc"]
    left = ~torch.isin(lists.gallery_person, draw_persons(lists, 0.5))
    part = replace(lists, gallery_person=lists.gallery_person[left], gallery_camera=lists.gallery_camera[left])
    open_set = Protocol(open_set=ALL.open_set, open_set_share=0.0, **words)
    assert (
        found["open_set"]["points"]
        == evaluate(Ranker(query, gallery[left], part, open_set)).details["open_set"]["points"]
    )
    assert found["open_set"]["persons_removed"] == 6


class Twice:
    """Wants to see all distances twice."""

    def __init__(self):
        self.seen, self.looks = [], 0

    def see(self, rows, distance):
        self.seen.append((rows.start, rows.stop, distance.clone()))

    def again(self):
        self.looks += 1
        return self.looks < 2

    def result(self):
        return {}, self.seen


def test_distances_come_as_often_as_somebody_asks_and_nobody_writes_to_them(oracle, monkeypatch):
    monkeypatch.setattr(details, "VALUES", 300 * 76)
    query, gallery, lists = oracle.random_case(queries=BLOCK + 9)
    ranker = Ranker(query, gallery, lists, ALL)
    assert len(ranker.columns.index) == 76
    removed = torch.tensor([1, 2])
    watchers = [Twice(), OpenSet(ranker, removed=removed), Verification(ranker), CameraPairs(ranker), Twice()]
    watch(ranker, watchers)
    first, last = watchers[0].seen, watchers[-1].seen
    assert [part[:2] for part in first] == 2 * [(0, 300), (300, BLOCK), (BLOCK, BLOCK + 9)]
    distance = pairwise_distance(query, ranker.columns.select(gallery))
    assert all(torch.equal(distance[start:stop], part) for start, stop, part in (*first, *last))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"roc": [0.1, 0.0]}, r"^roc=\[0\.1, 0\.0\]: give rates between 0 and 1, \[\] for none"),
        ({"open_set": [1.0]}, r"^open_set=\[1\.0\]: give rates"),
        ({"bootstrap": -1}, r"^bootstrap=-1: give the number of resamples"),
        ({"open_set_share": 1.0}, r"^open_set_share=1\.0: give a share from 0 to below 1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**words)


def test_rates_come_once_each_the_highest_first():
    assert Protocol(roc=[0.001, 0.1, 0.001]).roc == (0.1, 0.001)
