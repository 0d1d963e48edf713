"""The alarm that stops an adaptation whose features have collapsed."""

from collections.abc import Mapping
from dataclasses import dataclass

from reid_lit.errors import FailedError, InputError

_WORDS = {
    "rank": "has effective rank {value:.3g}",
    "spread": "spreads by {value:.3g} around its mean",
    "dead": "has {value:.1%} dead dimensions",
}
_NONFINITE = "_nonfinite"

_FALL = 0.9
"""A figure has fallen that is at most this share of what it was before training."""


class Collapse(FailedError):  # noqa: N818 - what it is; no error of the program
    """The features of a domain have collapsed; the message says which, how far, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a domain's shared feature; None watches no limit.

    Attributes:
        rank: The least effective rank.
        spread: The least spread, in [0, 1].
        dead: The largest share of dead dimensions, in [0, 1].

    Raises:
        ValueError: a limit is out of range.
    """

    rank: float | None
    spread: float | None
    dead: float | None

    def __post_init__(self) -> None:
        for name, top in (("rank", float("inf")), ("spread", 1), ("dead", 1)):
            limit = getattr(self, name)
            if limit is not None and not 0 <= limit <= top:
                raise InputError(f"{name}={limit}: give a number in [0, {top}], or null")

    def check(
        self, figures: Mapping[str, int | float], before: Mapping[str, int | float], *, epoch: int, cure: str
    ) -> None:
        """Raise Collapse if training brought a figure beyond a limit, or features are no numbers.

        Args:
            figures: ``<domain>_<figure>``: what was measured.
            before: The same before training.
            epoch: Counted from 1.
            cure: Which settings of the model to change, in words.

        Raises:
            Collapse: a figure is beyond its limit.
        """
        for name, value in figures.items():
            domain, _, figure = name.partition("_")
            if name.endswith(_NONFINITE):
                raise Collapse(
                    f"{value:.1%} of the shared features of the {domain} are infinite or no number at epoch {epoch};"
                    f" the last checkpoint stays. Lower optimizer.lr, or set trainer.precision=32-true"
                )
            limit = getattr(self, figure) if figure in _WORDS else None
            if limit is not None and _is_beyond(figure, value, limit, before.get(name)):
                was = f" (it was {before[name]:.3g} before training)" if name in before else ""
                raise Collapse(
                    f"the shared feature of the {domain} {_WORDS[figure].format(value=value)} at epoch {epoch}{was}:"
                    f" beyond the limit {figure}={limit}, it hardly differs between images. The last checkpoint stays."
                    f" {cure}; or set callbacks.health.limits.{figure}=null to go on"
                )


def _is_beyond(figure: str, value: float, limit: float, before: float | None) -> bool:
    """Whether a figure is beyond its limit, and training brought it there: a model may start narrow."""
    if figure == "dead":
        return value > limit and (before is None or value > before)
    return value < limit and (before is None or value <= _FALL * before)
