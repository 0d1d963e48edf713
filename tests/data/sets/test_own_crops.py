"""Broken layouts of a user's own data: each has a message of its own, with the fact and the cure."""

import dataclasses

import pytest
import torch

from reid_lit.data.feeding.samplers import PersonSampler
from reid_lit.data.sets import csv_file, person_folders
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate


def evaluated(split, **protocol):
    """Scores of random embeddings."""
    embeddings = [torch.rand(len(shots), 4) for shots in (split.query, split.gallery)]
    told = [
        torch.tensor([getattr(shot, name) for shot in shots])
        for shots in (split.query, split.gallery)
        for name in ("person_id", "camera_id")
    ]
    return evaluate(Ranker(*embeddings, Lists(*told), Protocol(**protocol)))


def sampled(split):
    PersonSampler(persons=4, images=2, repeat=False, labels=[shot.person_id for shot in split.train], batch_size=8)


def ready(train=("a/1.jpg",), query=("b/1.jpg",), gallery=("b/2.jpg",)):
    lists = {"train": train, "query": query, "gallery": gallery}
    return [f"{word}/{name}" for word, names in lists.items() for name in names]


SAME = [f"{person}/{camera}/{k}.jpg" for person, camera in ("ax", "bx", "cy", "dy") for k in range(3)]
BROKEN = {
    "images in the root": (["1.jpg", "a/1.jpg"], person_folders.read, "put each into a folder named after its person"),
    "one person": (["a/1.jpg", "a/2.jpg"], person_folders.read, "a split needs 2 or more"),
    "mixed depths": (["a/1.jpg", "b/hall/1.jpg"], person_folders.read, "use one of them for all persons"),
    "too deep": (["a/hall/monday/1.jpg"], person_folders.read, "one folder too deep"),
    "ready-made without gallery": (
        ["train/a/1.jpg", "query/b/1.jpg"],
        person_folders.read,
        "add what is missing, or rename",
    ),
    "no images": (["a/1.svg", "b/readme.txt"], person_folders.read, "no image (.jpg"),
    "persons trained and tested": (ready(train=["b/3.jpg"]), person_folders.read, "remove them from one side"),
    "query persons absent": (
        ready(gallery=["c/1.jpg"]),
        person_folders.read,
        "query and gallery must name the same persons alike",
    ),
    "junk asks": (ready(query=["-1/1.jpg"]), person_folders.read, "put them into the gallery or remove them"),
    "lone images": (["a/1.jpg", "b/1.jpg"], person_folders.read, "lower train_fraction"),
    "no such folder": (None, person_folders.read, "no such folder"),
    "an archive": ("zip", person_folders.read, "unpack it if it is an archive"),
    "an archive as a list": ("zip", csv_file.read, "if it is an archive or a spreadsheet, unpack or export it"),
    "no list": (["a/1.jpg"], csv_file.read, "python -m reid_lit.init folder="),
    "fewer persons than P": (ready(), lambda root: sampled(person_folders.read(root)), "set it to 1 or less"),
    "same camera only": (
        SAME,
        lambda root: evaluated(person_folders.read(root), camera_rule="auto"),
        "2 one who is there only under the same camera",
    ),
    "a single camera, cross-camera": (
        ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"],
        lambda root: evaluated(person_folders.read(root), camera_rule="cross_camera"),
        "set camera_rule=any_camera",
    ),
    "a gallery of junk": (
        ready(gallery=["b/1.jpg"]),
        lambda root: evaluated(junk_only(person_folders.read(root))),
        "1 gallery image (1 of junk)",
    ),
}


def junk_only(split):
    return dataclasses.replace(split, gallery=tuple(dataclasses.replace(shot, person_id=-1) for shot in split.gallery))


def broken(plant, tmp_path, case):
    names, act, cure = BROKEN[case]
    root = tmp_path / case.replace(" ", "_")
    if names == "zip":
        root.write_bytes(b"PK\x03\x04\xff\xfe")
    elif names is not None:
        plant(root, names)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        act(root)
    return str(error.value).replace(str(root), "…"), cure


def test_each_has_a_message_of_its_own(plant, tmp_path):
    messages = {case: broken(plant, tmp_path, case) for case in BROKEN}
    for case, (message, cure) in messages.items():
        assert cure in message, f"{case}: {message}"
        assert len(message.split()) > 8, f"{case}: {message}"
    assert len({message for message, _ in messages.values()}) == len(BROKEN) >= 10


def test_no_match_tells_rule_causes_examples_and_switch(plant, tmp_path):
    message, _ = broken(plant, tmp_path, "same camera only")
    for fact in (
        "camera_rule=cross_camera",
        "0 show a person",
        "2 one who is there only under the same camera",
        "camera_rule=any_camera",
    ):
        assert fact in message
    assert message.count("is in the gallery only") == 2


def test_one_camera_is_said_and_ranked_by_any_camera(plant, tmp_path):
    split = person_folders.read(plant(tmp_path, ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]))
    stamp = evaluated(split, camera_rule="auto").stamp
    assert (stamp["camera_rule"], stamp["camera_rule_note"]) == ("any_camera", "auto: a single camera")
    assert any("a single camera" in note for note in split.notes)
