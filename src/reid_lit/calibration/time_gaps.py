"""Whether the score of two images depends on the time between them."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from reid_lit.calibration.labelled import Labelled
from reid_lit.calibration.pairs import Pairs, collect
from reid_lit.calibration.record import AtThreshold, TimeGap
from reid_lit.calibration.resampling import (
    drawn_persons,
    matched_share,
    middle,
    missed_share,
    scaled_interval,
    spread_scale,
)
from reid_lit.calibration.thresholds import LEAST_FALSE_MATCHES, Threshold, thresholds, too_few_persons
from reid_lit.errors import InputError
from reid_lit.progress import Progress, untold


def time_gaps(
    images: Labelled,
    common: Sequence[Threshold],
    *,
    edges: Sequence[float],
    rates: Sequence[float],
    resamples: int,
    tell: Progress = untold,
) -> tuple[TimeGap, ...]:
    """What holds between images that were taken so long after each other, for each range between two edges.

    A gap is known between two images of one clock. Nothing is measured where none is, see :func:`why_no_gap`.

    Args:
        images: The images.
        common: The thresholds of all pairs.
        edges: Seconds, ascending; the last range has no end.
        rates: False match rates.
        resamples: How often persons are drawn.
        tell: Called with how much of a step is done, and of how much.
    """
    timed = comparable(images)
    if not edges or not len(timed.person):
        return ()
    found = []
    for low, high in itertools.pairwise((0.0, *edges, float("inf"))):
        gap = TimeGap(low=low, high=None if high == float("inf") else high)
        try:
            pairs = collect(replace(timed, gap=(low, high)), rate=max(rates), tell=tell)
        except InputError as error:
            found.append(replace(gap, reason=str(error).partition(";")[0]))
            continue
        measured = [each for each in common if each.threshold is not None]
        found.append(
            replace(
                gap,
                same=len(pairs.same.score),
                different=pairs.different,
                thresholds=tuple(thresholds(pairs, rates, resamples=resamples)),
                at_common=tuple(_at(pairs, each, resamples) for each in measured),
            )
        )
    return tuple(found)


def comparable(images: Labelled) -> Labelled:
    """The images whose clock has another one that they may be compared with."""
    if images.clock is None:
        return images.part(torch.zeros_like(images.person, dtype=torch.bool))
    key = images.camera if images.across else torch.arange(len(images.person))
    kinds = torch.stack([images.clock, key]).unique(dim=1)[0]
    clocks, number = kinds.unique(return_counts=True)
    return images.part((images.clock >= 0) & torch.isin(images.clock, clocks[number > 1]))


def why_no_gap(images: Labelled) -> str:
    """Why the time between any two images is not known; empty where some is."""
    if images.clock is None or bool((images.clock < 0).all()):
        return "times of images are not known (dataset=csv reads them from a column time), so no gaps of time"
    if len(comparable(images).person):
        return ""
    if images.across and len(comparable(replace(images, across=False)).person):
        return "no gaps of time: two cameras have no common clock; pairs=all compares images of one camera too"
    return "no gaps of time: no two images have times of one clock"


def _at(pairs: Pairs, common: Threshold, resamples: int) -> AtThreshold:
    """What a threshold gives for some pairs, with intervals as in :func:`.thresholds.thresholds`."""
    threshold = float(common.threshold)  # type: ignore[arg-type]  # one that was measured
    found = AtThreshold(threshold=threshold)
    drawn = [
        (matched_share(pairs, weight, threshold), missed_share(pairs.same, weight, threshold))
        for weight in drawn_persons(pairs, resamples, untold)
    ]
    matched, missed = np.array(drawn).T
    everyone = np.ones(pairs.persons)
    reasons = []
    if pairs.different * common.fmr >= LEAST_FALSE_MATCHES:
        rate = matched_share(pairs, everyone, threshold)
        low, high = scaled_interval(matched, rate, spread_scale(pairs, threshold, of_same=False))
        found = replace(found, fmr=rate, fmr_low=max(low, 0.0), fmr_high=min(high, 1.0))
    else:
        needed = int(np.ceil(LEAST_FALSE_MATCHES / common.fmr))
        reasons.append(f"{pairs.different:,} pairs of two persons are too few for this rate, which needs {needed:,}")
    if few := too_few_persons(pairs.same):
        reasons.append(few)
    else:
        low, high = middle(missed)
        rate = missed_share(pairs.same, everyone, threshold)
        found = replace(found, fnmr=rate, fnmr_low=low, fnmr_high=high)
    return replace(found, reason="; ".join(reasons))
