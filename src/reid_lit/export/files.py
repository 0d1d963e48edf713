"""The files of an export: the graph with what it says of itself inside, and the same as JSON beside it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reid_lit.errors import InputError, MissingFileError
from reid_lit.export.facts import promise_of
from reid_lit.export.formats import Runner, package, quiet, runner
from reid_lit.export.gate import Promise, consumer

KEY = "reid_lit"
"""The name of what a file says of itself: a property of ONNX, ``rt_info`` of OpenVINO, a file within torch's files,
the metadata of safetensors."""
_WITHIN = f"{KEY}.json"
PROGRAMS = (".torchscript", ".pt2")
"""Files of torch's: TorchScript is code, and ``torch.export.load`` reads Python's pickles and computes expressions."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was exported.

    Attributes:
        run: Its runtime: what the graph takes → features.
        promise: How it is used.
        content: All that it says of itself.
    """

    run: Runner
    promise: Promise
    content: Mapping[str, Any]

    def features(self, rgb: Any) -> Any:
        """The features of uint8 crops in RGB ``(batch 3 height width)`` of the model's size."""
        return consumer(self.run, self.promise)(rgb)


def opened(path: Path, *, weights: str | None = None, threads: int | None = None, trust: bool = False) -> Exported:
    """A file that was exported, once it is what its JSON says.

    Args:
        path: The file.
        weights: The SHA-256 that its weights must have (``embedder.origin.model``); None: any.
        threads: As in :func:`reid_lit.export.formats.runner`.
        trust: Whether a file of torch's (:data:`PROGRAMS`) may be read: it can run anything, whatever its JSON says.

    Raises:
        FileNotFoundError: the file or its JSON is not there.
        ValueError: the file is another one than the JSON is of, says something else of itself, has other weights, or
            is a program that is not trusted.
    """
    content = said_beside(path)
    if path.suffix in PROGRAMS and not trust:
        raise InputError(
            f"{path}: a {path.suffix} is a program of torch's, which can run anything when it is read; give trust=True"
            " for a file that you made, or export format=onnx or openvino, which are data"
        )
    named = content.get("files")
    for name, expected in (named if isinstance(named, dict) and path.name in named else {path.name: "none"}).items():
        file = path.parent / Path(name).name  # a file beside it, whatever the JSON of a stranger says
        found = sha256(file)
        if found != expected:
            raise InputError(
                f"{file}: SHA-256 {found[:12]}, and {beside(path).name} is of {str(expected)[:12]};"
                " another file, or one that was changed: export it anew"
            )
    inside = said_inside(path)
    if inside != {key: value for key, value in content.items() if key != "files"}:
        raise InputError(f"{path}: says something else of itself than {beside(path).name}; export it anew")
    promise = promise_of(content)
    if weights not in (None, promise.weights):
        raise InputError(
            f"{path}: made of the weights {promise.weights[:12]}, and these are {str(weights)[:12]}; export them anew"
        )
    return Exported(run=runner(path, threads=threads), promise=promise, content=content)


def beside(path: Path) -> Path:
    """The JSON beside a file."""
    return path.with_name(f"{path.name}.json")


def said_beside(path: Path) -> dict[str, Any]:
    """The content of the JSON beside a file.

    Raises:
        FileNotFoundError: the file or its JSON is not there.
        ValueError: the JSON is damaged.
    """
    for file in (path, beside(path)):
        if not file.is_file():
            raise MissingFileError(f"no {file.resolve()}; python -m reid_lit.export writes both files")
    try:
        content = json.loads(beside(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{beside(path)}: damaged ({error}); export it anew") from error
    if not isinstance(content, dict):
        raise InputError(f"{beside(path)}: no export of reid_lit; export it anew")
    return content


def sha256(file: Path) -> str:
    """The SHA-256 of a file; ``none`` where there is no such file."""
    if not file.is_file():
        return "none"
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stamped(path: Path, content: Mapping[str, Any]) -> None:
    """Write what a file says of itself into it."""
    _STAMPS[path.suffix](path, json.dumps(content, ensure_ascii=False, allow_nan=False))


def said_inside(path: Path) -> Any:
    """What a file says of itself; None where it says nothing.

    Raises:
        ValueError: it is damaged.
    """
    try:
        text = _READS[path.suffix](path)
        return json.loads(text) if text else None
    except Exception as error:  # each format has errors of its own
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); export it anew") from error


def _stamp_onnx(path: Path, text: str) -> None:
    onnx = package("onnx")
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {KEY: text})
    onnx.save(model, path)


def _read_onnx(path: Path) -> str:
    model = package("onnx").load(path)
    return next((entry.value for entry in model.metadata_props if entry.key == KEY), "")


def _stamp_openvino(path: Path, text: str) -> None:
    openvino = package("openvino")
    model = openvino.Core().read_model(path)
    model.set_rt_info(text, [KEY])
    new = path.with_name(f"stamped_{path.name}")
    openvino.save_model(model, new, compress_to_fp16=False)  # weights stay as they are
    del model  # it reads the old file of weights
    for ending in (".xml", ".bin"):
        new.with_suffix(ending).replace(path.with_suffix(ending))


def _read_openvino(path: Path) -> str:
    model = package("openvino").Core().read_model(path)
    return model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else ""


def _stamp_torchscript(path: Path, text: str) -> None:
    with quiet():
        torch.jit.save(torch.jit.load(path), path, _extra_files={_WITHIN: text})


def _read_torchscript(path: Path) -> str:
    extra: dict[str, Any] = {_WITHIN: ""}
    with quiet():
        torch.jit.load(path, _extra_files=extra)
    return extra[_WITHIN].decode() if isinstance(extra[_WITHIN], bytes) else extra[_WITHIN]


def _stamp_torch_export(path: Path, text: str) -> None:
    with quiet():
        torch.export.save(torch.export.load(path), path, extra_files={_WITHIN: text})


def _read_torch_export(path: Path) -> str:
    extra: dict[str, Any] = {_WITHIN: ""}
    with quiet():
        torch.export.load(path, extra_files=extra)
    return extra[_WITHIN]


def _stamp_safetensors(path: Path, text: str) -> None:
    save_file(load_file(path), path, {KEY: text})


def _read_safetensors(path: Path) -> str:
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get(KEY, "")


_STAMPS: dict[str, Callable[[Path, str], None]] = {
    ".onnx": _stamp_onnx,
    ".xml": _stamp_openvino,
    ".torchscript": _stamp_torchscript,
    ".pt2": _stamp_torch_export,
    ".safetensors": _stamp_safetensors,
}
_READS: dict[str, Callable[[Path], str]] = {
    ".onnx": _read_onnx,
    ".xml": _read_openvino,
    ".torchscript": _read_torchscript,
    ".pt2": _read_torch_export,
    ".safetensors": _read_safetensors,
}
