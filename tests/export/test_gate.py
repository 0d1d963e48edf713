"""The gate lets through what computes ours, and refuses by its figure, limit and cure what does not."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid_lit.errors import FailedError, InputError, MissingFileError
from reid_lit.export import exporting
from reid_lit.export.exporting import Material, Wanted, export
from reid_lit.export.files import beside, opened, said_inside
from reid_lit.export.formats import FORMATS, runner, written
from reid_lit.export.gate import Figure, Promise, compared, consumer, cosines, passed
from reid_lit.export.graph import Graph, Input

HISTORY = {"model": None, "said": {"licence": "apache-2.0", "contact": None}, "scores": [], "data": [], "note": None}


@pytest.fixture
def ours(embedder):
    return embedder("evaluation.flip=true")


def promise_of(ours, size=(64, 32), **changes):
    kept = {"unit_length": False, "batch": None, "precision": "fp32", "weights": ours.origin.model}
    return Promise(input=Input(size=size), **kept | changes)


def refused(run, promise, ours, crops):
    """The lines of a refusal."""
    with pytest.raises(FailedError, match="refused, and nothing is kept:") as error:
        passed(compared(run, promise, ours, crops))
    return str(error.value).splitlines()[1:]


def file_of(graph, folder, **options):
    """The runtime of a file of a graph."""
    file = folder / "file.pt2"
    written(graph, "torch_export", file, **options)
    return runner(file)


def test_what_computes_ours_passes(ours, crops, tmp_path):
    run = file_of(Graph(ours, unit_length=True), tmp_path)
    figures = compared(run, promise_of(ours, unit_length=True), ours, crops(count=24))
    passed(figures)
    assert [figure.value > 0.999999 for figure in figures if figure.at_least] == [True] * 4
    assert len(figures) == 6


def test_swapped_colours_are_refused(ours, crops, tmp_path):
    run = file_of(Graph(ours, images=Input(size=(64, 32), color="bgr"), unit_length=False), tmp_path)
    lines = refused(run, promise_of(ours), ours, crops(count=24))
    assert all("least cosine to ours, batch" in line and "below 0.9999; it computes" in line for line in lines[:3])


def test_a_frozen_batch_is_refused(ours, crops, tmp_path):
    run = file_of(Graph(ours, unit_length=False), tmp_path, batch=1)
    lines = refused(run, promise_of(ours), ours, crops(count=24))
    assert len(lines) == 2
    assert all("the runtime fails" in line and "give batch=8, which a consumer fills" in line for line in lines)
    passed(compared(run, promise_of(ours, batch=1), ours, crops(count=24)))


def test_a_batch_that_mixes_its_images_is_refused(ours, crops):
    graph = Graph(ours, unit_length=False)

    def run(images):
        features = graph(torch.from_numpy(images)).numpy()
        return features + 0.01 * (features.mean(0) - features)

    lines = refused(run, promise_of(ours), ours, crops(count=24))
    assert any("least cosine among batch sizes" in line and "0.99999; the graph mixes" in line for line in lines)


def test_a_missing_unit_length_is_refused(ours, crops, tmp_path):
    run = file_of(Graph(ours, unit_length=False), tmp_path)
    (line,) = refused(run, promise_of(ours, unit_length=True), ours, crops(count=24))
    assert "a length differs from 1 by" in line
    assert "not within 0.001; the file has not the unit length that it says" in line


def test_a_wrong_resize_is_refused(ours, crops, tmp_path):
    square, images = crops(48, 48, count=24), Input(size=(48, 48))
    graph = Graph(ours, images=images, unit_length=False)
    passed(compared(file_of(graph, tmp_path), promise_of(ours, size=(48, 48)), ours, square))
    graph.rows = F.interpolate(torch.eye(48)[None, None], size=(64, 48), mode="nearest")[0, 0]
    lines = refused(file_of(graph, tmp_path), promise_of(ours, size=(48, 48)), ours, square)
    assert "least cosine to ours, batch 1" in lines[0]


def test_other_weights_are_refused(ours, crops, tmp_path):
    run = file_of(Graph(ours, unit_length=False), tmp_path)
    (line,) = refused(run, promise_of(ours, weights="ab" * 32), ours, crops(count=24))
    assert "the file says abababababab, the run has" in line


def test_features_that_are_no_numbers_are_refused(ours, crops):
    lines = refused(lambda images: np.full((len(images), 512), np.nan), promise_of(ours), ours, crops(count=24))
    assert len(lines) == 5
    assert not Figure(name="a", value=math.nan, limit=1.0, at_least=False).holds
    lines = refused(lambda images: np.zeros((len(images), 3)), promise_of(ours), ours, crops(count=24))
    assert "features of shape [24, 3], where ours have [24, 512]" in lines[0]


def test_a_fixed_batch_is_filled(crops):
    seen = []

    def run(images):
        seen.append(len(images))
        return images.mean((2, 3))

    promise = Promise(input=Input(size=(64, 32)), unit_length=False, batch=5, precision="fp32", weights="")
    images = crops()
    found = consumer(run, promise)(images)
    assert (found.shape, seen) == ((8, 3), [5, 5])
    assert np.allclose(found, images.mean((2, 3)), atol=1e-3)


def test_cosines():
    one, other = np.array([[1.0, 0], [3, 4], [0, 0]]), np.array([[1.0, 1], [3, 4], [1, 1]])
    assert cosines(one, other).tolist() == pytest.approx([math.sqrt(0.5), 1, 0])


@pytest.fixture
def material(crops):
    return Material(crops=crops(count=24), tests="there are none")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_says_the_same_inside_and_beside(ours, material, crops, tmp_path, kind):
    wanted = Wanted(input=Input(size=(64, 32)), unit_length=True, format=kind)
    path = tmp_path / f"a{FORMATS[kind]}"
    files = export(ours, wanted, path, material, HISTORY)
    assert sorted(files) == sorted(tmp_path.iterdir())
    if kind in ("torchscript", "torch_export"):
        with pytest.raises(InputError, match=r"is a program of torch's, which can run anything .*; give trust=True"):
            opened(path)
    found = opened(path, weights=ours.origin.model, threads=1, trust=True)
    inside = said_inside(path)
    assert inside == {key: value for key, value in found.content.items() if key != "files"}
    assert inside["gate"]["scores"] == "not tested: there are none"
    assert inside["output"] == {"feature": "embedding", "dimension": 512, "unit_length": True, "distance": "cosine"}
    assert (inside["input"]["size"], inside["said"]["licence"]) == ([64, 32], "apache-2.0")
    assert inside["inside"]["mean"] == pytest.approx([0.485, 0.456, 0.406])
    images = crops()
    expected = ours(np.ascontiguousarray(images.transpose(0, 2, 3, 1)), color="rgb", normalize=True).numpy()
    assert np.allclose(found.features(images), expected, atol=1e-5)


def test_another_file_or_other_weights_are_refused_when_it_is_opened(ours, material, tmp_path):
    wanted = Wanted(input=Input(size=(64, 32)), unit_length=True, format="torch_export")
    one, other = tmp_path / "one.pt2", tmp_path / "other.pt2"
    export(ours, wanted, one, material, HISTORY)
    export(ours, replace(wanted, unit_length=False), other, material, HISTORY)
    with pytest.raises(InputError, match=r"one.pt2: made of the weights \w{12}, and these are abababababab"):
        opened(one, weights="ab" * 32, trust=True)
    whole = one.read_bytes()
    one.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match=r"one.pt2: SHA-256 \w{12}, and one.pt2.json is of \w{12}; another file"):
        opened(one, trust=True)
    one.write_bytes(whole)
    content = json.loads(beside(one).read_text())
    content["input"]["color"] = "bgr"
    beside(one).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"says something else of itself than one.pt2.json"):
        opened(one, trust=True)
    beside(one).write_text(json.dumps(content | {"files": {}}))
    with pytest.raises(InputError, match=r"one.pt2: SHA-256 \w{12}, and one.pt2.json is of none"):
        opened(one, trust=True)
    beside(one).write_text("{")
    with pytest.raises(InputError, match=r"one.pt2.json: damaged"):
        opened(one, trust=True)
    beside(one).unlink()
    with pytest.raises(MissingFileError, match=r"one.pt2.json"):
        opened(one, trust=True)


def test_nothing_is_kept_of_what_is_refused(ours, material, tmp_path, monkeypatch):
    def swapped(graph, *arguments, **options):
        other = Graph(ours, images=replace(graph.input, color="bgr"), unit_length=graph.unit_length)
        return written(other, *arguments, **options)

    monkeypatch.setattr(exporting, "written", swapped)
    wanted = Wanted(input=Input(size=(64, 32)), unit_length=True, format="torch_export")
    (tmp_path / "a.pt2").write_text("an earlier one")
    told = []
    with pytest.raises(FailedError, match="least cosine to ours"):
        export(ours, wanted, tmp_path / "a.pt2", material, HISTORY, tell=lambda *words: told.append(words))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt2"]
    assert (tmp_path / "a.pt2").read_text() == "an earlier one"
    assert len(told[0][0]) == 6
