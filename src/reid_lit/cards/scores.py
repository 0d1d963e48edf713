"""The tests of a run and of its evaluations, and its calibration, as its files have them."""

from pathlib import Path
from typing import Any

from reid_lit.run.folder import Run, read_json

CALIBRATION = "reid_lit calibration"
"""The format of ``calibration.json``; what writes it imports torch, which a card does without."""
_KEPT = ("dataset", "scores", "deviations", "splits", "stamp", "details")
_POINT = ("fmr", "threshold", "low", "high", "fnmr", "fnmr_low", "fnmr_high", "reason")


def evaluations(folder: Path) -> list[Path]:
    """The folders of the evaluations of a run that have results."""
    return sorted(file.parent for file in folder.glob("evaluate/*/metrics.json"))


def tests_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of results of a run, then those of its evaluations, each with where it stands."""
    found = []
    for place in (folder, *evaluations(folder)):
        for result in Run(place).metrics().get("results", []):
            row = {key: result[key] for key in _KEPT if key in result}
            details = row.pop("details", {})
            if "bootstrap" in details:
                row["details"] = {"bootstrap": details["bootstrap"]}
            found.append({"folder": "." if place == folder else place.relative_to(folder).as_posix()} | row)
    return found


def calibration_of(folder: Path) -> dict[str, Any] | None:
    """The thresholds, errors and persons of ``calibration.json``; None where there is none of ours."""
    content = read_json(folder / "checkpoints" / "calibration.json")
    if not isinstance(content, dict) or content.get("format") != CALIBRATION:
        return None
    pairs = [pair for pair in content.get("camera_pairs", []) if pair.get("at_common")]
    return {
        "model": content.get("origin", {}).get("model"),
        "data": content.get("data", {}),
        "thresholds": [_point(point) for point in content.get("thresholds", [])],
        "equal_error": _point(content.get("equal_error", {})),
        "method": content.get("probability", {}).get("method"),
        "ece": content.get("ece"),
        "worst_cameras": _worst(pairs),
        "time_gaps": [_gap(gap) for gap in content.get("time_gaps", [])],
    }


def _point(content: dict[str, Any]) -> dict[str, Any]:
    values = {key: content.get(key) for key in _POINT}
    return {key: None if isinstance(value, float) and value != value else value for key, value in values.items()}


def _gap(content: dict[str, Any]) -> dict[str, Any]:
    """Seconds between two images, pairs, and both rates at the threshold of the lowest rate."""
    kept = {key: content.get(key) for key in ("low", "high", "same", "different", "reason")}
    return kept | {"at": (content.get("at_common") or [None])[-1]}


def _worst(pairs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The pair of cameras with most false matches at the threshold of the lowest rate."""
    if not pairs:
        return None
    pair = max(pairs, key=lambda pair: pair["at_common"][-1]["fmr"])
    return {"cameras": pair["cameras"], "pairs": len(pairs)} | pair["at_common"][-1]
