"""``calibration.json``: what scores of a run mean, bound to its weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_lit.calibration.probability import Level, Probability
from reid_lit.calibration.thresholds import Threshold
from reid_lit.errors import InputError, MissingFileError
from reid_lit.kinds import read_kind, speak_of
from reid_lit.paths import write_text
from reid_lit.testing.provenance import Provenance

FORMAT = "reid_lit calibration"
VERSION = 1
USUAL_RATE = 0.001
"""The false match rate whose threshold decides where none is asked for."""
CALIBRATE = "python -m reid_lit.calibrate run=<run> dataset=<labelled images> writes it"


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A point of the DET curve.

    Attributes:
        threshold: A score.
        fmr: The share of pairs of two persons with this score or a higher one.
        fnmr: The share of pairs of one person below it.
    """

    threshold: float
    fmr: float
    fnmr: float


@dataclass(frozen=True, kw_only=True)
class CameraPair:
    """What holds between two cameras.

    Attributes:
        cameras: Their numbers, counted from 1 as in file names.
        same: Number of pairs of one person.
        different: Number of pairs of two.
        thresholds: The thresholds of these pairs alone.
        at_common: By the rates of the common thresholds, what these give here.
        reason: Why nothing was measured.
    """

    cameras: tuple[int, int]
    same: int = 0
    different: int = 0
    thresholds: tuple[Threshold, ...] = ()
    at_common: tuple[Rated, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class AtThreshold:
    """What a threshold gives for some pairs.

    Attributes:
        threshold: The score.
        fmr: The share of their pairs of two persons with this score or a higher one; None where they are too few.
        fmr_low: Its 95 % interval, from other persons.
        fmr_high: The upper end.
        fnmr: The share of their pairs of one person below it; None where they are too few.
        fnmr_low: Its 95 % interval.
        fnmr_high: The upper end.
        reason: Why a share is None.
    """

    threshold: float
    fmr: float | None = None
    fmr_low: float | None = None
    fmr_high: float | None = None
    fnmr: float | None = None
    fnmr_low: float | None = None
    fnmr_high: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class TimeGap:
    """What holds between images that were taken so long after each other.

    Attributes:
        low: The least time between them, in seconds.
        high: The time that it is below; None: without end.
        same: Number of pairs of one person.
        different: Number of pairs of two.
        thresholds: The thresholds of these pairs alone.
        at_common: By the rates of the common thresholds, what these give here.
        reason: Why nothing was measured.
    """

    low: float
    high: float | None
    same: int = 0
    different: int = 0
    thresholds: tuple[Threshold, ...] = ()
    at_common: tuple[AtThreshold, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the scores of a run mean.

    Attributes:
        origin: How the embeddings were made; the scores of others mean something else.
        data: Of what it was measured: name, kind, images, persons, cameras, pairs, and which pairs.
        thresholds: For each false match rate asked for.
        equal_error: Where both rates are equal.
        probability: P(same | score).
        log_loss: By method, on persons left out.
        ece: Expected calibration error on persons left out.
        levels: The reliability diagram.
        det: The DET curve, by falling threshold.
        camera_pairs: By two cameras.
        time_gaps: By the time between two images, where it is known.
    """

    origin: Provenance
    data: Mapping[str, Any]
    thresholds: tuple[Threshold, ...]
    equal_error: Threshold
    probability: Probability
    log_loss: Mapping[str, float]
    ece: float
    levels: tuple[Level, ...]
    det: tuple[Rated, ...]
    camera_pairs: tuple[CameraPair, ...] = ()
    time_gaps: tuple[TimeGap, ...] = ()

    def write(self, file: Path) -> Path:
        """Write it as JSON, whole or not at all."""
        return write_text(
            file, json.dumps({"format": FORMAT, "version": VERSION} | asdict(self), indent=1, allow_nan=False) + "\n"
        )

    def at(self, rate: float) -> Threshold:
        """The threshold for a false match rate.

        Raises:
            ValueError: it was not measured, or the pairs were too few for it.
        """
        found = next((each for each in self.thresholds if each.fmr == rate), None)
        rates = ", ".join(f"{each.fmr:g}" for each in self.thresholds if each.threshold is not None)
        if found is None:
            raise InputError(
                f"fmr={rate:g} was not calibrated; choose one of {rates}, or calibrate with rates=[{rate:g}]"
            )
        if found.threshold is None:
            raise InputError(f"fmr={rate:g} has no threshold: {found.reason}; there are {rates or 'none'}")
        return found

    def rate(self, asked: float | None) -> float:
        """A false match rate that has a threshold: the one that is asked for; else 0.001, or the next higher one.

        Raises:
            ValueError: see :meth:`at`.
        """
        if asked is None:
            there = [each.fmr for each in self.thresholds if each.threshold is not None]
            asked = min((rate for rate in there if rate >= USUAL_RATE), default=max(there, default=USUAL_RATE))
        return self.at(asked).fmr

    def check_made_like(self, origin: Provenance, *, file: Path) -> None:
        """Refuse embeddings that were made in another way.

        Raises:
            ValueError: the weights, the size of the images or something else differs.
        """
        differences = self.origin.differences(origin)
        if differences:
            raise InputError(
                f"{file} is of other embeddings than these ({'; '.join(differences)}): its thresholds say nothing of"
                f" them; {CALIBRATE} anew"
            )


def calibration_file(run: Path) -> Path:
    """Where the calibration of a run lies: beside its checkpoint, which may be given for the run."""
    return (run.parent if run.is_file() else run / "checkpoints") / "calibration.json"


def read_calibration(file: Path) -> Calibration:
    """Read a calibration; messages speak of what it was measured of from now on.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is damaged or none of ours.
    """
    if not file.is_file():
        raise MissingFileError(f"no {file.resolve()}: the scores of this run were not calibrated; {CALIBRATE}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT or content.pop("version") != VERSION:
            raise InputError("another format or version")
        found = _calibration(content)
        if "kind" in found.data:  # calibrations of before do not say it
            speak_of(read_kind(found.data["kind"]))
        return found
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: damaged, or no calibration of this version ({error}); {CALIBRATE} anew") from error


def _calibration(content: Mapping[str, Any]) -> Calibration:
    parts = dict(content)
    parts["origin"] = Provenance.from_json(parts["origin"])
    parts["probability"] = Probability.from_json(parts["probability"])
    parts["equal_error"] = Threshold(**parts["equal_error"])
    parts["thresholds"] = _all(Threshold, parts["thresholds"])
    parts["levels"], parts["det"] = _all(Level, parts["levels"]), _all(Rated, parts["det"])
    pairs = [pair | {"cameras": tuple(pair["cameras"])} | _measured(pair, Rated) for pair in parts["camera_pairs"]]
    parts["camera_pairs"] = _all(CameraPair, pairs)
    gaps = parts.get("time_gaps", ())  # calibrations of before have none
    parts["time_gaps"] = _all(TimeGap, [gap | _measured(gap, AtThreshold) for gap in gaps])
    return Calibration(**parts)


def _measured(part: Mapping[str, Any], at_common: Any) -> dict[str, Any]:
    return {"thresholds": _all(Threshold, part["thresholds"]), "at_common": _all(at_common, part["at_common"])}


def _all(kind: Any, records: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(kind(**record) for record in records)
