"""ImageNet weights: found in a local cache or fetched into it; whether that is possible is known before training."""

import os
from pathlib import Path
from typing import Any

import torch

from reid_lit.errors import MissingFileError
from reid_lit.network import unreachable

_FILES = ("model.safetensors", "pytorch_model.bin")


def require_imagenet(name: str, config: Any) -> None:
    """Raise MissingFileError unless timm's weights of ``name`` are in a local cache or can be fetched.

    Args:
        name: timm's name, for the messages.
        config: timm's ``PretrainedCfg`` of it, which says where its weights are.

    Raises:
        MissingFileError: they are neither; the message names the file, its folder and what else can be given.
    """
    from huggingface_hub import constants

    if not (config.hf_hub_id or config.url):
        raise MissingFileError(f"weights=imagenet: timm has none of {name}; {_other_weights(name)}")
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
    """Raise MissingFileError unless ``file``, which is not in ``folder``, can be fetched from ``address``."""
    reason = why_offline or unreachable(address)
    if reason:
        raise MissingFileError(
            f"weights=imagenet: the file of {name}, {file}, is not in {folder} and {address} cannot be reached"
            f" ({reason}); {_other_weights(name)}"
        )


def _other_weights(name: str) -> str:
    """What can be given in place of ImageNet weights."""
    return f"give none to train from scratch, or a file or a run folder with weights of {name}"


def imagenet_file(config: Any) -> Path | None:
    """The file with the ImageNet weights of timm's ``PretrainedCfg`` in a local cache; None if it is not there."""
    if config.hf_hub_id:
        return _hub_file(config.hf_hub_id)
    return release_file(config.url) if config.url and release_file(config.url).is_file() else None


def cached_imagenet(name: str, config: Any) -> Path:
    """The file with the weights of timm's ``PretrainedCfg`` in a local cache; nothing is fetched.

    Args:
        name: timm's name, for the messages.
        config: Which says where its weights are.

    Raises:
        MissingFileError: it is not there; the message says where it can be had and what else can be given.
    """
    file = imagenet_file(config)
    if file is None:
        source = f"huggingface.co/{config.hf_hub_id}" if config.hf_hub_id else config.url
        where = f"; it is at {source}: give it as weights=<file>" if source else ""
        raise MissingFileError(
            f"weights=imagenet: the file of {name} is in no local cache, and a run fetches none{where};"
            f" {_other_weights(name)}"
        )
    return file


def _hub_file(hub_id: str) -> Path | None:
    """The file with timm's weights in the local cache of the hub; None if it is not there."""
    from huggingface_hub import try_to_load_from_cache

    files = (try_to_load_from_cache(hub_id, file) for file in _FILES)
    return next((Path(file) for file in files if isinstance(file, str)), None)


def release_file(url: str) -> Path:
    """Where torch keeps the file of a release at ``url``; it need not be there."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def fetched(name: str, url: str) -> Path:
    """The file of a release at ``url``, in torch's cache; fetched if it is not there yet.

    Args:
        name: The backbone's name, for the messages.
        url: Ends with the first digits of the file's SHA-256, as torch's releases do: ``name-0123abcd.pth``.

    Raises:
        MissingFileError: it is not there and cannot be fetched; the message names the file, its folder and what else
            can be given.
    """
    file = release_file(url)
    if not file.is_file():
        _require_reachable(name, file.name, str(file.parent), url)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), hash_prefix=file.stem.rpartition("-")[2], progress=False)
    return file
