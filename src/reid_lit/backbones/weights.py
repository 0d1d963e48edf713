"""Weights of a file or a run folder, loaded into a backbone."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from reid_lit.backbones.checkpoint import read_checkpoint, weights_file
from reid_lit.errors import InputError, MissingFileError

_log = logging.getLogger(__name__)

_CURE = "is it a file of another architecture? choose the backbone of that file, or give none to train from scratch"
_PREFIXES = ("module.", "model.", "backbone.", "body.", "base.")
_NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d)
_CLASSIFIERS = ("fc.", "classifier.", "head.", "last_linear.", "neck.", "criterion.")


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file or of a run folder, without executing anything that the file holds.

    Args:
        path: ``*.safetensors``, a file of ``torch.save``, or a run folder, see
            :func:`~reid_lit.backbones.checkpoint.weights_file`.

    Raises:
        MissingFileError: there is no such file.
        InputError: the file holds code or is no weights file.
    """
    file = weights_file(path) if path.is_dir() else path
    if not file.is_file():
        raise MissingFileError(
            f"weights={path}: there is no file {file.resolve()}; give a *.safetensors, a *.pth or a run folder"
        )
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return tensors_of(read_checkpoint(file))


def tensors_of(content: dict) -> dict[str, Tensor]:
    """The tensors of a checkpoint, or of a plain state_dict."""
    for key in ("state_dict", "model"):
        content = content.get(key, content)
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}


def load(body: nn.Module, path: Path, *, name: str, rename: Callable[[str], str] = str, at_least: float = 0.95) -> None:
    """Load ``path`` into ``body``, without the prefixes of wrappers and without classifiers.

    Args:
        body: The network; changed in place.
        path: As in :func:`read_state`.
        name: The backbone's name, for the messages.
        rename: Gives the network's key for a key of the file without prefixes.
        at_least: The share of parameters and statistics that the file must give.

    Raises:
        InputError: the file is of another architecture: it gives less than ``at_least``, or leaves a batch or instance
            norm at its start (a file of plain ResNet-50 gives 99.9 % of an IBN-Net).
    """
    source = {rename(_without_prefixes(key)): value for key, value in read_state(path).items()}
    target = {key: value for key, value in body.state_dict().items() if not key.endswith("num_batches_tracked")}
    matched = dict(_matched(source, target))
    share = sum(value.numel() for value in matched.values()) / sum(value.numel() for value in target.values())
    report = _report(source, target, matched, name=name, share=share)
    if share < at_least:
        raise InputError(f"weights={path}: {report}. At least {at_least:.0%} must match: {_CURE}")
    if any(isinstance(body.get_submodule(key.rpartition(".")[0]), _NORMS) for key in set(target) - set(matched)):
        raise InputError(f"weights={path}: {report}. All batch and instance norms must match: {_CURE}")
    body.load_state_dict(matched, strict=False)
    _log.info("%s: %s", path, report)


def _without_prefixes(key: str) -> str:
    """A key without the prefixes of wrappers, however many there are."""
    while key.startswith(_PREFIXES):
        key = key.split(".", 1)[1]
    return key


def _matched(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of ``source`` that ``target`` has too, in the same shape; in the order of ``target``."""
    for key, value in target.items():
        if key in source and source[key].shape == value.shape:
            yield key, source[key]


def _report(
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    matched: Mapping[str, Tensor],
    *,
    name: str,
    share: float,
) -> str:
    """How much of a network a file gives, with the first keys that do not fit."""
    missing = sorted(set(target) - set(matched))
    others = (key for key in set(source) - set(target) if not key.startswith(_CLASSIFIERS))
    unexpected = sorted(key for key in others if "num_batches" not in key)
    return (
        f"{len(matched)} of {len(target)} tensors of {name} matched ({share:.1%} of its values);"
        f" missing {len(missing)} {missing[:3]}, unexpected {len(unexpected)} {unexpected[:3]}"
    )
