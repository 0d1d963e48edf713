"""Same person, different ones, or undecided: the answer of a calibrated run."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from reid_lit.calibration.record import Calibration, calibration_file, read_calibration
from reid_lit.testing.embedder import AnImage
from reid_lit.testing.load import load

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Answer = Literal["same", "different", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Match:
    """What is said of two images.

    Attributes:
        answer: ``same`` above the threshold's 95 % interval, ``different`` below it, ``undecided`` inside.
        probability: P(same | score).
        score: The cosine of the two embeddings.
        threshold: The score from which on two images count as one person.
        low: Its 95 % interval.
        high: The upper end.
        fmr: The false match rate at the threshold.
    """

    answer: Answer
    probability: float
    score: float
    threshold: float
    low: float
    high: float
    fmr: float

    def __str__(self) -> str:
        """The answer in a line."""
        decided = "" if self.answer != "undecided" else f", {self.low:.2f} to {self.high:.2f}"
        return (
            f"{self.answer}: {self.probability:.2f} (score {self.score:.2f}, threshold {self.threshold:.2f} at FMR"
            f" {_rate(self.fmr)}{decided})"
        )

    def as_json(self) -> dict[str, Any]:
        """The answer in JSON's types."""
        return asdict(self)


def _rate(rate: float) -> str:
    """A rate for people.

    >>> _rate(0.001), _rate(1e-4), _rate(0.05)
    ('10⁻³', '10⁻⁴', '0.05')
    """
    number, power = f"{rate:e}".split("e-")
    return f"10⁻{power.lstrip('0').translate(_RAISED)}" if float(number) == 1 else f"{rate:g}"


def decided(score: float, calibration: Calibration, *, fmr: float, prior: float) -> Match:
    """What a score means.

    Args:
        score: A cosine.
        calibration: Of the model that made the embeddings.
        fmr: A false match rate that was calibrated.
        prior: The share of pairs of one person among those that are compared.

    Raises:
        ValueError: the rate was not calibrated, or the prior is no share.
    """
    threshold = calibration.at(fmr)
    at, low, high = (float(value) for value in (threshold.threshold, threshold.low, threshold.high))  # type: ignore[arg-type]
    answer: Answer = "same" if score >= high else "different" if score < low else "undecided"
    probability = calibration.probability(score, prior=prior)
    return Match(answer=answer, probability=probability, score=score, threshold=at, low=low, high=high, fmr=fmr)


def matcher(
    run: str | os.PathLike[str], *, fmr: float = 0.001, prior: float = 0.5, trust: bool = False
) -> Callable[[AnImage, AnImage], Match]:
    """A function that says whether two images show the same person.

    Args:
        run: The folder of a run that ``reid_lit.calibrate`` has measured.
        fmr: The false match rate whose threshold decides.
        prior: The share of pairs of one person among those that will be compared, in (0, 1).
        trust: See :func:`reid_lit.load`.

    Raises:
        FileNotFoundError: the run was not calibrated.
        ValueError: it was calibrated with other weights, another size of images or the like, or not for this rate.
    """
    folder = Path(run).expanduser()
    file = calibration_file(folder)
    calibration = read_calibration(file)
    calibration.at(fmr)
    calibration.probability(0.0, prior=prior)  # a prior that is none is refused before the model is built
    embedder = load(folder, trust=trust).of_whole_images()
    calibration.check_made_like(embedder.origin, file=file)

    def compare(one: AnImage, other: AnImage, *, color: str | None = None) -> Match:
        first, second = embedder([one, other], color=color, normalize=True)
        return decided(float(first @ second), calibration, fmr=fmr, prior=prior)

    return compare
