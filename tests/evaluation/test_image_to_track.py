"""Images that ask for tracks, against a double loop over queries and tracks."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.evaluation.tracked import drawn_embeddings

from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.tracks import shown_of, tracks_of
from reid_lit.records import Shot, Split


@pytest.fixture(scope="module")
def split():
    """Five persons and junk, six tracks each of one to four images by three cameras; tracks 0 and 1 have a query too."""
    generator = torch.Generator().manual_seed(3)
    query, gallery, number = [], [], 0
    for person in (0, 1, 2, 3, 4, -1):
        for track in range(6):
            length = int(torch.randint(1, 5, (1,), generator=generator))
            for place in range(length):
                track_id = None if (person, track) == (3, 5) else number
                gallery.append(Shot(Path(f"{number}_{place}.jpg"), person, track % 3, track_id=track_id, view="front"))
            if person >= 0 and track < 2:
                query.append(Shot(Path(f"q{number}.jpg"), person, track % 3, track_id=number, view="back"))
            number += 1
    query.append(Shot(Path("alone.jpg"), 9, 0))
    order = torch.randperm(len(gallery), generator=generator).tolist()  # a track's images do not follow each other
    return Split(name="tracked", train=(), query=tuple(query), gallery=tuple(gallery[k] for k in order))


@pytest.fixture(scope="module")
def images(split):
    return drawn_embeddings(split, persons=11)


def distance_by_hand(query, members, tracks):
    """Of an image to the images of a track; all but the length of members are unit vectors."""
    units = [member / member.norm() for member in members]
    if tracks == "nearest":
        return min(float((query - unit).norm()) for unit in units)
    total = sum(members if tracks == "quality" else units)
    return float((query - total / total.norm()).norm())


def scores_of(split, images, protocol):
    scores = RetrievalScores(
        queries=len(split.query), images=len(images), protocol=protocol, tracks=tracks_of(split, protocol),
        lists=Lists.of(split.query, split.gallery),
    )  # fmt: skip
    shots = (*split.query, *split.gallery)
    for part in torch.randperm(len(images)).split(13):
        person, camera = ([getattr(shots[k], name) for k in part.tolist()] for name in ("person_id", "camera_id"))
        scores.update(images[part], torch.tensor(person), torch.tensor(camera), part)
    return scores


@pytest.mark.parametrize("camera_rule", ["cross_camera", "any_camera"])
@pytest.mark.parametrize("tracks", ["mean", "quality", "nearest"])
def test_scores_are_those_of_a_double_loop(split, images, tracks, camera_rule):
    members = {}
    for number, (shot, vector) in enumerate(zip(split.gallery, images[len(split.query) :].double(), strict=True)):
        key = ("image", number) if shot.track_id is None else shot.track_id
        members.setdefault(key, []).append((shot, vector))
    firsts, precisions = [], []
    for query, vector in zip(split.query, images.double(), strict=False):
        ranked = []
        for key, images_of_track in members.items():
            shown = images_of_track[0][0]
            same = shown.person_id == query.person_id
            removed = same and shown.camera_id == query.camera_id and camera_rule == "cross_camera"
            if shown.person_id != -1 and not removed and key != query.track_id:
                distance = distance_by_hand(vector / vector.norm(), [each for _, each in images_of_track], tracks)
                ranked.append((distance, len(ranked), same))
        ranks = [rank for rank, (*_, same) in enumerate(sorted(ranked), 1) if same]
        if ranks:
            firsts.append(ranks[0])
            precisions.append(sum(n / rank for n, rank in enumerate(ranks, 1)) / len(ranks))
    protocol = Protocol(tracks=tracks, track_queries="images", camera_rule=camera_rule, roc=[0.1])
    scores = scores_of(split, images, protocol)
    result = scores.compute()
    assert len(firsts) == len(split.query) - 1 == result.stamp["valid_queries"]
    assert result.scores["rank1"] == pytest.approx(sum(first == 1 for first in firsts) / len(firsts), abs=1e-9)
    assert result.scores["mAP"] == pytest.approx(sum(precisions) / len(precisions), abs=1e-9)
    assert result.stamp["images"] == {"query": len(split.query), "gallery": len(members)}
    assert result.stamp["tracks"]["queries"] == "images"
    columns, blocks = scores.ranker.with_junk()
    assert blocks.block(0).shape == (len(split.query), len(columns.index)) == (len(split.query), len(members))
    shown = shown_of(split, protocol)
    assert shown.query == split.query
    assert [shot.person_id for shot in shown.gallery] == scores.ranker.lists.gallery_person.tolist()


def test_what_does_not_go_together_is_refused():
    for words, message in {
        ("none", "images"): "track_queries=images: no tracks are ranked for them; set tracks=mean or nearest too",
        (
            "nearest",
            "tracks",
        ): "tracks=nearest: it is the image nearest to a query that is one; set track_queries=images",
    }.items():
        with pytest.raises(ValueError, match=message):
            Protocol(tracks=words[0], track_queries=words[1])
    nearest = Protocol(tracks="nearest", track_queries="images")
    with pytest.raises(ValueError, match="tracks=nearest and separation: it needs one vector of each track"):
        replace(nearest, separation=True)
    with pytest.raises(ValueError, match=r"track_queries=images and reassociation=\[1\]: it is between tracks"):
        replace(nearest, reassociation=[1])
