"""The commands: a run is calibrated on persons that it has not learnt from, and says of two images what they show."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from reid_lit.calibration import command as calibration_command
from reid_lit.calibration.command import calibrated as calibrated_by
from reid_lit.calibration.images import known_images
from reid_lit.calibration.matching import decided, matcher
from reid_lit.calibration.probability import Probability
from reid_lit.calibration.record import Calibration, calibration_file, read_calibration
from reid_lit.calibration.thresholds import Threshold
from reid_lit.data.sets import market1501
from reid_lit.errors import InputError, MissingFileError
from reid_lit.records import JUNK, Shot, Split
from reid_lit.testing.load import load
from reid_lit.testing.provenance import Provenance

ORIGIN = Provenance(
    model="a", feature="embedding", flip=True, size=(64, 32), interpolation="bilinear", mean=(0.0,), std=(1.0,),
    precision="32-true",
)  # fmt: skip


def of_threshold(*, low):
    threshold = Threshold(fmr=0.01, threshold=0.5, low=low, high=0.6, fnmr=0.1, fnmr_low=0.1, fnmr_high=0.1)
    curve = Probability(method="platt", slope=10.0, intercept=-5.0, limit=0.01)
    return Calibration(
        origin=ORIGIN, data={}, thresholds=(threshold,), equal_error=threshold, probability=curve, log_loss={}, ece=0.0,
        levels=(), det=(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def calibrated(trained, command):
    folder, _ = trained
    done = command(f"run={folder}", "rates=[0.05,1e-5]", "resamples=50", cwd=folder.parent, module="reid_lit.calibrate")
    return folder, done


def test_a_run_is_calibrated(calibrated):
    folder, done = calibrated
    found = read_calibration(calibration_file(folder))
    assert found.thresholds[0].low <= found.thresholds[0].threshold <= found.thresholds[0].high
    assert found.thresholds[1].threshold is None
    assert "are too few for this rate" in found.thresholds[1].reason
    assert "too few" in done.stdout
    assert f"expected calibration error {found.ece:.4f}" in done.stdout
    assert "of the training list are left out: the run has learnt from it" in done.stdout
    assert {pair.cameras for pair in found.camera_pairs if pair.at_common}
    assert all((folder / "calibration" / name).is_file() for name in ("reliability.png", "det.png"))
    assert [point.fnmr for point in found.det] == sorted((point.fnmr for point in found.det), reverse=True)
    assert found.time_gaps == ()
    assert "times of images are not known" in done.stdout  # the frames of drawn images are no times
    assert not list(folder.glob("**/.calibration*"))


def test_times_of_a_list_are_measured(trained, drawn, command, tmp_path):
    folder, _ = trained
    shots = market1501.read(drawn / "synthetic" / "plaza-tiny-0").tested[0].gallery
    rows = [
        f"{shot.path},{shot.person_id},{shot.camera_id},{word},2026-11-28 09:{place % 60:02}:{shot.camera_id:02}"
        for place, shot in enumerate(shots)
        for word in (["query"] if place % 3 == 0 else ["gallery"])
        if shot.person_id > 0
    ]
    file = tmp_path / "reid.csv"
    file.write_text("\n".join(["path,person,camera,split,time", *rows]))
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    words = (f"run={run}", "dataset=csv", f"dataset.root={file}", "rates=[0.05]", "resamples=20", "camera_pairs=false")
    done = command(*words, "time_gaps=[600,1800]", cwd=tmp_path, module="reid_lit.calibrate")
    gaps = read_calibration(calibration_file(run)).time_gaps
    assert [(gap.low, gap.high) for gap in gaps] == [(0, 600), (600, 1800), (1800, None)]
    assert all(gap.at_common or gap.reason for gap in gaps)
    assert any(gap.at_common for gap in gaps)
    assert "10 min to 30 min" in done.stdout
    done = command(*words, "time_gaps=[60,60]", cwd=tmp_path, module="reid_lit.calibrate", check=False)
    assert "time_gaps=[60, 60]: give ascending seconds above 0" in done.stderr


def test_its_scores_are_those_of_load(calibrated, drawn):
    """Thresholds apply to products of what ``load`` gives: as many pairs reach them as the file says."""
    folder, _ = calibrated
    found = read_calibration(calibration_file(folder))
    embedder = load(folder)
    assert found.origin.differences(embedder.origin) == []


def test_two_images_are_matched(calibrated, drawn, command):
    folder, _ = calibrated
    images = sorted(
        path for path in (drawn / "synthetic" / "plaza-tiny-0").rglob("*") if path.suffix in (".png", ".jpg")
    )
    done = command(images[0], images[0], f"run={folder}", "fmr=0.05", cwd=folder.parent, module="reid_lit.match")
    assert done.stdout.startswith("same: ")
    assert "(score 1.00, threshold " in done.stdout
    assert "at FMR 0.05)" in done.stdout
    done = command(
        images[0], images[-1], f"run={folder}", "fmr=0.05", "json=true", cwd=folder.parent, module="reid_lit.match"
    )
    said = json.loads(done.stdout)
    one, other = load(folder)([images[0], images[-1]], normalize=True)
    assert said["score"] == pytest.approx(float(one @ other), abs=1e-5)
    assert said["answer"] in ("same", "different", "undecided")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.jpg"], "1 images are named, and 2 are compared; python -m reid_lit.match a.jpg b.jpg run="),
        (["a.jpg", "b.jpg", "c.jpg"], "3 images are named"),
        (
            ["a.jpg", "b.jpg", "fmr=0.5"],
            "fmr=0.5 was not calibrated; choose one of 0.05, or calibrate with rates=[0.5]",
        ),
        (["a.jpg", "b.jpg", "fmr=1e-5"], "fmr=1e-05 has no threshold: "),
        (["a.jpg", "b.jpg", "fmr=0.05", "prior=0"], "prior=0: give the share of pairs of one person"),
        (["a.jpg", "b.jpg", "fmr=0.05"], "a.jpg"),
    ],
)
def test_bad_words_are_refused(calibrated, command, tmp_path, words, said):
    done = command(*words, f"run={calibrated[0]}", cwd=tmp_path, module="reid_lit.match", check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_without_calibration_is_said(trained, command, tmp_path):
    done = command("a.jpg", "b.jpg", f"run={tmp_path}", cwd=tmp_path, module="reid_lit.match", check=False)
    assert "the scores of this run were not calibrated; python -m reid_lit.calibrate run=<run>" in done.stderr
    done = command("a.jpg", "b.jpg", cwd=tmp_path, module="reid_lit.match", check=False)
    assert "no run is named" in done.stderr


def test_a_calibration_of_other_weights_is_refused(calibrated, tmp_path):
    folder, _ = calibrated
    (tmp_path / "checkpoints").mkdir()
    for name in ("last.ckpt", "calibration.json"):
        (tmp_path / "checkpoints" / name).write_bytes((folder / "checkpoints" / name).read_bytes())
    (tmp_path / "config.yaml").write_bytes((folder / "config.yaml").read_bytes())
    assert matcher(tmp_path, fmr=0.05)
    file = calibration_file(tmp_path)
    found = read_calibration(file)
    replace(found, origin=replace(found.origin, model="another")).write(file)
    with pytest.raises(InputError, match=r"is of other embeddings than these .model: another and "):
        matcher(tmp_path, fmr=0.05)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "reid_lit calibration", "version": 2}', "\x00"])
def test_a_damaged_calibration_is_said(tmp_path, text):
    file = tmp_path / "calibration.json"
    with pytest.raises(MissingFileError, match="were not calibrated"):
        read_calibration(file)
    file.write_text(text)
    with pytest.raises(InputError, match="damaged, or no calibration of this version"):
        read_calibration(file)


def test_a_run_of_several_splits_is_calibrated_by_split(compose, tmp_path, monkeypatch):
    (tmp_path / "split_1").mkdir()
    words = ["dataset=viper", f"run={tmp_path}", "rates=0.01", "time_gaps=300"]
    with pytest.raises(InputError, match=r"dataset\.split_id=all: .* choose one split, such as dataset\.split_id=0"):
        calibrated_by(compose(*words, "dataset.split_id=all", config_name="calibrate"))
    measured = {}
    monkeypatch.setattr(calibration_command, "labelled_images", lambda _: (SimpleNamespace(across=True), None, {}))
    monkeypatch.setattr(
        calibration_command, "measure", lambda _, **told: measured.update(told) or of_threshold(low=0.4)
    )
    monkeypatch.setattr(calibration_command, "_draw", lambda found, folder: [folder])
    _, files = calibrated_by(compose(*words, "dataset.split_id=1", config_name="calibrate"))
    assert files == [tmp_path / "split_1" / "checkpoints" / "calibration.json", tmp_path / "split_1" / "calibration"]
    assert (measured["rates"], measured["gaps"]) == ([0.01], [300.0])
    for word, said in (("rates=high", "rates=high: give a list"), ("rates=null", "give false match rates between")):
        with pytest.raises(InputError, match=said):
            calibrated_by(compose(*words, word, config_name="calibrate"))


def test_no_number_is_written_that_is_none(tmp_path):
    calibration = of_threshold(low=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        calibration.write(tmp_path / "calibration.json")
    assert not (tmp_path / "calibration.json").exists()


def test_answers_follow_the_interval_of_the_threshold():
    calibration = of_threshold(low=0.45)
    answers = [decided(score, calibration, fmr=0.01, prior=0.5) for score in (0.44, 0.45, 0.5, 0.59, 0.6)]
    assert [each.answer for each in answers] == ["different", "undecided", "undecided", "undecided", "same"]
    assert str(answers[2]) == "undecided: 0.50 (score 0.50, threshold 0.50 at FMR 10⁻², 0.45 to 0.60)"
    assert str(answers[4]) == "same: 0.73 (score 0.60, threshold 0.50 at FMR 10⁻²)"


def shots(root, *persons):
    return tuple(Shot(root / f"{person}_{place}.png", person, place % 2) for place, person in enumerate(persons))


def test_persons_that_were_learnt_or_are_nobody_are_left_out(tmp_path):
    train, query, gallery = shots(tmp_path, 1, 1), shots(tmp_path, 5, 6), shots(tmp_path, 0, JUNK, 5, 5, 6, 7)
    split = Split(name="somewhere", train=train, query=query, gallery=gallery)
    known = known_images(split, frozenset({str(train[0].path)}), root=tmp_path)
    assert {shot.person_id for shot in known.shots} == {5, 6}
    assert known.notes == (
        "2 images of the training list are left out: the run has learnt from it",
        "3 images of persons that no query shows, and junk, are left out",
    )
    assert {shot.person_id for shot in known_images(split, frozenset(), root=tmp_path).shots} == {1, 5, 6}
    with pytest.raises(InputError, match=r"somewhere has 1 image that the run has learnt from, such as .*5_0"):
        known_images(split, frozenset({str(query[0].path)}), root=tmp_path)
    learnt = Split(name="somewhere", train=train, query=(), gallery=())
    with pytest.raises(InputError, match="has no images of known persons that the run has not learnt from"):
        known_images(learnt, frozenset({str(train[0].path)}), root=tmp_path)


def test_copies_of_what_was_learnt_are_refused_too(tmp_path):
    query, gallery = shots(tmp_path, 5, 6), shots(tmp_path, 7, 8, 5, 6)
    learnt = tmp_path / "elsewhere.png"
    for shot in (*query, *gallery):
        shot.path.write_bytes(str(shot).encode())
    learnt.write_bytes(query[0].path.read_bytes())
    split = Split(name="somewhere", train=(), query=query, gallery=gallery)
    with pytest.raises(InputError, match=r"somewhere has 1 image that the run has learnt from, such as .*5_0"):
        known_images(split, frozenset({str(learnt)}), root=tmp_path)
    train = Split(name="somewhere", train=query[:1], query=shots(tmp_path, 8, 9), gallery=shots(tmp_path, 8, 9))
    assert (
        "1 images of the training list are left out"
        in known_images(train, frozenset({str(learnt)}), root=tmp_path).notes[0]
    )
