"""Every score by its name: how people read it, its unit, and which reports show it.

A new score needs a line in the function that computes it and an entry in :data:`METRICS`; all reports follow.
"""

import re
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Literal

LEVEL = 0.95
"""Of all confidence intervals."""

ND = "_nd"
"""How the name of a score ends that was measured without the query's camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A score of ``metrics.json``.

    Attributes:
        key: Its name there. ``{}`` stands for a number: ``rank{}`` is the entry of ``rank1``, ``rank2`` and so on.
        label: Its name for people; with ``{}`` where the key has it.
        unit: ``percent``: a share in [0, 1], shown in %. ``ratio``: shown × 100 next to shares, else as it is.
        higher_is_better: Whether a higher score is a better one.
        without_camera: Whether it is measured once more with everything of the query's camera removed; that score's
            key ends in ``_nd``.
        table: Where a run prints it: ``always``: a column of the table of scores; ``measured``: such a column where a
            result has it; ``points``: a line of the table of operating points; ``never``: in files and pages alone.
        main: Whether it is one of the few that titles, overviews and oracles name.
        charted: Whether dashboards draw its curve over a training.
    """

    key: str
    label: str
    unit: Literal["percent", "ratio"] = "percent"
    higher_is_better: bool = True
    without_camera: bool = False
    table: Literal["always", "measured", "points", "never"] = "measured"
    main: bool = False
    charted: bool = True


METRICS: list[Metric] = [
    Metric(key="rank1", label="rank-1", without_camera=True, table="always", main=True),
    Metric(key="rank5", label="rank-5", table="always", charted=False),
    Metric(key="rank10", label="rank-10", table="always", charted=False),
    Metric(key="rank{}", label="rank-{}", table="never", charted=False),
    Metric(key="mAP", label="mAP", without_camera=True, table="always", main=True),
    Metric(key="mINP", label="mINP", table="always"),
    Metric(key="R", label="R", unit="ratio", higher_is_better=False, charted=False),
    Metric(key="tpr@fpr={}", label="TPR at FPR {}", table="points", charted=False),
    Metric(key="fnmr@fmr={}", label="FNMR at FMR {}", higher_is_better=False, table="points", charted=False),
    Metric(key="eer", label="equal error rate", higher_is_better=False, table="points", charted=False),
    Metric(key="dir@far={}", label="DIR at FAR {}", table="points", charted=False),
    Metric(key="fnir@fpir={}", label="FNIR at FPIR {}", higher_is_better=False, table="points", charted=False),
]
"""In the order of the columns."""


def find(key: str) -> Metric | None:
    """The entry of a score, with the numbers of its key and label filled in; None without one.

    >>> find("tpr@fpr=0.01").label, find("rank20").label, find("mAP_nd").label, find("images")
    ('TPR at FPR 0.01', 'rank-20', 'mAP-nd', None)
    """
    if key.endswith(ND):
        whole = find(key.removesuffix(ND))
        if whole is None or not whole.without_camera:
            return None
        return replace(whole, key=key, label=f"{whole.label}-nd", without_camera=False, table="never", main=False)
    for metric in METRICS:
        if metric.key == key:
            return metric
    for family in METRICS:
        if member := _filled(family, key):
            return member
    return None


def _filled(family: Metric, key: str) -> Metric | None:
    """A family's entry for one of its keys; None for any other key."""
    before, hole, after = family.key.partition("{}")
    match = re.fullmatch(rf"{re.escape(before)}(\d[\d.e+-]*){re.escape(after)}", key) if hole else None
    return replace(family, key=key, label=family.label.format(match[1])) if match else None


def names() -> list[str]:
    """The keys of all scores, ``_nd`` forms included; families with their ``{}``."""
    return [*(metric.key for metric in METRICS), *(f"{metric.key}{ND}" for metric in METRICS if metric.without_camera)]


def label(key: str) -> str:
    """A score's name for people; its key where it has no entry.

    >>> label("rank1"), label("rank1_nd"), label("R"), label("images")
    ('rank-1', 'rank-1-nd', 'R', 'images')
    """
    metric = find(key)
    return key if metric is None else metric.label


def heading(key: str) -> str:
    """A score's name above numbers that are all multiplied by 100.

    >>> heading("mAP"), heading("R")
    ('mAP', 'R × 100')
    """
    return f"{label(key)} × 100" if is_ratio(key) else label(key)


def is_ratio(key: str) -> bool:
    """Whether a score is a ratio and no share, so that it has no %."""
    metric = find(key)
    return metric is not None and metric.unit == "ratio"


def has_nd(key: str) -> bool:
    """Whether a score is measured once more without the query's camera."""
    metric = find(key)
    return metric is not None and metric.without_camera


def columns(measured: Container[str]) -> list[str]:
    """The scores that stand in a table of scores.

    >>> columns({"mAP", "R", "eer"})
    ['rank1', 'rank5', 'rank10', 'mAP', 'mINP', 'R']

    Args:
        measured: Keys of the scores that any result has.
    """
    return [
        metric.key
        for metric in METRICS
        if metric.table == "always" or (metric.table == "measured" and metric.key in measured)
    ]


def main_scores() -> list[str]:
    """The scores that titles and overviews name."""
    return [metric.key for metric in METRICS if metric.main]


def charted_scores() -> list[str]:
    """The scores whose curves dashboards draw."""
    return [metric.key for metric in METRICS if metric.charted]
