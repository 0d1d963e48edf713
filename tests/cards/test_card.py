"""The card of a run: what its files say is in it, and what they do not say is said."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from reid_lit.calibration.record import FORMAT as CALIBRATION_FORMAT
from reid_lit.cards.card import SAID, Card, card_of, make_card
from reid_lit.cards.scores import CALIBRATION
from reid_lit.cards.terms import terms_of, trained_sets
from reid_lit.cards.text import STATUS
from reid_lit.errors import InputError, MissingFileError
from reid_lit.paths import options, packaged

KEPT = Path(__file__).parents[1] / "run" / "kept_82168aa"
POINT = {"fmr": 0.01, "threshold": 0.5, "low": 0.45, "high": 0.55, "fnmr": 0.2, "fnmr_low": 0.1, "fnmr_high": 0.3, "reason": ""}  # fmt: skip
NONE = dict.fromkeys(POINT) | {"fmr": 1e-4, "reason": "2,000 pairs are too few | for this rate"}
STAMP = {
    "protocol": "market1501", "ap": "step", "gallery": "all images", "camera_rule": "cross_camera", "distance": "cosine",
    "feature": "embedding", "test_time_augmentation": "none", "reranking": "none", "images": {"query": 4, "gallery": 9},
    "junk": 1, "distractors": 2, "queries": 4, "valid_queries": 4, "without_match": {"absent": 0, "same_camera": 0},
}  # fmt: skip
MEASURED = {
    "dimension": 512, "parameters": 11_000_000, "feature": "embedding", "flip": True, "image_size": [64, 32], "mean": [0.5, 0.5, 0.5],
    "std": [0.2, 0.2, 0.2], "interpolation": "bicubic", "sha256": "abc",
}  # fmt: skip


def write(folder, name, content):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def run(tmp_path):
    """The folder of a run, made by hand."""
    folder = tmp_path / "run"
    config = {
        "name": "corridor", "seed": 7, "backbone": {"name": "resnet18.tv_in1k", "weights": "imagenet"},
        "model": {"_target_": "reid_lit.models.supervised.Supervised", "neck": {"_target_": "reid_lit.layers.neck.ClassBlock"}},
        "dataset": {"_target_": "reid_lit.data.sets.market1501.Market1501", "root": "/data"}, "transform": {"size": [64, 32]},
        "evaluation": {"distance": "cosine"},
    }  # fmt: skip
    write(folder, "config.yaml", yaml.safe_dump(config))
    scores = {"rank1": 0.75, "mAP": 0.5}
    details = {"bootstrap": {"level": 0.95, "intervals": {"rank1": [0.25, 1.0]}}}
    result = {"dataset": "market1501", "scores": scores, "stamp": STAMP, "details": details, "test_seconds": 1.0}
    write(
        folder, "metrics.json", {"name": "corridor", "seed": 7, "epochs": 3, "train_seconds": 60.0, "results": [result]}
    )
    write(folder, "training_list.txt", "/data/a.jpg\n/data/b.jpg\n")
    write(folder, "labelled_list.txt", "/data/a.jpg\n")
    query = {"path": [f"/data/{n}.jpg" for n in range(4)], "person": [1, 1, 2, 3], "camera": [1, 2, 1, 2]}
    ranking = {
        "format": 1,
        "dataset": "market1501",
        "stamp": STAMP,
        "query": query,
        "first": [1, 1, 3, 1],
        "ap": [1.0, 0.5, 0.2, 0.3],
    }
    write(folder, "pictures/market1501/rankings.json", ranking)
    return folder


def calibrate(folder, model="abc"):
    data = {"name": "ward", "images": 90, "persons": 20, "cameras": 3, "same": 276, "different": 2231, "pairs": "of two cameras", "notes": []}  # fmt: skip
    pair = {"cameras": [1, 3], "at_common": [{"threshold": 0.5, "fmr": 0.07, "fnmr": 0.5}]}
    gap = {
        "low": 0.0,
        "high": 60.0,
        "same": 5,
        "different": 900,
        "at_common": [{"threshold": 0.5, "fmr": 0.01, "fnmr": 0.25}],
    }
    content = {
        "format": CALIBRATION, "origin": {"model": model}, "data": data, "thresholds": [POINT, NONE], "equal_error": POINT | {"fmr": 0.08},
        "probability": {"method": "platt"}, "ece": 0.0123, "camera_pairs": [pair, {"cameras": [1, 2], "at_common": []}],
        "time_gaps": [gap, {"low": 60.0, "high": None, "same": 0, "different": 0, "at_common": [], "reason": "no pairs"}],
    }  # fmt: skip
    write(folder, "checkpoints/calibration.json", content)


def test_what_the_files_say(run):
    calibrate(run)
    card = make_card(run, measured=MEASURED)
    text = card.text()
    assert card.content["training"]["seed"] == 7
    assert (
        "| output | embedding of 512 dimensions, mean of the image's and its mirror image's; compared by cosine distance |"
        in text
    )
    assert "images of 64 × 32 pixels (height × width), bicubic; channels in the order R, G, B" in text
    assert "| score | 75.00 % | 50.00 % |" in text
    assert "| 95 % interval over queries | 25.0 to 100.0 | – |" in text
    assert "protocol market1501; AP by step; camera rule cross_camera" in text
    assert "2 images; of 1 of them it was told who they show." in text
    assert "| all | 4 | 3 | no scores of fewer than 10 persons | | | |" in text
    assert "| 0.01 | 0.5000 | 0.4500 to 0.5500 | 20.0 % | 10.0 to 30.0 % |" in text
    assert "| 0.0001 | – | 2,000 pairs are too few \\| for this rate | – | – |" in text
    assert "| 8.00 % (equal error) | 0.5000 |" in text
    assert "P(same \\| score) by platt; expected calibration error 0.0123" in text
    assert "Of 1 pairs of cameras, 1 and 3 have most false matches" in text
    assert "| 0.0 s to 60.0 s | 5 | 900 | 1.000 % | 25.0 % |" in text
    assert "ImageNet weights of `resnet18.tv_in1k`, as timm gives them" in text
    titles = {entry["title"]: entry["roles"] for entry in card.content["data"]}
    assert titles["Market-1501"] == ["trained on", "tested on"]
    assert titles["WARD"] == ["calibrated on"]
    assert titles["ImageNet (the weights that the training starts from)"] == ["start of the weights"]


def test_the_head_is_yaml(run):
    head = yaml.safe_load(make_card(run, measured=None).text().split("---\n")[1])
    assert head["license"] == "other"
    (entry,) = head["model-index"]
    assert entry["results"][0]["metrics"][0] == {"type": "rank1", "name": "rank-1", "value": 75.0}
    head = yaml.safe_load(make_card(run, measured=None, said={"licence": "mit"}).text().split("---\n")[1])
    assert head["license"] == "mit"


HEADINGS = (
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
)  # fmt: skip


def test_what_is_missing_is_said(run):
    for name in ("metrics.json", "training_list.txt", "labelled_list.txt"):
        (run / name).unlink()
    shutil.rmtree(run / "pictures")
    card = make_card(run, measured=None, why_not="it is gone")
    text = card.text()
    said = "\n".join(card.content["missing"])
    for words in (
        "Who answers for the model", "No weights", "the model was not built: it is gone", "the run kept no environment.json",
        "the run kept no training_list.txt", "Not tested: there are no scores", "Not calibrated",
    ):  # fmt: skip
        assert words in said
        assert words in text
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(HEADINGS)
    assert "None: it was not tested." in text


def test_a_full_card_lacks_little(run):
    calibrate(run)
    card = make_card(
        run, measured=MEASURED, said={"contact": "Jane <jane@example.org>", "licence": "mit", "own_data": None}
    )
    missing = card.content["missing"]
    assert [each.partition(":")[0] for each in missing] == [
        "No weights", "Command and versions", "Tested on no other data sets than those that it learnt from",
        "No scores by group of people",
    ]  # fmt: skip
    assert "| who answers for it | Jane &lt;jane@example.org> |" in card.text()


def test_a_calibration_of_other_weights_is_said(run):
    calibrate(run, model="another")
    assert (
        "A valid calibration: the one that is there is of other weights. Calibrate anew."
        in make_card(run, measured=MEASURED).content["missing"]
    )
    assert "**This calibration is of other weights than these" in make_card(run, measured=MEASURED).text()
    assert "This calibration is of other weights" not in make_card(run, measured=None).text()


def test_withdrawn_data_stand_first(run):
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["dataset"] = {"_target_": "reid_lit.data.sets.transfer.Transfer", "source": ["dukemtmc"], "target": "ward"}
    write(run, "config.yaml", yaml.safe_dump(config))
    text = make_card(run, measured=None).text()
    assert "> **DukeMTMC-reID: withdrawn.**" in text.partition("## Model details")[0]
    assert "| WARD | adapted to, without its persons |" in text


def test_the_runs_that_it_starts_from(run, tmp_path):
    before = tmp_path / "before"
    write(before, "config.yaml", yaml.safe_dump(yaml.safe_load((run / "config.yaml").read_text()) | {"name": "source"}))
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["backbone"]["weights"] = str(before / "checkpoints" / "last.ckpt")
    config["dataset"] = {"_target_": "reid_lit.data.sets.ward.Ward"}
    write(run, "config.yaml", yaml.safe_dump(config))
    card = make_card(run, measured=None)
    assert card.content["start"] == {"kind": "run"}
    assert "- source (`before`), trained on market1501" in card.text()
    assert card.content["used"][:2] == [["ward", "trained on"], ["market1501", "trained on"]]
    shutil.rmtree(before)
    gone = make_card(run, measured=None)
    assert gone.content["start"]["kind"] == "file"
    assert (
        "What before, which it starts from, learnt from: it is no run's folder that is there."
        in gone.content["missing"]
    )


def test_a_card_is_kept_while_its_sources_are_the_same(run):
    write(run, "checkpoints/last.ckpt", "weights")
    calibrate(run)
    made = make_card(run, measured=MEASURED, said={"contact": "Jane"})
    assert [file.name for file in made.write(run / "card.md")] == ["card.md", "card.json"]
    assert card_of(run) == Card(json.loads((run / "card.json").read_text()))
    assert card_of(str(run)).content["made"] == made.content["made"]
    (run / "checkpoints" / "calibration.json").unlink()
    anew = card_of(run).content
    assert (anew["calibration"], anew["measured"], anew["said"]) == (None, MEASURED, SAID | {"contact": "Jane"})
    write(run, "checkpoints/last.ckpt", "others")
    assert card_of(run).content["measured"] is None


def test_what_is_no_run_is_refused(run, tmp_path):
    with pytest.raises(MissingFileError, match="is no run's folder"):
        card_of(tmp_path)
    metrics = json.loads((run / "metrics.json").read_text())
    write(run, "metrics.json", metrics | {"run": "runs/a"})
    with pytest.raises(InputError, match="an evaluation; its run, runs/a, has the card"):
        card_of(run)


def test_a_strangers_config_computes_nothing(run, monkeypatch):
    monkeypatch.setenv("SECRET", "MARK")
    write(run, "config.yaml", (run / "config.yaml").read_text().replace("name: corridor", "name: ${oc.env:SECRET}"))
    with pytest.raises(InputError, match="would be computed when it is read"):
        card_of(run)


def test_a_run_of_before_has_a_card(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(KEPT, folder)
    shutil.copy(folder / "metrics_when_finished.json", folder / "metrics.json")
    assert "Synthetic worlds of reid_lit" in make_card(folder, measured=None).text()


def test_every_data_set_has_its_terms():
    """An option of ``dataset``, and what a row of its results is called."""
    for name in options("dataset"):
        config = yaml.safe_load((packaged("conf") / "dataset" / f"{name}.yaml").read_text())
        if "_target_" in config:
            names = [used.name for used in trained_sets(config)]
            assert all(terms_of(each)["status"] in set(STATUS) - {"unknown"} for each in names), name
    assert terms_of("cuhk03_classic")["title"] == "CUHK03"
    assert terms_of("dukemtmc")["status"] == "withdrawn"
    assert CALIBRATION == CALIBRATION_FORMAT


def test_joint_sets_and_worlds():
    members = [{"dataset": "cuhk03", "train_on": "all"}, "viper"]
    assert [used.name for used in trained_sets({"_target_": "a.joint.Joint", "members": members})] == [
        "cuhk03",
        "viper",
    ]
    assert [used.name for used in trained_sets({"_target_": "a.synthetic.Synthetic", "world": "plaza"})] == [
        "synthetic_plaza"
    ]
    assert [used.name for used in trained_sets({"_target_": "a.csv_list.CsvList"})] == ["csv"]
