"""Everything that a calibration measures of some embedded images."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reid_lit.calibration.labelled import Labelled
from reid_lit.calibration.pairs import BINS, Pairs, collect
from reid_lit.calibration.probability import fit
from reid_lit.calibration.record import Calibration, CameraPair, Rated
from reid_lit.calibration.resampling import matched_share, missed_share
from reid_lit.calibration.thresholds import Threshold, equal_error, thresholds
from reid_lit.calibration.time_gaps import time_gaps, why_no_gap
from reid_lit.errors import InputError
from reid_lit.progress import Progress
from reid_lit.testing.provenance import Provenance

DET_POINTS = 200


def measure(
    images: Labelled,
    *,
    origin: Provenance,
    data: Mapping[str, Any],
    rates: Sequence[float],
    resamples: int,
    by_cameras: bool,
    gaps: Sequence[float],
    tell: Progress,
) -> Calibration:
    """Measure what the scores of ``images`` mean.

    Args:
        images: The images; their cameras are numbered from 0.
        origin: How they were embedded.
        data: What is to be said of them.
        rates: False match rates.
        resamples: How often persons are drawn for the intervals.
        by_cameras: Whether every pair of cameras is measured too.
        gaps: Seconds, ascending, that part the times between two images; pairs are measured by them too. None where
            empty.
        tell: Called with how much of a step is done, and of how much.

    Raises:
        ValueError: there are too few persons or pairs.
    """
    pairs = collect(images, rate=max(rates), tell=tell)
    at_rates = thresholds(pairs, rates, resamples=resamples, tell=tell)
    fitted = fit(pairs)
    notes = [*data.get("notes", ()), *([why] if gaps and (why := why_no_gap(images)) else [])]
    numbers = {"persons": pairs.persons, "same": len(pairs.same.score), "different": pairs.different}
    return Calibration(
        origin=origin,
        data={**data, **numbers, "resamples": resamples, "notes": notes},
        thresholds=tuple(at_rates),
        equal_error=equal_error(pairs, resamples=resamples, tell=tell),
        probability=fitted.chosen,
        log_loss=fitted.log_loss,
        ece=fitted.ece,
        levels=fitted.levels,
        det=det_curve(pairs),
        camera_pairs=_camera_pairs(images, at_rates, rates, resamples, tell) if by_cameras else (),
        time_gaps=time_gaps(images, at_rates, edges=gaps, rates=rates, resamples=resamples, tell=tell),
    )


def det_curve(pairs: Pairs) -> tuple[Rated, ...]:
    """Both rates over the threshold, at the lower ends of bins of scores, by falling threshold.

    Source: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.
    """
    different, same = pairs.counts.sum((1, 2))
    fmr = different[::-1].cumsum()[::-1] / different.sum()
    fnmr = 1 - same[::-1].cumsum()[::-1] / same.sum()
    edges = np.arange(BINS) * 2 / BINS - 1
    changes = np.flatnonzero(np.diff(fmr, append=0) + np.diff(fnmr, append=1))
    wanted = np.concatenate([np.geomspace(1 / different.sum(), 1, DET_POINTS // 2), np.linspace(0, 1, DET_POINTS // 2)])
    near = {int(changes[np.abs(fmr[changes] - rate).argmin()]) for rate in wanted} if len(changes) else set()
    return tuple(
        Rated(threshold=float(edges[place]), fmr=float(fmr[place]), fnmr=float(fnmr[place]))
        for place in sorted(near, reverse=True)
    )


def _camera_pairs(
    images: Labelled, common: Sequence[Threshold], rates: Sequence[float], resamples: int, tell: Progress
) -> tuple[CameraPair, ...]:
    cameras = images.camera.unique().tolist()
    found = []
    for pair in itertools.combinations(cameras, 2):
        shown = (pair[0] + 1, pair[1] + 1)
        try:
            pairs = collect(images.under(pair), rate=max(rates), tell=tell)
        except InputError as error:
            found.append(CameraPair(cameras=shown, reason=str(error).partition(";")[0]))
            continue
        own = thresholds(pairs, rates, resamples=resamples)
        at_common = tuple(_rated(pairs, each.threshold) for each in common if each.threshold is not None)
        found.append(
            CameraPair(
                cameras=shown,
                same=len(pairs.same.score),
                different=pairs.different,
                thresholds=tuple(own),
                at_common=at_common,
            )
        )
    return tuple(found)


def _rated(pairs: Pairs, threshold: float) -> Rated:
    return Rated(
        threshold=threshold,
        fmr=matched_share(pairs, np.ones(pairs.persons), threshold),
        fnmr=missed_share(pairs.same, np.ones(pairs.persons), threshold),
    )
