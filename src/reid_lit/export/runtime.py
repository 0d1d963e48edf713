"""``runtime=``: embeddings by the graph of a model, on a CPU, where a runtime computes what torch does, and faster.

The graph is made of the model at hand and kept beside its weights, ``<run>/export/runtime_….onnx``. Each time it is
loaded it passes the gate of :mod:`reid_lit.export.gate` anew, so that a file of another model is found, and made again.
"""

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Tensor

from reid_lit.errors import FailedError, InputError, UserError
from reid_lit.export.crops import for_gate, learnt_by, owner
from reid_lit.export.formats import FORMATS, Runner, runner, written
from reid_lit.export.gate import CROPS, Pixels, Promise, compared, passed
from reid_lit.export.graph import Graph, Input
from reid_lit.files.access import is_file
from reid_lit.testing.embedder import Embedder
from reid_lit.testing.load import load as loaded

GRAPHS = ("onnx", "openvino")
"""The runtimes of graphs, by the format of their files."""
RUNTIMES = ("torch", *GRAPHS, "auto")
ROUNDS = 3
"""Times that each runtime embeds the crops; its fastest counts."""

_log = logging.getLogger(__name__)


def load(
    run: str | os.PathLike[str],
    *,
    as_: str | None = None,
    device: str | torch.device = "auto",
    precision: str | None = None,
    value_range: Sequence[int | float] | None = None,
    trust: bool = False,
    runtime: str = "torch",
) -> Embedder:
    """The model of a finished run, ready to embed images; nothing is downloaded.

    ``reid_lit.load("runs/duke_strong/<time>")(["a.jpg", "b.jpg"])`` gives two rows. ``.model`` is the network in
    evaluation mode, ``.prepared`` gives the images as it sees them, ``.origin`` says how its embeddings are made.

    ``runtime=`` says what computes them on a CPU: ``torch``; ``onnx`` (onnxruntime) or ``openvino``, by a graph of the
    model in float32 that passed the gate, whose features have a cosine of 0.9999 or more to torch's on crops of the
    run's own data, at any batch; or ``auto``, the fastest of these that passes. Such embeddings can be compared with
    torch's: one gallery may hold both, and thresholds mean both; ``.origin.runtime`` tells which they are. Where no
    image of the run's data is there, drawn images take their place in the gate.

    Args:
        run: The folder of the run, or a checkpoint in it; or the folder of an evaluation of it, for the embeddings that
            its thresholds are of. With ``as_`` the file of another project's model.
        as_: Which of another project's recipes it is, such as ``fastreid/sbs_R50``: see ``published.yaml``.
        device: ``auto`` is the first GPU where there is one (CUDA's, else Apple's ``mps``), else the CPU. Graphs are
            computed on the CPU; on a GPU ``runtime=auto`` is torch.
        precision: One of :class:`Embedder`'s; None: the run's, but float32 instead of float16 on a CPU. Graphs have
            ``32-true``.
        value_range: Of images of 16 bit or of floats, the values that become 0 and 255; None: the run's.
        trust: Whether the run may name parts that are none of reid_lit's, which can run anything.
        runtime: One of :data:`RUNTIMES`.

    Raises:
        FileNotFoundError: there is no run's folder, or no checkpoint in it.
        ValueError: the checkpoint holds code or is damaged, the precision or the runtime is unknown, they do not go
            together, or the run's config names a part that is none of reid_lit's.
        RuntimeError: the graph of the runtime does not pass the gate, or cannot be made.
        ModuleNotFoundError: the runtime is not installed.
    """
    check_runtime(runtime)
    if runtime in GRAPHS:
        if str(device) not in ("auto", "cpu"):
            raise InputError(f"runtime={runtime} computes on the CPU; leave out device={device}, or runtime")
        if precision not in (None, "32-true"):
            raise InputError(f"runtime={runtime} computes in float32; leave out precision={precision}, or runtime")
        device = "cpu"
    embedder = loaded(run, as_=as_, device=device, precision=precision, value_range=value_range, trust=trust)
    if runtime != "torch" and embedder.device.type == "cpu":
        compute_by(embedder, runtime, folder=owner(Path(run).expanduser()))
    return embedder


