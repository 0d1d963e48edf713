"""The gate: what a runtime computes of real crops must be what ``reid_lit.load`` gives, whatever the batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from reid_lit.errors import FailedError
from reid_lit.export.formats import Runner
from reid_lit.export.graph import Input
from reid_lit.testing.embedder import Embedder

BATCHES = (1, 3, 8)
"""Images at once; a feature must not depend on it."""
CROPS = 24
"""As many crops are compared: whole batches of each size."""
COSINE = {"fp32": 0.9999, "fp16": 0.999, "int8": 0.98}
"""The least cosine to our feature of the same crop."""
POINTS = {"fp32": 0.1, "fp16": 0.1, "int8": 0.5}
"""By how many points rank-1 and mAP may move."""
SAME = 0.99999
"""The least cosine of a feature to that of another batch size."""
LENGTH = {"fp32": 5e-3, "fp16": 1e-2, "int8": 0.2}
"""By what share the length of a feature may differ from ours."""
UNIT = 1e-3
"""By how much a unit length may differ from 1."""

Pixels = UInt8[np.ndarray, "batch 3 height width"]
Features = Float[np.ndarray, "batch dim"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of the gate.

    Attributes:
        name: What it is of.
        value: What was measured; None: it could not be, and ``reason`` says why.
        limit: What it is compared with.
        at_least: Whether it must not be below the limit; else it must not be above.
        cure: What helps where it does not hold.
        reason: Why there is no value.
    """

    name: str
    value: float | None
    limit: float
    at_least: bool
    cure: str = ""
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether the limit is met; a value that is no number does not."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        """The figure, its limit and the cure, as a refusal says them."""
        if self.value is None:
            return f"{self.name}: {self.reason}; {self.cure}"
        relation = "below" if self.at_least else "not within"
        return f"{self.name} is {self.value:.6g}, {relation} {self.limit:g}; {self.cure}"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a file says of itself, by which a consumer uses it.

    Attributes:
        input: The images that it takes.
        unit_length: Whether its features have length 1.
        batch: The number of images that it always takes; None: any.
        precision: ``fp32``, ``fp16`` or ``int8``.
        weights: The SHA-256 of the model's weights.
    """

    input: Input
    unit_length: bool
    batch: int | None
    precision: str
    weights: str


def passed(figures: Sequence[Figure]) -> None:
    """Raise FailedError unless every figure holds.

    Raises:
        RuntimeError: with a line for each figure that does not: the figure, the limit, the cure.
    """
    broken = [str(figure) for figure in figures if not figure.holds]
    if broken:
        raise FailedError("refused, and nothing is kept:\n" + "\n".join(f"- {line}" for line in broken))


def compared(run: Runner, promise: Promise, embedder: Embedder, crops: Pixels) -> list[Figure]:
    """The figures of a runtime on real crops, as a consumer that follows the promise would use it.

    Args:
        run: The runtime, see :func:`reid_lit.export.formats.runner`.
        promise: What the file says.
        embedder: The model, in float32.
        crops: :data:`CROPS` crops in RGB, of the model's size.
    """
    expected = ours(embedder, crops, unit_length=promise.unit_length)
    own = embedder.origin.model
    figures = [
        Figure(
            name="weights of other SHA-256 than the run's",
            value=float(promise.weights != own),
            limit=0.0,
            at_least=False,
            cure=f"the file says {promise.weights[:12]}, the run has {own[:12]}; export the run anew",
        )
    ]
    found: dict[int, Features] = {}
    for size in BATCHES:
        name = f"least cosine to ours, batch {size}"
        try:
            features = _in_batches(consumer(run, promise), crops, size)
            found[size] = _shaped(features, expected)
        except Exception as error:  # each runtime has errors of its own
            reason = _reason(error)
            cure = "export it with batch=null, which takes any number of images"
            if promise.batch is None:
                cure = "give batch=8, which a consumer fills, or another format"
            figures.append(_failed(name, COSINE[promise.precision], f"the runtime fails ({reason})", cure))
            continue
        value = float(cosines(found[size], expected).min())
        figures.append(
            Figure(name=name, value=value, limit=COSINE[promise.precision], at_least=True, cure=_cure(promise))
        )
    return [*figures, *_among(found, promise), *_lengths(found, expected, promise)]


