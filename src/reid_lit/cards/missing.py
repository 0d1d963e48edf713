"""What a card does not say, and what would make it say it."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def missing(content: Mapping[str, Any], why_not: str = "") -> list[str]:
    """What is not known of a run, in plain words.

    Args:
        content: Of the card.
        why_not: Why the model was not built, where it was not.
    """
    return [*_said(content), *_model(content, why_not), *_tests(content), *_groups(content), *_calibration(content)]


def _said(content: Mapping[str, Any]) -> Iterator[str]:
    said = content["said"]
    if not said["contact"]:
        yield "Who answers for the model: `contact=` says it."
    if not said["licence"]:
        yield "By which licence the weights are given: `licence=` says it, after the terms of the data sets were read."
    if not said["own_data"] and any(entry["status"] == "own" for entry in content["data"]):
        yield "On what grounds the people in its own images were recorded: `own_data=` says it."


def _model(content: Mapping[str, Any], why_not: str) -> Iterator[str]:
    if content["weights"] is None:
        yield "No weights: the folder has no checkpoint of its own (a run of several splits has one in each)."
    if content["measured"] is None:
        why = f": {why_not}" if why_not else ""
        yield f"Dimension, number of parameters and hash of the weights: the model was not built{why}."
    if not content["training"]["commands"]:
        yield "Command and versions: the run kept no environment.json."
    if content["lineage"]["images"] is None:
        yield "The images that it learnt from: the run kept no training_list.txt."
    for entry in content["lineage"]["runs"]:
        if entry["name"] is None:
            yield f"What {entry['from']}, which it starts from, learnt from: it is no run's folder that is there."


def _tests(content: Mapping[str, Any]) -> Iterator[str]:
    tests = content["tests"]
    if not tests:
        yield "Not tested: there are no scores. `python -m reid_lit.evaluate run=… test_on=[…]` adds some."
        return
    learnt = {name for name, role in content["used"] if role not in ("tested on", "calibrated on")}
    if all(_is_among(test["dataset"], learnt) for test in tests):
        yield "Tested on no other data sets than those that it learnt from: how it does at another place is not known."
    if not any("details" in test for test in tests) and not content["groups"]:
        yield "Intervals of the scores: the tests drew none (evaluation.bootstrap=0)."


def _is_among(test: str, learnt: Collection[str]) -> bool:
    """Whether a test is of a data set that was learnt from: ``viper_a_to_b`` is of ``viper``."""
    return any(test == name or test.startswith(f"{name}_") for name in learnt)


def _groups(content: Mapping[str, Any]) -> Iterator[str]:
    if content["tests"] and not content["groups"]:
        yield "No scores by group: the tests kept no rankings.json (callbacks.pictures.rankings=0)."
    elif content["tests"] and not any(name != "camera" for each in content["groups"] for name in each["columns"]):
        yield (
            "No scores by group of people: no attributes of the persons were given, so whether it does worse for some"
            " of them is not known. `python -m reid_lit.card run=… attributes=persons.csv` adds them."
        )


def _calibration(content: Mapping[str, Any]) -> Iterator[str]:
    calibration, measured = content["calibration"], content["measured"]
    if calibration is None:
        yield (
            "Not calibrated: no score is known to mean that two images show one person, so none must be taken to say"
            " so. `python -m reid_lit.calibrate run=…` adds it."
        )
    elif measured is None:
        yield "Whether the calibration is of these weights: the model was not built."
    elif calibration["model"] != measured["sha256"]:
        yield "A valid calibration: the one that is there is of other weights. Calibrate anew."
