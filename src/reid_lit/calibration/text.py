"""A calibration in words and numbers, for a terminal."""

from rich.console import Console
from rich.table import Table

from reid_lit.calibration.record import Calibration, CameraPair, TimeGap
from reid_lit.calibration.thresholds import Threshold
from reid_lit.kinds import said

WORST = 10
"""Pairs of cameras that are printed; all are in the file."""


def show(calibration: Calibration, console: Console) -> None:
    """Print what was measured."""
    data = calibration.data
    counts = (
        f"{data['name']}: {data['images']:,} images of {data['persons']:,} persons under {data['cameras']} cameras;"
        f" {data['same']:,} pairs of one person and {data['different']:,} of two ({data['pairs']})"
    )
    console.print(
        said(counts),
        markup=False,
        soft_wrap=True,
    )
    for note in data["notes"]:
        console.print(said(note), markup=False, soft_wrap=True)
    table = Table("false match rate", "score from", "95 % interval", "false non-match rate", "95 % interval")
    for threshold in calibration.thresholds:
        table.add_row(*_row(f"{threshold.fmr:g}", threshold))
    equal = calibration.equal_error
    table.add_row(*_row(f"{equal.fmr:.2%} (equal)", equal))
    console.print(table)
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in calibration.log_loss.items())
    fitted = (
        f"P(same | score): {calibration.probability.method}, by the log loss on persons left out ({losses});"
        f" expected calibration error {calibration.ece:.4f}, for comparisons of which half show one person"
    )
    console.print(said(fitted), soft_wrap=True)
    if calibration.camera_pairs:
        _show_cameras(calibration, console)
    if calibration.time_gaps:
        _show_gaps(calibration, console)


def _row(name: str, threshold: Threshold) -> list[str]:
    if threshold.threshold is None:
        return [name, "–", said(threshold.reason), "", ""]
    own = [name, f"{threshold.threshold:.4f}", f"{threshold.low:.4f} to {threshold.high:.4f}"]
    if threshold.fnmr is None:
        return [*own, "–", said(threshold.reason)]
    return [*own, f"{threshold.fnmr:.2%}", f"{threshold.fnmr_low:.2%} to {threshold.fnmr_high:.2%}"]


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


def _show_gaps(calibration: Calibration, console: Console) -> None:
    """The lowest rate for which some range of time has pairs enough."""
    rates = [each.fmr for each in calibration.thresholds if each.threshold is not None]
    if not rates:
        return
    gaps = [gap for gap in calibration.time_gaps if not gap.reason]
    measured = [place for place in range(len(rates)) if any(gap.at_common[place].fmr is not None for gap in gaps)]
    place = measured[-1] if measured else 0
    table = Table(
        "time between",
        "pairs of one, of two",
        f"false matches at the score for {rates[place]:g}",
        "false non-matches",
        f"own score for {rates[place]:g}",
    )
    for gap in calibration.time_gaps:
        table.add_row(*_gap_row(gap, place, rates[place]))
    table.caption = "95 % intervals in brackets; –: too few pairs, said in the file"
    console.print(table)


def _gap_row(gap: TimeGap, place: int, rate: float) -> list[str]:
    name = f"{duration(gap.low)} to {duration(gap.high)}" if gap.high is not None else f"{duration(gap.low)} or more"
    numbers = f"{gap.same:,}, {gap.different:,}"
    if gap.reason:
        return [name, numbers, said(gap.reason), "–", "–"]
    at = gap.at_common[place]
    own = next(each for each in gap.thresholds if each.fmr == rate)
    return [
        name,
        numbers,
        "–" if at.fmr is None else f"{at.fmr:.2g} ({at.fmr_low:.2g} to {at.fmr_high:.2g})",
        "–" if at.fnmr is None else f"{at.fnmr:.2%} ({at.fnmr_low:.2%} to {at.fnmr_high:.2%})",
        "–" if own.threshold is None else f"{own.threshold:.4f} ({own.low:.4f} to {own.high:.4f})",
    ]


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(0), duration(90), duration(600), duration(7200), duration(86400)
    ('0 s', '90 s', '10 min', '2 h', '1 d')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
