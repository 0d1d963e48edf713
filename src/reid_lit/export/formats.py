"""A graph as a file of a runtime, and the runtime that computes it."""

import contextlib
import importlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from reid_lit.errors import FailedError, InputError, MissingFileError, MissingPackageError
from reid_lit.export.graph import Graph
from reid_lit.export.roboflow import named_network

FORMATS = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".torchscript", "torch_export": ".pt2"}
"""The formats, and how their files end; beside an ``.xml`` lies its ``.bin``."""
PRECISIONS = ("fp32", "fp16", "int8")
OPSET = 18
"""Of ONNX where none is asked for, and the oldest that torch writes."""
NAMES = ("images", "features")
"""The names of input and output where none are asked for."""
Runner = Callable[[np.ndarray], Float[np.ndarray, "batch dim"]]
"""Images as the graph takes them → features in float32."""


def written(
    graph: Graph,
    format: str,  # noqa: A002 - the key is called so
    path: Path,
    *,
    precision: str = "fp32",
    opset: int | None = None,
    batch: int | None = None,
    names: tuple[str, str] = NAMES,
    calibration: Iterable[np.ndarray] | None = None,
) -> list[Path]:
    """Write a graph as a file of ``format``.

    Args:
        graph: The graph.
        format: One of :data:`FORMATS`.
        path: The file; its ending is that of the format.
        precision: ``fp32``; ``fp16``: weights and arithmetic, of OpenVINO the weights; ``int8``: weights of each
            channel and activations, in ``onnx`` and ``openvino`` alone.
        opset: Of ONNX; None: :data:`OPSET`.
        batch: The number of images, always; None: any number.
        names: Of input and output, in ``onnx`` and ``openvino``.
        calibration: Batches as the graph takes them, for ``int8``: activations get their ranges.

    Returns:
        The files.

    Raises:
        ValueError: the format, the precision or the opset is none of these, or ``int8`` has no images.
        RuntimeError: the format has no such operator.
        ModuleNotFoundError: a package is not installed.
    """
    check_asked(format, precision, opset)
    if precision == "int8" and calibration is None:
        raise InputError("precision=int8: no images are given to find the ranges of activations by")
    if precision == "fp16" and format != "openvino":
        graph = _halved(graph)
    with quiet(), _said(format):
        program = exported(graph, batch)
        if format == "torch_export":
            torch.export.save(program, path)
        elif format == "torchscript":
            _write_torchscript(program, path)
        elif format == "onnx":
            _write_onnx(program, path, precision, opset or OPSET, names, calibration)
        else:
            _write_openvino(program, path, precision, opset or OPSET, names, calibration)
    return [path, path.with_suffix(".bin")] if format == "openvino" else [path]


def check_asked(format: str, precision: str, opset: int | None) -> None:  # noqa: A002
    """Raise InputError unless there are such files.

    Raises:
        ValueError: as :func:`written` says.
    """
    if format not in FORMATS:
        raise InputError(f"format={format}: unknown; give one of {', '.join(FORMATS)}")
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision}: unknown; give one of {', '.join(PRECISIONS)}")
    if precision == "int8" and format.startswith("torch"):
        raise InputError(f"precision=int8: format={format} has no such files; give format=onnx or format=openvino")
    if opset is not None and opset < OPSET:
        raise InputError(f"opset={opset}: torch writes {OPSET} or newer; give opset={OPSET}")
    if opset is not None and format.startswith("torch"):
        raise InputError(f"opset={opset}: format={format} has none; leave it out")


def exported(graph: Graph, batch: int | None) -> torch.export.ExportedProgram:
    """The graph as torch's own program, of any number of images or of ``batch``."""
    shapes = ({0: torch.export.Dim("batch")},) if batch is None else None
    with torch.no_grad():
        return torch.export.export(graph, (graph.input.example(batch or 2),), dynamic_shapes=shapes)


def runner(path: Path, *, threads: int | None = None) -> Runner:
    """The runtime that computes a file: onnxruntime, OpenVINO (in float32) or torch, on the CPU.

    Args:
        path: As :func:`written` writes it; its ending says which runtime.
        threads: So many; None: as many as the runtime takes by itself. torch's are those of the process.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the ending is that of no format.
        ModuleNotFoundError: the runtime is not installed.
    """
    if not path.is_file():
        raise MissingFileError(f"no {path.resolve()}; python -m reid_lit.export writes such a file")
    made = {".onnx": _onnxruntime, ".xml": _openvino, ".torchscript": _torchscript, ".pt2": _torch_export}
    made[".safetensors"] = _timm
    if path.suffix not in made:
        raise InputError(f"{path}: no runtime reads such a file; its name ends with one of {', '.join(made)}")
    return made[path.suffix](path, threads)


def _onnxruntime(path: Path, threads: int | None) -> Runner:
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda images: session.run(None, {given.name: images})[0]


