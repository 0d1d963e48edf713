from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from reid_lit.evaluation import streaming
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.on_disk import NOWHERE, Distractors, StoredEmbeddings
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import score_both
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.streaming import score_streamed

DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")])]  # fmt: skip


def stored(folder, *parts, camera, dtype="float32"):
    """The embeddings on disk, a file for each part."""
    for number, part in enumerate(parts):
        np.save(folder / f"{number}.npy", part.numpy().astype(dtype))
    return Distractors(tuple(StoredEmbeddings.of_npy(folder / f"{number}.npy") for number in range(len(parts))), camera)


def joined(lists, camera):
    """The lists with distractors, each a person of its own, behind the gallery."""
    return replace(
        lists,
        gallery_person=torch.cat([lists.gallery_person, 1000 + torch.arange(len(camera))]),
        gallery_camera=torch.cat([lists.gallery_camera, camera]),
    )


def case(oracle, *, ties, seed=0, dim=4):
    """Queries, gallery, lists, and distractors: strangers, copies of true matches and of queries."""
    query, gallery, lists = oracle.random_case(ties=ties, seed=seed, queries=37, dim=dim)
    query, gallery = query.float(), gallery.float()
    more = oracle.random_case(ties=ties, seed=seed + 100, gallery=150, dim=dim)[1].float()
    more = torch.cat([more, gallery[:40], query[:9]])
    camera = torch.arange(len(more)) % 4 - 1  # a quarter of them by no known camera
    return query, gallery, lists, more, camera


def assert_same(one, other):
    for item in fields(one):
        assert torch.equal(getattr(one, item.name).nan_to_num(-1), getattr(other, item.name).nan_to_num(-1)), item.name


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("rule", ["cross_camera", "any_camera"])
@pytest.mark.parametrize("ap", ["step", "trapezoid", "sklearn"])
def test_equals_the_evaluation_of_one_gallery(ap, rule, distance, ties, device, tmp_path, monkeypatch, oracle):
    monkeypatch.setattr(streaming, "COLUMNS", 32)
    protocol = Protocol(ap=ap, camera_rule=rule, distance=distance)
    query, gallery, lists, more, camera = case(oracle, ties=ties)
    distractors = stored(tmp_path, more[:70], more[70:], camera=camera)
    expected = score_both(Ranker(query, torch.cat([gallery, more]), joined(lists, camera), protocol))
    found = score_streamed(Ranker(query.to(device), gallery.to(device), lists, protocol), distractors)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def test_the_result_is_that_of_one_gallery_and_says_that_it_was_streamed(tmp_path, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=True)
    protocol = Protocol(separation=True)
    whole = evaluate(Ranker(query, torch.cat([gallery, more]), joined(lists, camera), protocol))
    result = evaluate(Ranker(query, gallery, lists, protocol), distractors=stored(tmp_path, more, camera=camera))
    assert result.scores == whole.scores
    assert result.stamp == whole.stamp | {"streamed": len(more)}


def test_a_copy_of_a_match_ranks_behind_it_whatever_the_shapes(tmp_path, oracle):
    """Their distances come from two products, which must round alike."""
    query, gallery, lists = oracle.random_case(queries=20, gallery=333, dim=203, persons=12, junk=0)
    query, gallery = query.float(), gallery.float()
    copies = stored(tmp_path, gallery, camera=torch.full((333,), NOWHERE))
    alone = score_both(Ranker(query, gallery, lists, Protocol()))[0]
    found = score_streamed(Ranker(query, gallery, lists, Protocol()), copies)[0]
    copies_before = found.first_match - alone.first_match
    assert torch.equal(found.first_match_index, alone.first_match_index)
    same = lists.query_person[:, None] == lists.gallery_person
    removed = same & (lists.query_camera[:, None] == lists.gallery_camera)
    distance = torch.cdist(query.double(), gallery.double())
    match = distance.gather(1, alone.first_match_index[:, None])
    assert torch.equal(copies_before, (distance < match).sum(1))
    assert (removed & (distance < match)).any()  # a copy of what the rule removes is a stranger


def test_no_distractor_changes_nothing(tmp_path, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=True)
    none = stored(tmp_path, more[:0], camera=camera[:0])
    for one, other in zip(
        score_streamed(Ranker(query, gallery, lists, Protocol()), none), score_both(Ranker(query, gallery, lists, Protocol())), strict=True
    ):  # fmt: skip
        assert_same(one, other)


def test_half_precision_is_read_as_it_was_written(tmp_path, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=True)  # small integers: exact in float16
    found = score_streamed(
        Ranker(query, gallery, lists, Protocol()), stored(tmp_path, more, camera=camera, dtype="float16")
    )
    assert_same(found[0], score_both(Ranker(query, torch.cat([gallery, more]), joined(lists, camera), Protocol()))[0])


