"""A file of a graph, made beside its place, gated there, and kept only if it passes."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_lit.data.base import ReidData
from reid_lit.errors import FailedError
from reid_lit.export.crops import batches
from reid_lit.export.facts import gated, made_by, promise_of, use_of
from reid_lit.export.files import beside, opened, sha256, stamped
from reid_lit.export.formats import NAMES, OPSET, Runner, runner, written
from reid_lit.export.gate import Figure, Pixels, Promise, compared, consumer, passed
from reid_lit.export.graph import Graph, Input
from reid_lit.export.score_check import score_checks
from reid_lit.paths import beside as hidden
from reid_lit.paths import remove_leftovers, write_text
from reid_lit.testing.embedder import Embedder


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a file is to be.

    Attributes:
        input: The images that it takes.
        unit_length: Whether its features get length 1.
        format: One of :data:`reid_lit.export.formats.FORMATS`.
        precision: ``fp32``, ``fp16`` or ``int8``.
        opset: Of ONNX; None: :data:`reid_lit.export.formats.OPSET`.
        batch: The number of images that it always takes; None: any.
        names: Of its input and output.
        graph: Makes the graph.
        write: Writes it, called as :func:`reid_lit.export.formats.written` is; None: that one.
        beside: Writes what a consumer reads beside it: called with the file, the graph and the model, gives its files.
    """

    input: Input
    unit_length: bool
    format: str = "onnx"
    precision: str = "fp32"
    opset: int | None = None
    batch: int | None = None
    names: tuple[str, str] = NAMES
    graph: type[Graph] = Graph
    write: Callable[..., list[Path]] | None = None
    beside: Callable[[Path, Graph, Embedder], list[Path]] = lambda *_: []


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a file is gated by.

    Attributes:
        crops: Real crops of the model's size, see :func:`reid_lit.export.crops.for_gate`.
        tests: The run's own tests; or, in words, why there are none.
        calibration: Images for the ranges of ``int8``.
        progress: Whether a bar shows how far the score check is.
    """

    crops: Pixels
    tests: Sequence[ReidData] | str
    calibration: Sequence[Path] = ()
    progress: bool = False


def export(
    embedder: Embedder,
    wanted: Wanted,
    path: Path,
    material: Material,
    history: Mapping[str, Any],
    *,
    tell: Callable[[Sequence[Figure], str | None], object] = lambda *_: None,
) -> list[Path]:
    """Write a file and its JSON, if they pass the gate; else nothing is kept.

    Args:
        embedder: The model, in float32 on the CPU.
        wanted: What the file is to be.
        path: Where it is to be.
        material: What it is gated by.
        history: What it says of its run, see :func:`reid_lit.export.facts.history_of`.
        tell: Called with the figures, and why scores were not tested, before anything is refused.

    Returns:
        The files, the JSON last.

    Raises:
        RuntimeError: a figure is beyond its limit, or the format has no such operator.
        ValueError: what is wanted is none of what there is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    place = hidden(path)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        files = _made(embedder, wanted, place / path.name, material, history, tell)
        return [file.replace(path.with_name(file.name)) for file in files]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _made(
    embedder: Embedder,
    wanted: Wanted,
    path: Path,
    material: Material,
    history: Mapping[str, Any],
    tell: Callable[[Sequence[Figure], str | None], object],
) -> list[Path]:
    graph = wanted.graph(embedder, images=wanted.input, unit_length=wanted.unit_length)
    own_size = embedder.transform.test_size
    calibration = (wanted.input.of(crops) for crops in batches(embedder, material.calibration, own_size))
    files = (wanted.write or written)(
        graph,
        wanted.format,
        path,
        precision=wanted.precision,
        opset=wanted.opset,
        batch=wanted.batch,
        names=wanted.names,
        calibration=calibration,
    )
    files += wanted.beside(path, graph, embedder)
    dimension = int(embedder.embed_prepared(embedder.prepared(_blank(embedder), color="rgb")).shape[1])
    use = use_of(graph, embedder, dimension, batch=wanted.batch)
    opset = (wanted.opset or OPSET) if wanted.format in ("onnx", "openvino") else None
    content = made_by(wanted.format, wanted.precision, opset) | use | dict(history)
    promise = promise_of(content)
    run = runner(path)
    before = consumer(run, promise)(material.crops[:3])
    figures, not_tested = gate(run, promise, embedder, material)
    tell(figures, not_tested)
    passed(figures)
    content |= gated(figures, not_tested)
    del run  # OpenVINO holds the file
    stamped(path, content)
    content["files"] = {file.name: sha256(file) for file in files}
    write_text(beside(path), json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    after = opened(path, weights=embedder.origin.model, trust=True)
    if not np.array_equal(before, after.features(material.crops[:3])):
        raise FailedError(f"{path.name}: computes something else once it says what it is; try another format")
    return [*reversed(files), beside(path)]


def gate(run: Runner, promise: Promise, embedder: Embedder, material: Material) -> tuple[list[Figure], str | None]:
    """The figures of a runtime: on crops, and on the run's own tests where there are any; and why they were not tested.

    Tests are passed over, with that word, where the crops have shown already that the file is refused.
    """
    figures = compared(run, promise, embedder, material.crops)
    if isinstance(material.tests, str):
        return figures, material.tests
    if not all(figure.holds for figure in figures):
        return figures, "the crops differ already"
    checks = score_checks(material.tests, embedder, consumer(run, promise), promise, progress=material.progress)
    return [*figures, *(figure for check in checks for figure in check.figures(promise.precision))], None


def _blank(embedder: Embedder) -> np.ndarray:
    return np.zeros((*embedder.transform.test_size, 3), dtype=np.uint8)
