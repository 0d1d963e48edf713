"""Weights of a file or a run folder, loaded into a backbone."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from reid_lit.backbones.checkpoint import check_size, read_checkpoint, weights_file
from reid_lit.backbones.renames import assembled, check_needs, renames
from reid_lit.backbones.state_names import COMPILED, Reading, chosen, converted, in_one_order, readings
from reid_lit.errors import InputError, MissingFileError

_log = logging.getLogger(__name__)

_CURE = "is it a file of another architecture? choose the backbone of that file, or give none to train from scratch"
_NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d)
_CLASSIFIERS = ("fc.", "classifier.", "head.", "heads.", "last_linear.", "neck.", "criterion.")


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
        return _read_safetensors(file)
    return tensors_of(read_checkpoint(file))


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_size(file)
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{file}: damaged, or no file of safetensors ({error}); copy it anew") from error


def tensors_of(content: Mapping) -> dict[str, Tensor]:
    """The tensors of a checkpoint, or of a plain state_dict; of several state_dicts by their names in the file."""
    for key in ("state_dict", "model"):
        if isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        return tensors
    parts = {name: part for name, part in content.items() if isinstance(part, Mapping)}
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in tensors_of(part).items()}


def load(
    body: nn.Module,
    path: Path,
    *,
    name: str,
    rename: Callable[[str], str] = str,
    at_least: float = 0.95,
    fit: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
    part: bool = False,
) -> None:
    """Load ``path`` into ``body``, whatever stands before the names in it, without classifiers.

    Args:
        body: The network; changed in place.
        path: As in :func:`read_state`.
        name: The backbone's name, for the messages.
        rename: Gives the network's key for a key of the file without prefixes.
        at_least: The share of parameters and statistics that the file must give.
        fit: Changes the tensors, by the network's names, to the network's shapes where it can.
        part: Whether ``body`` is a part of what the file is of; then nothing is said of the rest.

    Raises:
        InputError: the file is of another architecture: it gives less than ``at_least``, has a tensor in another shape
            that cannot be resampled, or leaves a batch or instance norm at its start (a file of plain ResNet-50 gives
            99.9 % of an IBN-Net); it holds several such networks; or values that are not finite.
    """
    file = assembled(read_state(path))
    target = {key: value for key, value in body.state_dict().items() if not key.endswith("num_batches_tracked")}
    try:
        reading = _read(body, file, target, [rename, *renames(name)], at_least, fit)
        check_needs(reading.tensors, target, name=name)
    except InputError as error:
        raise InputError(f"weights={path}: {error}") from None
    report = _report({} if part else file, target, reading, name=name)
    if reading.share < at_least:
        from reid_lit.backbones.nearest import nearest  # here, since it knows the networks, which load by this module

        known = nearest(file)
        raise InputError(
            f"weights={path}: {report}. At least {at_least:.0%} must match: {known + '; ' if known else ''}{_CURE}"
            f"{in_one_order(file, target)}"
        )
    if reshaped := reading.reshaped(target):
        key = reshaped[0]
        raise InputError(
            f"weights={path}: {reading.names.get(key, key)} is {list(reading.tensors[key].shape)} in it and"
            f" {list(target[key].shape)} in {name}, and cannot be resampled; {_CURE}"
        )
    missing = set(target) - set(reading.matched)
    if any(isinstance(body.get_submodule(key.rpartition(".")[0]), _NORMS) for key in missing):
        raise InputError(f"weights={path}: {report}. All batch and instance norms must match: {_CURE}")
    for key, value in reading.matched.items():
        if not value.isfinite().all():
            raise InputError(
                f"weights={path}: {reading.names.get(key, key)} holds values that are not finite; its training has"
                " failed: give weights of an earlier epoch"
            )
    body.load_state_dict(reading.matched, strict=False)
    _log.log(logging.WARNING if missing else logging.INFO, "%s: %s", path, report)


def _read(
    body: nn.Module,
    file: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    ways_to_name: Sequence[Callable[[str], str]],
    at_least: float,
    fit: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
) -> Reading:
    """The file's tensors by the network's names, as far as they can be told; by the names that give most."""
    found: list[Reading] = []
    for rename in ways_to_name:
        named = list(readings(file, target, rename))
        found = max(found, named, key=lambda way: max((len(reading.matched) for reading in way), default=-1))
        if any(len(reading.matched) == len(target) for reading in found):
            break
    whole = [reading for reading in found if reading.share >= at_least]
    best = chosen(whole) if whole else max(found, key=lambda reading: reading.share, default=None)
    if best is not None:
        best = Reading.of(fit(best.tensors), target, names=best.names, prefix=best.prefix)
    if best is not None and len(best.matched) == len(target):
        return best
    ways = [converted(body, part, target) for part in ([] if best is None else [best.tensors]) + [file]]
    nothing = Reading.of({}, target, names={}, prefix="")
    return max([best or nothing, *(way for way in ways if way is not None)], key=lambda way: len(way.matched))


def _report(file: Mapping[str, Tensor], target: Mapping[str, Tensor], reading: Reading, *, name: str) -> str:
    """How much of a network a file gives, with the first keys that do not fit, each by its own name.

    Nothing is said of what has no place in the network where ``file`` is empty.
    """
    missing = sorted(set(target) - set(reading.matched))
    used = {reading.names.get(key, key) for key in reading.matched}
    plain = {key: key.replace(COMPILED, "") for key in file if key not in used and "num_batches" not in key}
    within = {key for key, name in plain.items() if name.startswith(reading.prefix)}
    ours = {theirs: key for key, theirs in reading.names.items()}
    ends = {key: (plain[key].removeprefix(reading.prefix), ours.get(key, "")) for key in within}
    unexpected = sorted(key for key in within if not any(end.startswith(_CLASSIFIERS) for end in ends[key]))
    apart = len(plain) - len(within)
    return (
        f"{len(reading.matched)} of {len(target)} tensors of {name} matched ({reading.share:.1%} of its values);"
        f" missing {len(missing)} {missing[:3]}"
        + (f", unexpected {len(unexpected)} {unexpected[:3]}" if file else "")
        + (f"; {apart} whose names do not begin with {reading.prefix!r} are passed over" if apart else "")
    )
