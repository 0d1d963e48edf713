"""``python -m reid_lit.export`` on a finished run: its scores hold, its calibration images are training images alone."""

import io
import json
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from rich.console import Console

from reid_lit.errors import InputError, MissingFileError
from reid_lit.export import command
from reid_lit.export.command import exported, material_of, show, wanted_of
from reid_lit.export.crops import of_training, spread
from reid_lit.export.files import opened
from reid_lit.paths import packaged
from reid_lit.testing.load import load


@pytest.fixture
def words(compose, trained):
    """The config of the command with some words."""
    defaults = yaml.safe_load((packaged("conf") / "export.yaml").read_text())
    known = {key: value for key, value in defaults.items() if key not in ("defaults", "hydra")}
    compose()  # a command's own Hydra
    return lambda **given: OmegaConf.create(known | {"run": str(trained[0]), "progress_bar": False} | given)


@pytest.fixture
def run(words):
    """Export a run as the command does; its files, and what it printed."""

    def export(**given):
        console = Console(record=True, width=160, file=io.StringIO())
        return exported(words(**given), console), console.export_text()

    return export


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
def test_a_run_is_exported_with_its_scores(run, trained, tmp_path):
    folder, _ = trained
    files, said = run(format="torch_export", file=str(tmp_path / "plaza.pt2"), unit_length=True, licence="apache-2.0")
    found = opened(files[0], weights=load(folder, device="cpu").origin.model, trust=True)
    gate = found.content["gate"]
    assert gate["scores"] == "tested"
    moves = [each for each in gate["figures"] if each["figure"].startswith("points that")]
    assert [each["value"] for each in moves] == pytest.approx([0, 0], abs=0.1)
    results = json.loads((folder / "metrics.json").read_text())["results"]
    assert f"({100 * results[0]['scores']['rank1']:.2f} to" in moves[0]["figure"]
    assert found.content["scores"][0]["scores"]["mAP"] == results[0]["scores"]["mAP"]
    assert found.content["data"][0]["title"] == "Synthetic worlds of reid_lit"
    assert "points that mAP on synthetic_plaza moves by" in said
    assert "licence of the weights: apache-2.0" in said


def test_int8_looks_at_training_images_alone(run, trained, tmp_path):
    folder, _ = trained
    learnt = (folder / "training_list.txt").read_text().split()
    assert {str(path) for path in of_training(folder, None, 7)} < set(learnt)
    assert len(of_training(folder, learnt[:3], 256)) == 3
    queries = json.loads((folder / "pictures" / "synthetic_plaza" / "rankings.json").read_text())["query"]["path"]
    with pytest.raises(InputError, match="calibration: 1 image is none that the run has learnt from, such as"):
        run(precision="int8", calibration=[learnt[0], queries[0]], file=str(tmp_path / "a.onnx"))
    (tmp_path / "training_list.txt").write_text("/nowhere/a.jpg\n")
    with pytest.raises(InputError, match=r"none of the 1 images of .* is there, such as /nowhere/a.jpg"):
        of_training(tmp_path, None, 7)
    (tmp_path / "training_list.txt").unlink()
    with pytest.raises(InputError, match=r"has no training_list.txt, and ranges of activations"):
        of_training(tmp_path, None, 7)
    assert not list(tmp_path.glob("a.*"))


def test_what_is_not_tested_is_said(words, trained, tmp_path, monkeypatch):
    def gone(_config, _size, root):
        raise MissingFileError(f"no Market-1501 in {root}")

    folder, _ = trained
    ours = load(folder, device="cpu")
    config = words(dataset_root=str(tmp_path / "nowhere"))
    with monkeypatch.context() as patch:
        patch.setattr(command, "own_tests", gone)
        material = material_of(config, ours, wanted_of(config, ours), place=folder, folder=folder)
    assert material.tests == f"no Market-1501 in {tmp_path / 'nowhere'}"
    assert material.crops.shape == (24, 3, 64, 32)
    config = words(images=str(tmp_path))
    with pytest.raises(InputError, match=f"no image in {tmp_path}"):
        material_of(config, ours, wanted_of(config, ours), place=folder, folder=folder)
    with pytest.raises(
        InputError,
        match=r"images: no image of the run's own data is there to compare features on .weights without a run.; give",
    ):
        material_of(words(), ours, wanted_of(config, ours), place=folder, folder=None)
    with pytest.raises(InputError, match="precision=int8: weights without a run have no training list"):
        material_of(words(precision="int8"), ours, wanted_of(words(precision="int8"), ours), place=folder, folder=None)
    console = Console(record=True, width=160, file=io.StringIO())
    show(console, [], "weights without a run")
    assert "rank-1 and mAP: not tested (weights without a run)" in console.export_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"format": "tflite"}, "format=tflite: unknown; give one of onnx, openvino, torchscript, torch_export"),
        ({"batch": 0}, "batch=0: give a number of images"),
        ({"range": 2}, "range=2: give the value of white, 255 or 1"),
        ({"color": "grey"}, "color='grey': unknown; give rgb or bgr"),
        ({"file": "a.xml"}, "file=a.xml: files of format=onnx end with .onnx"),
        ({"images": "nowhere"}, "no such file or folder: nowhere"),
    ],
)
def test_bad_words_are_refused(run, given, said):
    with pytest.raises((InputError, MissingFileError), match=said):
        run(test=False, **given)


def test_images_are_spread():
    images = [Path(str(number)) for number in range(10)]
    assert spread(images, 4) == [images[place] for place in (0, 3, 6, 9)]
    assert spread(images[:3], 4) == images[:3]