def _openvino(path: Path, threads: int | None) -> Runner:
    settings = {"INFERENCE_PRECISION_HINT": "f32", **({"INFERENCE_NUM_THREADS": threads} if threads else {})}
    compiled = package("openvino").Core().compile_model(str(path), "CPU", settings)
    return lambda images: compiled(images)[0].copy()


def _torchscript(path: Path, _: int | None) -> Runner:
    with quiet():
        return _of_module(torch.jit.load(path, map_location="cpu"))


def _torch_export(path: Path, _: int | None) -> Runner:
    with quiet():
        return _of_module(torch.export.load(path).module())


def _timm(path: Path, _: int | None) -> Runner:
    return _of_module(named_network(path))


def _of_module(module: Any) -> Runner:
    @torch.no_grad()
    def run(images: np.ndarray) -> Float[np.ndarray, "batch dim"]:
        return module(torch.from_numpy(images)).numpy()

    return run


def _halved(graph: Graph) -> Graph:
    import copy

    return copy.deepcopy(graph).half()


def _write_torchscript(program: Any, path: Path) -> None:
    """Trace the program's graph: the model itself is a LightningModule, which a trace asks for its Trainer."""
    given, _ = program.example_inputs
    module = program.module(check_guards=False)
    module._forward_pre_hooks.clear()  # they compare shapes, which a trace cannot
    _ask_for_sizes(module)
    torch.jit.save(torch.jit.trace(module, given, check_trace=False), path)


def _ask_for_sizes(module: torch.fx.GraphModule) -> None:
    """Let the graph take sizes from its tensors by methods, which a trace follows; it writes other sizes as numbers."""
    for node in module.graph.nodes:
        if node.op == "call_function" and node.target is torch.ops.aten.sym_size.int:
            node.op, node.target = "call_method", "size"
        elif isinstance(node.target, torch._ops.OpOverload) and any(map(_is_size, node.all_input_nodes)):
            name = node.target.overloadpacket.__name__
            is_method = isinstance(node.args[0], torch.fx.Node) and not _is_size(node.args[0])
            node.op, node.target = ("call_method", name) if is_method else ("call_function", getattr(torch, name))
    module.recompile()


def _is_size(node: torch.fx.Node) -> bool:
    return isinstance(node.meta.get("val"), torch.SymInt)


def _write_onnx(program: Any, path: Path, precision: str, opset: int, names: tuple[str, str], calibration: Any) -> None:
    package("onnxscript")
    package("onnx")
    (given, *_), _keys = program.example_inputs
    made = torch.onnx.export(
        program, (given,), input_names=[names[0]], output_names=[names[1]], opset_version=opset, verbose=False
    )
    if made is None:
        raise FailedError("torch gave no ONNX")
    if (version := made.model_proto.opset_import[0].version) != opset:
        raise InputError(f"opset={opset}: torch writes {version} for this graph; give opset={version}")
    if precision == "int8":
        _quantized(made.model_proto, path, calibration, names[0])
    else:
        made.save(path, external_data=False)


def _write_openvino(
    program: Any, path: Path, precision: str, opset: int, names: tuple[str, str], calibration: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.onnx"
        _write_onnx(program, file, precision, opset, names, calibration)
        as_openvino(file, path, halved=precision == "fp16")


def as_openvino(file: Path, path: Path, *, halved: bool) -> None:
    """Write a file of ONNX as one of OpenVINO.

    Args:
        file: The ``.onnx``.
        path: The ``.xml``; its ``.bin`` lies beside it.
        halved: Whether the weights are kept in half precision.
    """
    openvino = package("openvino")
    openvino.save_model(openvino.convert_model(file), path, compress_to_fp16=halved)


def _quantized(model: Any, path: Path, calibration: Iterable[np.ndarray], name: str) -> None:
    """Write a model with weights of 8 bit for each channel, and activations of 8 bit in the ranges that images give."""
    quantization = package("onnxruntime.quantization")
    package("onnxruntime.quantization.shape_inference")
    batches = iter([{name: images} for images in calibration])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(batches, None)

    quantization.quantize_static(
        model,
        str(path),
        Reader(),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=["Conv", "Gemm", "MatMul"],
    )


def package(name: str) -> ModuleType:
    """An optional package.

    Raises:
        ModuleNotFoundError: it is not installed; the message says how it is.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        root = name.partition(".")[0]
        raise MissingPackageError(f"{root} is not installed ({error}); pip install 'reid-lit[export]'") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within it converters keep their advice to themselves."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "root")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _said(format: str) -> Iterator[None]:  # noqa: A002
    """Within it what a converter raises becomes a line that names the operator."""
    try:
        yield
    except (InputError, MissingPackageError):
        raise
    except Exception as error:  # each converter has errors of its own
        raise FailedError(f"format={format}: not written, {_reason(error)}; try another format or opset") from error


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'without a word'}"
