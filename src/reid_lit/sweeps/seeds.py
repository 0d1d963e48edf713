"""One number out of several trainings."""

import statistics
from collections.abc import Mapping, Sequence


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Mean, standard deviation (of a sample; None of a single value) and number."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values)}


def over_seeds(scores: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | int | None]]:
    """The spread of each score that all seeds have.

    >>> over_seeds([{"mAP": 0.25}, {"mAP": 0.75}])["mAP"]["mean"]
    0.5
    """
    shared = [key for key in scores[0] if all(key in run for run in scores)] if scores else []
    return {key: spread([run[key] for run in scores]) for key in shared}