def _among(found: Mapping[int, Features], promise: Promise) -> list[Figure]:
    """How alike features of several batch sizes are."""
    pairs = [(one, other) for one in found for other in found if one < other]
    if not pairs:
        return []
    value = min(float(cosines(found[one], found[other]).min()) for one, other in pairs)
    cure = "the graph mixes images of a batch; give another format or opset"
    if promise.precision == "int8":
        cure = "the runtime rounds by batch; give precision=fp32 or another format"
    return [Figure(name="least cosine among batch sizes", value=value, limit=SAME, at_least=True, cure=cure)]


def _lengths(found: Mapping[int, Features], expected: Features, promise: Promise) -> list[Figure]:
    if not found:
        return []
    lengths = np.linalg.norm(expected, axis=1)
    value = max(float(np.abs(np.linalg.norm(each, axis=1) / lengths - 1).max()) for each in found.values())
    limit = UNIT if promise.unit_length else LENGTH[promise.precision]
    what = "1" if promise.unit_length else "ours"
    cure = "the file has not the unit length that it says" if promise.unit_length else _cure(promise)
    return [Figure(name=f"largest share that a length differs from {what} by", value=value, limit=limit,
                   at_least=False, cure=cure)]  # fmt: skip


def _cure(promise: Promise) -> str:
    return {
        "fp32": "it computes something else (colours, size, normalisation, an operator); give another format or opset",
        "fp16": "half precision is too coarse for these weights; give precision=fp32",
        "int8": "eight bits are too coarse for these weights; give more calibration_images, or precision=fp16",
    }[promise.precision]


def _failed(name: str, limit: float, reason: str, cure: str) -> Figure:
    return Figure(name=name, value=None, limit=limit, at_least=True, reason=reason, cure=cure)


def _shaped(features: np.ndarray, expected: Features) -> Features:
    if features.shape != expected.shape:
        raise FailedError(f"features of shape {list(features.shape)}, where ours have {list(expected.shape)}")
    return features.astype(np.float32)


def _in_batches(run: Runner, crops: Pixels, size: int) -> np.ndarray:
    return np.concatenate([run(crops[start : start + size]) for start in range(0, len(crops), size)])


def consumer(run: Runner, promise: Promise) -> Callable[[Pixels], np.ndarray]:
    """A consumer that follows a promise: from crops in RGB of the model's size to features.

    Where a file takes a fixed number of images, it gives it so many at once, the last ones black.
    """

    def features(crops: Pixels) -> np.ndarray:
        fixed = promise.batch
        if fixed is None:
            return run(promise.input.of(crops))
        parts = []
        for start in range(0, len(crops), fixed):
            part = crops[start : start + fixed]
            full = np.concatenate([part, np.zeros((fixed - len(part), *part.shape[1:]), np.uint8)])
            parts.append(run(promise.input.of(full))[: len(part)])
        return np.concatenate(parts)

    return features


def ours(embedder: Embedder, crops: Pixels, *, unit_length: bool) -> Features:
    """The features of ``reid_lit.load`` for crops in RGB, which it resizes itself where its size is another."""
    images = np.ascontiguousarray(crops.transpose(0, 2, 3, 1))
    return embedder(images, color="rgb", normalize=unit_length).numpy()


def cosines(one: Features, other: Features) -> Float[np.ndarray, " batch"]:
    """The cosine of each row to the row of the other; 0 where one has no length."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(1) / np.where(length > 0, length, np.inf)


def _reason(error: Exception) -> str:
    """What a runtime says, in one line; TorchScript says it in the last one."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if "TorchScript interpreter" in lines[0] else 0][:200]
