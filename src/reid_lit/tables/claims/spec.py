"""What a paper claims, ``experiments/claims/<paper>.yaml``: comparisons between rows of the tables, as data.

A file has ``paper``, ``source`` and ``claims``. A claim has

- ``id``, ``place`` (where in the paper) and ``says`` (in words);
- ``kind``: ``order`` (left minus right is above 0, or above ``beyond``), ``equivalent`` (left minus right is within
  ± ``margin``) or ``falls`` (a score falls from each row of ``series`` to the next);
- ``left`` and ``right``, or ``series``. A side is a row, ``<paper>/<table>/<row>``; ``{row, part}``, a part of what a
  row's run leaves (``f_t``, ``f_i``); or ``{gain: row, over: row}``, the difference of two rows. Where ``right`` is a
  list, left is compared with each;
- ``metrics``: the scores that it is about, keys of the catalogue, or measures of :data:`MEASURES`;
- ``published``: for each label of the tables' size paper the printed difference of each score, in points (hundredths of
  a score; R and measures as they are), a list where there are several comparisons, with null where the paper has no
  number; ``{}`` where the paper prints none;
- ``only``: the labels that it is about, where these are not all that its rows have; a ``note``;
- a size (``real``, ``laptop``) with other sides for that size.

What a claim is measured on follows from the tables: on each label that all of its rows have in a size; where they share
none and each has one, on these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reid_lit.evaluation import catalogue

MEASURES = {
    "norm_variation": "standard deviation / mean of norms",
    "triplet_rise": "rise of the triplet loss",
    "epochs_to_mAP": "epochs to an mAP",
}
"""What a claim may be about beside scores, with the words for it; see :mod:`reid_lit.tables.claims.measures`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        table: ``<paper>/<table>``.
        name: The row's name there.
        part: ``f_t`` or ``f_i``, for a measure that is of a part; empty: of the whole run.
    """

    table: str
    name: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.table}/{self.name}" + (f" ({self.part})" if self.part else "")


Terms = tuple[tuple[int, Row], ...]
"""A comparison: rows with +1 or −1; the sum of their scores is what is claimed to be above 0, or near it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim.

    Attributes:
        id: Its name.
        paper: Whose it is.
        source: The paper, as its tables cite it.
        place: Where it stands there.
        says: What it says.
        kind: ``order``, ``equivalent`` or ``falls``.
        comparisons: By size, what is compared; several where the claim is about each of them.
        metrics: The scores, or measures, that it is about.
        published: By label and score, the printed difference of each comparison, in points; None: not printed.
        bound: What an order is to be above, in points; 0 but for claims of at least so much.
        margin: How far apart is still equivalent, in points; 0 for other kinds.
        only: The labels of the paper that it is about; empty: all.
        note: What else is to be known.
    """

    id: str
    paper: str
    source: str
    place: str
    says: str
    kind: Literal["order", "equivalent", "falls"]
    comparisons: Mapping[str, tuple[Terms, ...]]
    metrics: tuple[str, ...]
    published: Mapping[str, Mapping[str, tuple[float | None, ...]]]
    bound: float = 0.0
    margin: float = 0.0
    only: tuple[str, ...] = field(default=())
    note: str = ""

    def rows(self, size: str) -> list[Row]:
        """The rows that it compares in a size, each once."""
        return list(dict.fromkeys(row for terms in self.comparisons[size] for _, row in terms))


def points(metric: str, score: float) -> float:
    """A score in the unit of claims: hundredths; a ratio and a measure as they are.

    >>> points("mAP", 0.25), points("R", 0.4)
    (25.0, 0.4)
    """
    return score if metric in MEASURES or catalogue.is_ratio(metric) else 100 * score


def words_for(metric: str) -> str:
    """What a score or a measure is called.

    >>> words_for("rank1"), words_for("epochs_to_mAP")
    ('rank-1', 'epochs to an mAP')
    """
    return MEASURES.get(metric) or catalogue.label(metric)