def test_only_a_piece_is_read_at_a_time(tmp_path, monkeypatch, oracle):
    monkeypatch.setattr(streaming, "COLUMNS", 32)
    query, gallery, lists, more, camera = case(oracle, ties=False)
    asked = []
    read = StoredEmbeddings.read
    monkeypatch.setattr(
        StoredEmbeddings, "read", lambda self, start, stop: asked.append((start, stop)) or read(self, start, stop)
    )
    score_streamed(Ranker(query, gallery, lists, Protocol()), stored(tmp_path, more, camera=camera))
    assert asked == [(start, start + 32) for start in range(0, len(more), 32)]


def test_a_distractor_that_is_not_finite_is_named(tmp_path, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=False)
    more[120, 1] = torch.nan
    more[123, 0] = torch.inf
    with pytest.raises(ValueError, match=r"0\.npy: 2 embeddings .*not finite, the first at 120; embed"):
        score_streamed(Ranker(query, gallery, lists, Protocol()), stored(tmp_path, more, camera=camera))


def test_as_many_cameras_as_distractors(tmp_path):
    with pytest.raises(ValueError, match="5 distractors but 4 cameras"):
        stored(tmp_path, torch.zeros(5, 2), camera=torch.zeros(4, dtype=torch.int64))


def test_another_length_is_refused(tmp_path, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=False)
    with pytest.raises(ValueError, match=r"0\.npy has embeddings of 3 numbers, the queries have 4"):
        score_streamed(Ranker(query, gallery, lists, Protocol()), stored(tmp_path, more[:, :3], camera=camera))


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (
            {"rerank": KReciprocal(k1=4, k2=2, lambda_value=0.3)},
            "re-ranking compares the neighbour lists of all images",
        ),
        ({"expansion": Expansion()}, "query expansion looks for neighbours among all images"),
        ({"single_gallery_shot": 2}, "single_gallery_shot draws one image of each gallery person"),
        ({"roc": [0.1]}, "the false positive rate is that of all pairs"),
        ({"open_set": [0.1]}, "the false alarm rate is that of the whole gallery"),
        ({"camera_pairs": True}, "a pair of cameras has a gallery of its own"),
    ],
)
def test_what_needs_all_images_at_once_is_refused(asked, reason, oracle, tmp_path):
    query, gallery, lists, more, camera = case(oracle, ties=False)
    (name,) = asked
    with pytest.raises(ValueError, match=f"^{name} and distractors on disk: {reason}.*; leave out one of them"):
        score_streamed(Ranker(query, gallery, lists, Protocol(**asked)), stored(tmp_path, more, camera=camera))


def test_bootstrap_needs_the_queries_alone(tmp_path, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=True)
    protocol = Protocol(bootstrap=50)
    whole = evaluate(Ranker(query, torch.cat([gallery, more]), joined(lists, camera), protocol))
    result = evaluate(Ranker(query, gallery, lists, protocol), distractors=stored(tmp_path, more, camera=camera))
    assert result.details == whole.details
    assert result.details


def test_a_memory_limit_makes_the_pieces_smaller_and_the_scores_the_same(tmp_path, monkeypatch, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=True, dim=256)
    distractors, asked = stored(tmp_path, more, camera=camera), []
    pieces = Distractors.pieces
    monkeypatch.setattr(Distractors, "pieces", lambda self, size: asked.append(size) or pieces(self, size))
    plain = score_streamed(Ranker(query, gallery, lists, Protocol()), distractors)
    limited = score_streamed(Ranker(query, gallery, lists, Protocol(memory_limit_gb=0.02)), distractors)
    for one, other in zip(plain, limited, strict=True):
        assert_same(one, other)
    assert asked == [16384, 2048]


def test_a_limit_that_cannot_be_met_is_refused_before_anything_is_read(tmp_path, monkeypatch, oracle):
    query, gallery, lists, more, camera = case(oracle, ties=False)
    monkeypatch.setattr(StoredEmbeddings, "read", lambda *_: pytest.fail("work began"))
    with pytest.raises(ValueError, match=r"memory_limit_gb=0\.001: reading distractors needs 0\.1 GB"):
        score_streamed(
            Ranker(query, gallery, lists, Protocol(memory_limit_gb=0.001)), stored(tmp_path, more, camera=camera)
        )


def test_auto_is_the_gallerys_matter(tmp_path):
    lists = Lists(torch.tensor([0]), torch.tensor([0]), torch.tensor([0, 1]), torch.tensor([0, 0]))
    far = stored(tmp_path, torch.full((2, 1), 9.0), camera=torch.tensor([NOWHERE, 3]))
    result = evaluate(Ranker(torch.zeros(1, 1), torch.ones(2, 1), lists, Protocol(camera_rule="auto")), distractors=far)
    assert result.stamp["camera_rule"] == "any_camera"
    assert result.stamp["distractors"] == 3
