"""What an answer does not show where the policy withholds what is no match."""

from collections.abc import Sequence
from dataclasses import replace

from reid_lit.calibration.record import Calibration
from reid_lit.errors import InputError
from reid_lit.gallery.answers import Found, Withheld


def withheld(found: Sequence[Found], calibration: Calibration | None) -> list[Found]:
    """Answers without the rows whose score is no match, whatever rate was asked for.

    The threshold is that of the usual rate, or of the query's where it is higher: a query cannot lower it.

    Raises:
        ValueError: the run was not calibrated.
    """
    if calibration is None:
        raise InputError(
            "below_threshold=withheld: the run was not calibrated, and no score is known to be a match;"
            " python -m reid_lit.calibrate measures it, or write below_threshold: shown into the policy"
        )
    usual = calibration.rate(None)
    lowest = float(calibration.at(usual).threshold)  # type: ignore[arg-type]
    return [_withheld(answer, lowest, usual) for answer in found]


def _withheld(answer: Found, lowest: float, rate: float) -> Found:
    threshold, fmr = lowest, rate
    match = next((hit.match for hit in answer.hits if hit.match is not None), None)
    if match is not None and match.threshold > lowest:
        threshold, fmr = match.threshold, match.fmr
    kept = tuple(hit for hit in answer.hits if hit.score >= threshold)
    left_out = len(answer.hits) - len(kept)
    return replace(answer, hits=kept, withheld=Withheld(number=left_out, threshold=threshold, fmr=fmr))
