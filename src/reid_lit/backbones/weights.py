"""Where a backbone's weights come from, settled before anything is trained."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reid_lit.errors import InputError, MissingFileError
from reid_lit.network import unreachable

_log = logging.getLogger(__name__)

_OTHER = "is it a file of another architecture? choose the backbone of that file, or backbone.weights=none"
_FILES = ("model.safetensors", "pytorch_model.bin")
_PREFIXES = ("module.", "model.", "backbone.", "body.", "base.")
_NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d)
_CLASSIFIERS = ("fc.", "classifier.", "head.", "last_linear.", "neck.", "criterion.")


def ways_on(name: str) -> str:
    """The two cures when the weights of ``name`` are not to be had."""
    return f"Train from scratch with backbone.weights=none, or give {name}: backbone.weights=<path or run folder>"


def require_imagenet(name: str, config: Any) -> None:
    """Make sure that timm's weights of ``name`` are in a local cache or can be fetched.

    Args:
        name: timm's name, for the messages.
        config: timm's ``PretrainedCfg`` of it, which says where its weights are.

    Raises:
        FileNotFoundError: they are neither; the message names the file, the folder looked in and the ways on.
    """
    from huggingface_hub import constants

    if not (config.hf_hub_id or config.url):
        raise MissingFileError(f"timm has no ImageNet weights for {name!r}. {ways_on(name)}")
    if imagenet_file(config) is not None:
        return
    if config.hf_hub_id:
        file, folder = f"{config.hf_hub_id}/{_FILES[0]}", constants.HF_HUB_CACHE
        address = f"{constants.ENDPOINT}/{config.hf_hub_id}/resolve/main/{_FILES[0]}"
        offline = os.environ.get("HF_HUB_OFFLINE", "0").lower() in {"1", "true"}
        _require_reachable(name, file, folder, address, why_offline="HF_HUB_OFFLINE is set" if offline else "")
    else:
        place = release_file(config.url)
        _require_reachable(name, place.name, str(place.parent), config.url)


def _require_reachable(name: str, file: str, folder: str, address: str, *, why_offline: str = "") -> None:
    """Refuse to go on when ``file``, which is not in ``folder``, cannot be fetched from ``address``."""
    reason = why_offline or unreachable(address)
    if reason:
        raise MissingFileError(
            f"ImageNet weights of {name}: {file} is not in {folder} "
            f"and {address} cannot be reached ({reason}). {ways_on(name)}"
        )


def cached(hub_id: str) -> Path | None:
    """The file with timm's weights in the local cache; None when it is not there."""
    from huggingface_hub import try_to_load_from_cache

    looks = (try_to_load_from_cache(hub_id, file) for file in _FILES)
    return next((Path(found) for found in looks if isinstance(found, str)), None)


def imagenet_file(config: Any) -> Path | None:
    """The file with the ImageNet weights of timm's ``PretrainedCfg`` in a local cache; None when it is not there."""
    if config.hf_hub_id:
        return cached(config.hf_hub_id)
    return release_file(config.url) if config.url and release_file(config.url).is_file() else None


def release_file(url: str) -> Path:
    """Where torch keeps the file that a release offers at ``url``; it need not be there."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def fetched(name: str, url: str) -> Path:
    """The file that a release offers at ``url``, in torch's cache; fetched when it is not there yet.

    Args:
        name: The backbone's name, for the messages.
        url: Ends with the first digits of the file's SHA-256, as torch's releases do: ``name-0123abcd.pth``.

    Raises:
        FileNotFoundError: it is not there and cannot be fetched; the message names the file, its place and the ways on.
    """
    file = release_file(url)
    if not file.is_file():
        _require_reachable(name, file.name, str(file.parent), url)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), hash_prefix=file.stem.rpartition("-")[2], progress=False)
    return file


def weights_file(folder: Path) -> Path:
    """The checkpoint of a run that is tested and gone on from: of a chosen epoch where there is one, else the last."""
    chosen = folder / "checkpoints" / "chosen.ckpt"
    return chosen if chosen.is_file() else chosen.with_name("last.ckpt")


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file or of a run folder, without executing anything that the file holds.

    Args:
        path: ``*.safetensors``, a file of ``torch.save``, or a run folder, see :func:`weights_file`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds code or is no weights file.
    """
    file = weights_file(path) if path.is_dir() else path
    if not file.is_file():
        raise MissingFileError(f"no weights at {file.resolve()}; give a *.safetensors, *.pth or a run folder")
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return tensors_of(read_checkpoint(file))


def tensors_of(content: dict) -> dict[str, Tensor]:
    """The tensors of a checkpoint, or of a plain state_dict."""
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
        raise InputError(
            f"{file}: refused, since it is damaged or holds code beside tensors ({str(error).splitlines()[0]}); "
            "save a plain state_dict, or a *.safetensors"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: holds a {type(content).__name__}, not a state_dict; save model.state_dict()")
    return content


def _bare(key: str) -> str:
    """A key without the wrappers' prefixes, however many."""
    while key.startswith(_PREFIXES):
        key = key.split(".", 1)[1]
    return key


def load(body: nn.Module, path: Path, *, name: str, rename: Callable[[str], str] = str, at_least: float = 0.95) -> None:
    """Load ``path`` into ``body``; prefixes of wrappers are dropped, classifiers are ignored.

    Args:
        body: The network; changed in place.
        path: As in :func:`read_state`.
        name: The backbone's name, for the messages.
        rename: A key of the file, without prefixes, as the network's own.
        at_least: The share of parameters and statistics that the file must give.

    Raises:
        ValueError: the file gives less than that, or leaves a batch or instance norm at its start (a file of plain
            ResNet-50 gives 99.9 % of an IBN-Net), so it is of another architecture.
    """
    given = {rename(_bare(key)): value for key, value in read_state(path).items()}
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
        raise InputError(f"{report}. At least {at_least:.0%} must match: {_OTHER}")
    norms = [key for key in missing if isinstance(body.get_submodule(key.rpartition(".")[0]), _NORMS)]
    if norms:
        raise InputError(f"{report}. All batch and instance norms must match: {_OTHER}")
    body.load_state_dict(matched, strict=False)
    _log.info(report)