def check_runtime(runtime: str) -> None:
    """Raise InputError unless there is such a runtime.

    Raises:
        ValueError: there is none.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"runtime={runtime}: unknown; give one of {', '.join(RUNTIMES)}")


def of_config(config: DictConfig) -> Callable[[Embedder], None] | None:
    """What lets ``config.runtime`` compute the embeddings of ``config.run``; None: torch does.

    Raises:
        ValueError: there is no such runtime, or it computes on no GPU.
    """
    check_runtime(config.runtime)
    if config.runtime == "torch":
        return None
    if config.runtime in GRAPHS and config.machine.accelerator not in ("auto", "cpu"):
        raise InputError(f"runtime={config.runtime} computes on the CPU; set machine.accelerator=cpu, or runtime=torch")
    return partial(compute_by, runtime=config.runtime, folder=owner(Path(config.run).expanduser()))


def compute_by(embedder: Embedder, runtime: str, *, folder: Path | None) -> None:
    """Let a runtime compute the embeddings of a model from now on.

    Args:
        embedder: Its model's :meth:`embed` is replaced, unless torch is the fastest.
        runtime: ``onnx``, ``openvino`` or ``auto``.
        folder: The run's, whose images the gate compares, and where the graph is kept; None: there is none.

    Raises:
        RuntimeError: the graph does not pass the gate, or cannot be made; ``auto`` logs that, and goes on without.
        ModuleNotFoundError: the runtime is not installed; likewise.
    """
    crops, found = _crops(embedder, folder), dict[str, Runner]()
    for name in GRAPHS if runtime == "auto" else (runtime,):
        try:
            found[name] = _gated(embedder, name, crops, folder)
        except UserError as error:
            if runtime != "auto":
                raise
            _log.warning("runtime=auto leaves out %s: %s", name, str(error).replace("\n", " "))
    chosen = runtime if runtime != "auto" else fastest(embedder, {**found}, crops)
    if chosen != "torch":
        embedder.model.compute_by(chosen, of_tensors(found[chosen]))


def fastest(embedder: Embedder, graphs: Mapping[str, Runner], crops: Pixels) -> str:
    """Which takes the least time for the crops: torch, or one of the graphs.

    Args:
        embedder: Computes by torch.
        graphs: By the name of their runtime.
        crops: uint8, of the model's size.
    """
    images = torch.from_numpy(crops)
    values = np.ascontiguousarray(embedder.transform.testing(images.clone()).numpy())
    ways: dict[str, Callable[[], object]] = {"torch": lambda: embedder.embed_prepared(images)}
    ways |= {name: lambda run=run: run(values) for name, run in graphs.items()}  # type: ignore[misc]
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # in turns, so that what else runs slows all of them
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            took[name].append(time.perf_counter() - start)
    for name, seconds in took.items():
        _log.info("runtime=%s: %.0f images/s", name, len(crops) / min(seconds))
    return min(took, key=lambda name: min(took[name]))


def of_tensors(run: Runner) -> Callable[[Tensor], Float[Tensor, "images dim"]]:
    """A runner that takes and gives what :meth:`EmbeddingModel.embed` does."""
    return lambda images: torch.from_numpy(run(np.ascontiguousarray(images.float().cpu().numpy())))


def _gated(embedder: Embedder, runtime: str, crops: Pixels, folder: Path | None) -> Runner:
    """The runner of a graph that is kept, or made now; it has passed the gate."""
    images = Input(size=embedder.transform.test_size, divisor=(1.0, 1.0, 1.0))
    origin = embedder.origin
    promise = Promise(input=images, unit_length=False, batch=None, precision="fp32", weights=origin.model)
    name = hashlib.sha256(repr((asdict(origin), torch.__version__)).encode()).hexdigest()[:16]
    with tempfile.TemporaryDirectory() as place:
        kept = Path(place) if folder is None else folder / "export"
        file = kept / f"runtime_{name}{FORMATS[runtime]}"
        if file.is_file():
            try:
                return _passing(embedder, file, promise, crops)
            except UserError as error:
                _log.warning("%s is made anew: %s", file, str(error).replace("\n", " "))
        made = Path(place) / file.name
        parts = written(Graph(embedder, images=images, unit_length=False), runtime, made)
        run = _passing(embedder, made, promise, crops)
        if folder is not None:
            _keep(parts, kept)
        return run


def _passing(embedder: Embedder, file: Path, promise: Promise, crops: Pixels) -> Runner:
    """The runner of a file; torch computes what it is compared with in float32.

    Raises:
        RuntimeError: it does not pass the gate, or is no such file.
    """
    usual = embedder.precision
    embedder.precision = "32-true"
    try:
        run = runner(file, threads=torch.get_num_threads())
        passed(compared(run, promise, embedder, crops))
    except UserError:
        raise
    except Exception as error:  # each runtime has errors of its own
        raise FailedError(f"{file}: cannot be read ({str(error).partition(chr(10))[0][:200]}); remove it") from error
    finally:
        embedder.precision = usual
    return run


def _keep(parts: Sequence[Path], folder: Path) -> None:
    """Move the files of a graph into a run; a folder that cannot be written to stays as it is."""
    try:
        folder.mkdir(exist_ok=True)
        for part in reversed(parts):  # what a runtime opens comes last: with it all is there
            new = folder / f"{part.name}.{os.getpid()}"
            new.write_bytes(part.read_bytes())
            new.replace(folder / part.name)
    except OSError as error:
        _log.warning("%s: the graph is not kept there (%s), and made anew next time", folder, error.strerror)


def _crops(embedder: Embedder, folder: Path | None) -> Pixels:
    """Crops of what the run has learnt from, of the model's size; drawn ones where none is there."""
    learnt = learnt_by(folder)
    there = [path for path in learnt[:: max(1, len(learnt) // CROPS)] if is_file(path)]
    if there:
        return for_gate(embedder, there, embedder.transform.test_size)
    height, width = embedder.transform.test_size
    coarse = np.random.default_rng(0).integers(0, 256, (CROPS, 3, 8, 4)).astype(np.float32)
    fine = torch.nn.functional.interpolate(torch.from_numpy(coarse), (height, width), mode="bicubic")
    return fine.clamp(0, 255).byte().numpy()
