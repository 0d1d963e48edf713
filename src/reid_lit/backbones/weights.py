"""Where a backbone's weights come from, settled before anything is trained."""

import logging
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from reid_lit.network import unreachable

_log = logging.getLogger(__name__)
_FILES = ("model.safetensors", "pytorch_model.bin")
_PREFIXES = ("module.", "model.", "backbone.", "body.", "base.")
_CLASSIFIERS = ("fc.", "classifier.", "head.", "last_linear.", "neck.", "criterion.")


def ways_on(name: str) -> str:
    """The two cures when the weights of ``name`` are not to be had."""
    return f"Train from scratch with backbone.weights=none, or give {name}: backbone.weights=<path or run folder>"


def require_imagenet(name: str, hub_id: str | None) -> None:
    """Make sure that timm's weights of ``name`` are in the local cache or can be fetched.

    Raises:
        FileNotFoundError: they are neither; the message names the file, the folder looked in and the ways on.
    """
    from huggingface_hub import constants

    if not hub_id:
        raise FileNotFoundError(f"timm has no ImageNet weights for {name!r}. {ways_on(name)}")
    if cached(hub_id) is not None:
        return
    offline = os.environ.get("HF_HUB_OFFLINE", "0").lower() in {"1", "true"}
    reason = (
        "HF_HUB_OFFLINE is set" if offline else unreachable(f"{constants.ENDPOINT}/{hub_id}/resolve/main/{_FILES[0]}")
    )
    if reason:
        raise FileNotFoundError(
            f"ImageNet weights of {name}: {hub_id}/{_FILES[0]} is not in {constants.HF_HUB_CACHE} "
            f"and {constants.ENDPOINT} cannot be reached ({reason}). {ways_on(name)}"
        )


def cached(hub_id: str) -> Path | None:
    """The file with timm's weights in the local cache; None when it is not there."""
    from huggingface_hub import try_to_load_from_cache

    looks = (try_to_load_from_cache(hub_id, file) for file in _FILES)
    return next((Path(found) for found in looks if isinstance(found, str)), None)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file or of a run folder, without executing anything that the file holds.

    Args:
        path: ``*.safetensors``, a file of ``torch.save``, or a run folder with ``checkpoints/last.ckpt``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds code or is no weights file.
    """
    file = path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"no weights at {file.resolve()}; give a *.safetensors, *.pth or a run folder")
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    content = read_checkpoint(file)
    for key in ("state_dict", "model"):
        content = content.get(key, content)
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}


def read_checkpoint(file: Path) -> dict:
    """A checkpoint as ``torch.load(weights_only=True)`` reads it.

    Raises:
        ValueError: the file holds code (an arbitrary pickle) or is damaged; nothing of it was executed.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, ... for the many kinds of damage
        raise ValueError(
            f"{file}: refused, since it is damaged or holds code beside tensors ({str(error).splitlines()[0]}); "
            "save a plain state_dict, or a *.safetensors"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{file}: holds a {type(content).__name__}, not a state_dict")
    return content


def _bare(key: str) -> str:
    """A key without the wrappers' prefixes, however many."""
    while key.startswith(_PREFIXES):
        key = key.split(".", 1)[1]
    return key


def load(body: nn.Module, path: Path, *, name: str, at_least: float = 0.95) -> None:
    """Load ``path`` into ``body``; prefixes of wrappers are dropped, classifiers are ignored.

    Args:
        body: The network; changed in place.
        path: As in :func:`read_state`.
        name: The backbone's name, for the messages.
        at_least: The share of parameters and statistics that the file must give.

    Raises:
        ValueError: the file gives less than that, so it is of another architecture.
    """
    given = {_bare(key): value for key, value in read_state(path).items()}
    wanted = {key: value for key, value in body.state_dict().items() if not key.endswith("num_batches_tracked")}
    matched = {key: given[key] for key in wanted if key in given and given[key].shape == wanted[key].shape}
    size = sum(value.numel() for value in wanted.values())
    share = sum(wanted[key].numel() for key in matched) / size
    missing = sorted(set(wanted) - set(matched))
    unexpected = sorted(
        k for k in set(given) - set(wanted) if not k.startswith(_CLASSIFIERS) and "num_batches" not in k
    )
    report = (
        f"{path}: {len(matched)} of {len(wanted)} tensors of {name} matched ({share:.1%} of its values); "
        f"missing {len(missing)} {missing[:3]}, unexpected {len(unexpected)} {unexpected[:3]}"
    )
    if share < at_least:
        raise ValueError(f"{report}. At least {at_least:.0%} must match: is it a file of another architecture?")
    body.load_state_dict(matched, strict=False)
    _log.info(report)
