"""A calibration in words and numbers, for a terminal."""

from rich.console import Console
from rich.table import Table

from reid_lit.calibration.record import Calibration, CameraPair
from reid_lit.calibration.thresholds import Threshold

WORST = 10
"""Pairs of cameras that are printed; all are in the file."""


def show(calibration: Calibration, console: Console) -> None:
    """Print what was measured."""
    data = calibration.data
    console.print(
        f"{data['name']}: {data['images']:,} images of {data['persons']:,} persons under {data['cameras']} cameras;"
        f" {data['same']:,} pairs of one person and {data['different']:,} of two ({data['pairs']})",
        markup=False,
        soft_wrap=True,
    )
    for note in data["notes"]:
        console.print(note, markup=False, soft_wrap=True)
    table = Table("false match rate", "score from", "95 % interval", "false non-match rate", "95 % interval")
    for threshold in calibration.thresholds:
        table.add_row(*_row(f"{threshold.fmr:g}", threshold))
    equal = calibration.equal_error
    table.add_row(*_row(f"{equal.fmr:.2%} (equal)", equal))
    console.print(table)
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in calibration.log_loss.items())
    console.print(
        f"P(same | score): {calibration.probability.method}, by the log loss on persons left out ({losses});"
        f" expected calibration error {calibration.ece:.4f}, for comparisons of which half show one person",
        soft_wrap=True,
    )
    if calibration.camera_pairs:
        _show_cameras(calibration, console)


def _row(name: str, threshold: Threshold) -> list[str]:
    if threshold.threshold is None:
        return [name, "–", threshold.reason, "", ""]
    return [
        name,
        f"{threshold.threshold:.4f}",
        f"{threshold.low:.4f} to {threshold.high:.4f}",
        f"{threshold.fnmr:.2%}",
        f"{threshold.fnmr_low:.2%} to {threshold.fnmr_high:.2%}",
    ]


def _show_cameras(calibration: Calibration, console: Console) -> None:
    measured = [pair for pair in calibration.camera_pairs if pair.at_common]
    worst = sorted(measured, key=lambda pair: -pair.at_common[-1].fmr)[:WORST]
    rates = [each.fmr for each in calibration.thresholds if each.threshold is not None]
    if not worst or not rates:
        return
    table = Table(
        "cameras", "pairs of one, of two", f"false matches at the score for {rates[-1]:g}", "false non-matches"
    )
    for pair in worst:
        table.add_row(*_camera_row(pair))
    more = len(calibration.camera_pairs) - len(worst)
    table.caption = f"most false matches first; {more} more in the file" if more else "most false matches first"
    console.print(table)


def _camera_row(pair: CameraPair) -> list[str]:
    at = pair.at_common[-1]
    first, second = pair.cameras
    return [f"{first} and {second}", f"{pair.same:,}, {pair.different:,}", f"{at.fmr:.2g}", f"{at.fnmr:.2%}"]
