import pytest
import torch

from reid_lit.evaluation.distance import pairwise_distance
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures import details
from reid_lit.evaluation.measures.open_set import draw_persons
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate


def found_in(case, **words):
    result = evaluate(Ranker(*case, Protocol(**words)))
    return result.scores, result.details["open_set"]


def loop(distance, lists, removed, rates, oracle, rule):
    """Counts, rank-1, and DIR at each FAR with its threshold, by walking through all thresholds."""
    genuine, impostors = [], []
    for row, person in enumerate(lists.query_person.tolist()):
        left = [i for i in oracle.kept(lists, row, rule) if lists.gallery_person[i].item() not in removed]
        nearest = min(left, key=lambda i: (distance[row, i].item(), i))
        enrolled = person in (set(lists.gallery_person.tolist()) - removed)
        if not enrolled:
            impostors.append(distance[row, nearest].item())
        elif any(lists.gallery_person[i] == person for i in left):
            genuine.append((distance[row, nearest].item(), bool(lists.gallery_person[nearest] == person)))
    points = []
    for rate in rates:
        best = (0.0, None)
        for threshold in sorted([*impostors, *(value for value, right in genuine if right)]):
            if sum(value <= threshold for value in impostors) / len(impostors) <= rate:
                dir_ = sum(right and value <= threshold for value, right in genuine) / len(genuine)
                best = (dir_, threshold)
        points.append(best)
    return len(genuine), len(impostors), sum(right for _, right in genuine) / len(genuine), points


@pytest.mark.parametrize("own_gallery", [False, True])  # as re-ranking needs it
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
def test_equals_the_loop(rule, share, ties, own_gallery, oracle, monkeypatch):
    query, gallery, lists = oracle.random_case(queries=40, gallery=60, persons=12, ties=ties)
    lists.query_person[:5] = 99  # shown in no gallery image
    distance = pairwise_distance(query, gallery)
    removed = set(draw_persons(lists, share).tolist())
    present = set(lists.query_person.tolist()) & set(lists.gallery_person.tolist())
    assert removed <= present
    assert len(removed) == round(share * len(present))
    rates = (0.6, 0.3, 0.2)
    monkeypatch.setattr(details, "BY_NEIGHBOURS", ("distance",) if own_gallery else ())
    scores, found = found_in((query, gallery, lists), camera_rule=rule, open_set=rates, open_set_share=share)
    genuine, impostors, rank1, points = loop(distance, lists, removed, rates, oracle, rule)
    counts = (found["persons_removed"], found["genuine_queries"], found["impostor_queries"])
    assert counts == (len(removed), genuine, impostors)
    assert found["rank1"] == pytest.approx(rank1)
    for rate, point, (wanted, threshold) in zip(rates, found["points"], points, strict=True):
        assert scores[f"dir@far={rate:g}"] == point["dir"] == pytest.approx(wanted)
        assert point["threshold"] == (threshold and pytest.approx(threshold, abs=1e-12))
        assert point["measured"] <= rate


def test_random_embeddings_detect_by_chance():
    generator = torch.Generator().manual_seed(0)
    person = torch.arange(4000) % 40
    lists = Lists(person, torch.zeros(4000).long(), torch.arange(200) % 40, torch.ones(200).long())
    embeddings = (torch.randn(size, 16, generator=generator) for size in (4000, 200))
    scores, found = found_in((*embeddings, lists), open_set=[0.5, 0.1])
    assert found["rank1"] == pytest.approx(1 / 20, abs=0.02)  # half of 40 persons are left
    for rate in (0.5, 0.1):
        assert scores[f"dir@far={rate:g}"] == pytest.approx(rate / 20, abs=0.01)


def test_apart_persons_are_all_found_at_any_rate():
    person = torch.arange(30).repeat_interleave(4)
    lists = Lists(person, torch.zeros(120).long(), person, torch.ones(120).long())
    embedding = torch.nn.functional.one_hot(person).float()
    scores, found = found_in((embedding, embedding, lists), open_set=[0.1])
    assert scores["dir@far=0.1"] == 1
    assert found["points"][0]["threshold"] == 0
    assert (found["genuine_queries"], found["impostor_queries"]) == (60, 60)


def test_without_strangers_the_record_says_why_there_is_no_rate(oracle):
    query, gallery, lists = oracle.random_case()
    scores, found = found_in((query, gallery, lists), open_set=[0.1], open_set_share=0.0)
    assert found["impostor_queries"] == 0
    assert found["points"][0]["reason"] == "0 impostors cannot show a rate of 0.1"
    assert not any(name.startswith("dir") for name in scores)


def test_persons_under_the_querys_own_camera_alone_are_neither():
    lists = Lists(torch.tensor([1, 2, 3]), torch.zeros(3).long(), torch.tensor([1, 2, 4]), torch.tensor([1, 0, 1]))
    _, found = found_in((torch.zeros(3, 1), torch.ones(3, 1), lists), open_set=[0.1], open_set_share=0.0)
    assert (found["genuine_queries"], found["impostor_queries"]) == (1, 1)
    assert found["rank1"] == 1


def test_one_person_stays_in_the_gallery():
    person, camera = torch.tensor([3, 4, 5]), torch.zeros(3).long()
    lists = Lists(person, camera, torch.tensor([3, 4, 5, 6, -1]), torch.ones(5).long())
    assert len(draw_persons(lists, 0.99)) == 2
    assert len(draw_persons(Lists(person[:1], camera[:1], person, camera + 1), 0.99)) == 0


def test_re_ranking_sees_no_image_of_those_taken_out(oracle, monkeypatch):
    lists = oracle.random_case()[2]
    removed = torch.tensor([2, 4])
    protocol = Protocol(open_set=[0.1], roc=[0.1])
    ((asked, every),) = details.galleries(lists, protocol, removed)
    assert asked == protocol
    assert every.all()
    monkeypatch.setattr(details, "BY_NEIGHBOURS", ("distance",))
    (first, every), (second, left) = details.galleries(lists, protocol, removed)
    assert (first, second) == (Protocol(roc=[0.1]), Protocol(open_set=[0.1]))
    assert every.all()
    assert torch.equal(left, (lists.gallery_person != 2) & (lists.gallery_person != 4))
