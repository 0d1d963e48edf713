"""What an evaluation refuses is refused before there is an embedding, in the same words."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reid_lit.evaluation.ahead import check_scorable
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.on_disk import Distractors, StoredEmbeddings
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import Moment, Rules, Shot, Split

QUERIES = 4


def image(place, person, camera, **marks):
    return Shot(Path(f"{place}.jpg"), person, camera, **marks)


def split_of(**changed):
    """Four persons, each a query by camera 0 and three gallery images by cameras 0, 0 and 1; a track a camera."""
    shots = [
        image(4 * person + place, person, camera, track_id=2 * person + camera, clothes_id=camera, taken=Moment("a", place))
        for place, camera in enumerate((0, 0, 0, 1))
        for person in range(QUERIES)
    ]  # fmt: skip
    shots = [replace(shot, **{name: change(shot) for name, change in changed.items()}) for shot in shots]
    return Split(name="made", train=(), query=tuple(shots[:QUERIES]), gallery=tuple(shots[QUERIES:]))


def scored(split, protocol, distractors=None):
    metric = RetrievalScores.of(split, protocol, distractors=distractors)
    shots = (*split.query, *split.gallery)
    person, camera = (torch.tensor([getattr(shot, name) for shot in shots]) for name in ("person_id", "camera_id"))
    images = torch.randn(len(shots), 5, generator=torch.Generator().manual_seed(0))
    metric.update(images, person, camera, torch.arange(len(shots)))
    return metric.compute()


NEITHER = {"track_id": lambda shot: None}
OWN_ALONE = {"camera_id": lambda shot: 0, "track_id": lambda shot: shot.person_id, "clothes_id": lambda shot: None}


@pytest.mark.parametrize(
    ("changed", "words", "message"),
    [
        (NEITHER, {"tracks": "mean"}, "no image of this test is of a known track"),
        (NEITHER, {"tracks": "nearest", "track_queries": "images"}, "no image of this test is of a known track"),
        ({"track_id": lambda shot: shot.person_id}, {"tracks": "mean"}, "show other cameras than the first image of"),
        ({"clothes_id": lambda shot: int(shot.path.stem) % 4}, {"tracks": "mean"}, "show other clothes than the first"),
        ({"taken": lambda shot: None}, {"tracks": "mean", "reassociation": [1]}, "no track of this test has known times"),
        (OWN_ALONE, {"tracks": "mean", "camera_rule": "any_camera"}, "no query has a match"),
        ({}, {"tracks": "mean", "rerank": KReciprocal(k1=12)}, "lists of 13 images cannot be made of 12, queries and"),
        ({}, {"rerank": KReciprocal(k1=16)}, "lists of 17 images cannot be made of 16, queries and gallery together"),
        ({}, {"rerank": KReciprocal(k1=12), "open_set": [0.1]}, "lists of 13 images cannot be made of 10, queries and"),
        ({}, {"expansion": Expansion(k=14, of="queries")}, "13 .*of.* 12"),
        ({"clothes_id": lambda shot: None}, {"clothes_rule": "changed_clothes"}, "no image of this test has known"),
        ({}, {"view_pairs": True}, "no image of this test has known views"),
        ({"person_id": lambda shot: 0}, {"separation": True}, "the test has 16 images of 1 person"),
    ],
)  # fmt: skip
def test_what_is_refused_with_embeddings_is_refused_without(changed, words, message):
    split, protocol = split_of(**changed), Protocol(**words)
    for refused in (lambda: scored(split, protocol), lambda: check_scorable(split, protocol)):
        with pytest.raises(ValueError, match=message):
            refused()


def test_distractors_on_disk_are_refused_beside_tracks(tmp_path):
    split, protocol = split_of(), Protocol(tracks="mean")
    with pytest.raises(
        ValueError, match="tracks and distractors on disk: they are images, and tracks are ranked"
    ) as early:
        check_scorable(split, protocol, streamed=True)
    with pytest.raises(ValueError, match="they are images") as late:
        scored(split, protocol, Distractors((StoredEmbeddings(tmp_path, 0, (1, 5)),), torch.zeros(1).long()))
    assert str(early.value) == str(late.value)
    check_scorable(split, Protocol(), streamed=True)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"tracks": "mean", "reassociation": [1]},
        {"tracks": "nearest", "track_queries": "images"},
        {"rerank": KReciprocal(k1=3, k2=2), "open_set": [0.5], "separation": True, "clothes_rule": "changed_clothes"},
        {"expansion": Expansion(k=13, of="queries")},
    ],
)
def test_what_can_be_scored_passes(words):
    check_scorable(split_of(), Protocol(**words))
    assert scored(split_of(), Protocol(**words)).scores["mAP"] > 0


def test_the_rules_of_the_data_set_come_first():
    alone = replace(split_of(camera_id=lambda shot: 0), rules=Rules(camera_rule="any_camera"))
    check_scorable(alone, Protocol())
    with pytest.raises(ValueError, match="set camera_rule=any_camera"):
        check_scorable(replace(alone, rules=Rules()), Protocol())
    single = replace(alone, rules=Rules(camera_rule="any_camera", single_gallery_shot=3))
    check_scorable(
        replace(single, query=single.query[:1]), Protocol(separation=True)
    )  # R is of the whole gallery alone
