"""Tracks in place of images, and re-association by time gap, against double loops."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.evaluation.tracked import drawn_embeddings

from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.measures.reassociation import reassociation
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.track_vectors import Spans, pool, pooled
from reid_lit.evaluation.tracks import Tracks, shown_of, tracks_of
from reid_lit.records import Moment, Shot, Split


@pytest.fixture(scope="module")
def split():
    """Five persons and junk, three cameras, two tracks a camera of one to four images; some of them are in both lists."""
    generator = torch.Generator().manual_seed(3)
    query, gallery, number = [], [], 0
    for person in (0, 1, 2, 3, 4, -1):
        for track in range(6):
            length = int(torch.randint(1, 5, (1,), generator=generator))
            start = float(torch.randint(0, 120, (1,), generator=generator))
            for place in range(length):
                taken = None if person == 4 else Moment("one" if track < 4 else "other", start + place)
                track_id = None if person == 3 and track == 5 else number
                shot = Shot(Path(f"{number}_{place}.jpg"), person, track % 3, taken=taken, track_id=track_id)
                side = query if person >= 0 and track in (0, 1) and (track == 0 or place == 0) else gallery
                side.append(shot)
            number += 1
    return Split(name="tracked", train=(), query=tuple(query), gallery=tuple(gallery))


@pytest.fixture(scope="module")
def images(split):
    return drawn_embeddings(split, persons=7)


def by_hand(split, images, *, quality):
    """Each track's shots and vector, by its number; an image of no track has a number of its own."""
    found = {}
    for number, (shot, vector) in enumerate(zip((*split.query, *split.gallery), images.double(), strict=True)):
        key = ("image", number) if shot.track_id is None else shot.track_id
        found.setdefault(key, []).append((shot, vector, number < len(split.query)))
    tracks = []
    for members in found.values():
        total = sum((1.0 if quality else 1 / vector.norm()) * vector for _, vector, _ in members)
        asked, shown = any(query for *_, query in members), any(not query for *_, query in members)
        tracks.append(([shot for shot, *_ in members], total / total.norm(), asked, shown))
    return tracks


@pytest.mark.parametrize("camera_rule", ["cross_camera", "any_camera"])
@pytest.mark.parametrize("pooling", ["mean", "quality"])
def test_scores_of_tracks_are_those_of_loops(split, images, pooling, camera_rule):
    tracks = by_hand(split, images, quality=pooling == "quality")
    firsts, precisions, lost = [], [], 0
    for query, vector, asked, _ in tracks:
        if not asked:
            continue
        ranked = []
        for place, (other, compared, _, shown) in enumerate(tracks):
            same = other[0].person_id == query[0].person_id
            if not shown or other[0].person_id == -1 or other is query:
                continue
            if camera_rule == "cross_camera" and same and other[0].camera_id == query[0].camera_id:
                continue
            ranked.append((float((vector - compared).norm()), place, same))
        ranks = [rank for rank, (*_, same) in enumerate(sorted(ranked), 1) if same]
        lost += not ranks
        if ranks:
            firsts.append(ranks[0])
            precisions.append(sum(n / rank for n, rank in enumerate(ranks, 1)) / len(ranks))
    protocol = Protocol(tracks=pooling, camera_rule=camera_rule)
    scores = RetrievalScores(
        queries=len(split.query), images=len(images), protocol=protocol, tracks=tracks_of(split, protocol),
        lists=Lists.of(split.query, split.gallery),
    )  # fmt: skip
    shots = (*split.query, *split.gallery)
    for part in torch.randperm(len(images)).split(11):
        person, camera = ([getattr(shots[k], name) for k in part.tolist()] for name in ("person_id", "camera_id"))
        scores.update(images[part], torch.tensor(person), torch.tensor(camera), part)
    result = scores.compute()
    assert result.scores["rank1"] == pytest.approx(sum(first == 1 for first in firsts) / len(firsts), abs=1e-9)
    assert result.scores["mAP"] == pytest.approx(sum(precisions) / len(precisions), abs=1e-9)
    assert result.stamp["images"] == {
        "query": sum(asked for *_, asked, _ in tracks), "gallery": sum(shown for *_, shown in tracks),
    }  # fmt: skip
    assert sum(result.stamp["without_match"].values()) == lost
    assert result.stamp["tracks"]["images"] == len(images)
    shown = shown_of(split, protocol)
    assert [len(shown.query), len(shown.gallery)] == [len(scores.ranker.query), len(scores.ranker.gallery)]
    assert [shot.person_id for shot in shown.gallery] == scores.ranker.lists.gallery_person.tolist()
    assert shown_of(split, Protocol()) is split


def test_tracks_are_reranked_as_images_are(split, images):
    rerank = KReciprocal(k1=5, k2=2, lambda_value=0.3, variant="reference")
    protocol = Protocol(tracks="mean", rerank=rerank)
    lists = Lists.of(split.query, split.gallery)
    found = pool(images, lists, tracks_of(split, protocol), Protocol(tracks="mean"))
    without = replace(found.lists, query_track=None, gallery_track=None)  # cross_camera removes the track itself too
    expected = evaluate(Ranker(found.query, found.gallery, without, Protocol(rerank=rerank)))
    scores = evaluate(Ranker(found.query, found.gallery, found.lists, protocol))
    assert scores.scores == expected.scores


def test_reassociation_is_that_of_loops(split, images):
    tracks = by_hand(split, images, quality=False)
    lists = Lists.of(split.query, split.gallery)
    spans = pool(images, lists, tracks_of(split, Protocol(tracks="mean")), Protocol(tracks="mean")).spans
    edges = [10.0, 40.0]
    for record, (low, high) in zip(reassociation(spans, edges), [(0, 10), (10, 40), (40, math.inf)], strict=True):
        ranks, same, different = [], [], []
        vectors = [(shots, vector) for shots, vector, *_ in tracks]
        for query, vector in vectors:
            candidates = []
            for other, compared in vectors:
                if -1 in (query[0].person_id, other[0].person_id) or query[0].taken is None or other[0].taken is None:
                    continue
                if query[0].taken.clock != other[0].taken.clock:
                    continue
                gap = min(shot.taken.seconds for shot in query) - max(shot.taken.seconds for shot in other)
                if gap >= 0 and low <= gap < high and other is not query:
                    candidates.append((float(vector @ compared), other[0].person_id == query[0].person_id))
            own = [score for score, is_same in candidates if is_same]
            if own:
                ranks.append(1 + sum(not is_same and score >= max(own) for score, is_same in candidates))
            same += own
            different += [score for score, is_same in candidates if not is_same]
        wins = sum((s > d) + 0.5 * (s == d) for s in same for d in different)
        assert (record["queries"], record["same"], record["different"]) == (len(ranks), len(same), len(different))
        assert record["mrr"] == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks))
        assert record["rank1"] == pytest.approx(sum(rank == 1 for rank in ranks) / len(ranks))
        assert record["auc"] == pytest.approx(wins / (len(same) * len(different)), abs=1e-6)


def test_equal_vectors_gain_nothing_and_an_empty_range_says_so():
    spans = Spans(
        torch.eye(2)[[0, 0, 0, 1]], torch.tensor([1, 1, 2, 2]), torch.zeros(4).long(),
        torch.tensor([0.0, 20.0, 0.0, 21.0]).double(), torch.tensor([5.0, 25.0, 5.0, 25.0]).double(),
    )  # fmt: skip
    near, far = reassociation(spans, [100.0])
    assert (near["queries"], near["mrr"], near["rank1"], near["auc"]) == (2, 0.5, 0.0, 0.5)
    assert (far["queries"], far["mrr"], far["auc"], far["to"]) == (0, None, None, None)
    with pytest.raises(ValueError, match="memory_limit_gb"):
        reassociation(spans, [100.0], memory_limit_gb=1e-9)


def test_a_track_counts_each_image_as_said():
    embedding = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    track = torch.tensor([0, 0, 1])
    assert torch.allclose(pooled(embedding, track), torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))
    weighted = torch.tensor([[3 / 10**0.5, 1 / 10**0.5], [0.0, 1.0]])
    assert torch.allclose(pooled(embedding, track, quality=True), weighted)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"reassociation": [10]}, "it is measured between tracks; set tracks=mean too"),
        ({"reassociation": [10, 5], "tracks": "mean"}, "give ascending seconds above 0"),
        ({"tracks": "mean", "single_gallery_shot": 10}, "tracks=mean and single_gallery_shot"),
        ({"tracks": "median"}, "tracks='median' is unknown; choose one of none, mean, quality"),
    ],
)
def test_what_tracks_cannot_be_asked_for(words, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**words)


def test_a_query_that_is_a_gallery_image_counts_once_in_its_track():
    """VeRi-776's queries are among its gallery, under the same names in another folder."""
    query = [Shot(Path("image_query/a.jpg"), 1, 0, track_id=5), Shot(Path("image_query/c.jpg"), 1, 1, track_id=6)]
    names = [("a", 0, 5), ("b", 0, 5), ("d", 1, 6), ("c", 2, 7)]  # c.jpg of another track is another image
    gallery = [Shot(Path(f"image_test/{name}.jpg"), 1, camera, track_id=track) for name, camera, track in names]
    images = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    images[2] = images[0]
    split = Split(name="copied", train=(), query=tuple(query), gallery=tuple(gallery))
    found = pool(images, Lists.of(query, gallery), tracks_of(split, Protocol(tracks="mean")), Protocol(tracks="mean"))
    units = images / images.norm(dim=1, keepdim=True)
    expected = torch.stack([units[2] + units[3], units[1] + units[4]])
    assert torch.allclose(found.query, expected / expected.norm(dim=1, keepdim=True), atol=1e-6)
    metric = RetrievalScores.of(split, Protocol(tracks="mean"))
    metric.update(images, torch.ones(6).long(), torch.tensor([0, 1, 0, 0, 1, 2]), torch.arange(6))
    stamp = metric.compute().stamp["tracks"]
    assert (stamp["images"], stamp["copies_of_queries"]) == (6, 1)


def test_what_is_no_track_is_refused(split, images):
    lists = Lists.of(split.query, split.gallery)
    plain, one = (
        Tracks.of(*([replace(shot, track_id=track) for shot in shots] for shots in (split.query, split.gallery)))
        for track in (None, 0)
    )
    with pytest.raises(ValueError, match="no image of this test is of a known track; name them in the column tracklet"):
        pool(images, lists, plain, Protocol(tracks="mean"))
    with pytest.raises(ValueError, match="other persons than the first image of the same track"):
        pool(images, lists, one, Protocol(tracks="mean"))
