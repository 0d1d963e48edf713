"""How networks of timm are built whose weights no run fetches, and the sizes of images that transformers take."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from torch import nn

from reid_lit.backbones.imagenet import cached_imagenet
from reid_lit.backbones.positions import with_fitted_positions
from reid_lit.backbones.saved_grid import saved, saved_config, saved_size
from reid_lit.backbones.timm import check_name, check_options, check_statistics
from reid_lit.backbones.weights import load
from reid_lit.errors import InputError


def built(
    name: str,
    *,
    weights: str,
    drop_path: float = 0.0,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    options: Mapping[str, Any],
    finished: Callable[[nn.Module], None],
) -> tuple[Any, Sequence[float], Sequence[float]]:
    """A network of timm with its weights, and the mean and the standard deviation of its images.

    Args:
        name: timm's name, with the tag of its weights.
        weights: ``imagenet`` (timm's file in a local cache, which is not fetched), ``none``, or a file or run folder.
        drop_path: Stochastic depth of the last block, rising linearly from 0, in [0, 1).
        mean: None, or another mean than the weights' own.
        std: None, or another standard deviation than the weights' own.
        options: Further arguments of timm's constructor.
        finished: Changes the network in place before weights are loaded.

    Raises:
        ValueError: timm has no such network, or a number is out of range.
        FileNotFoundError: the weights cannot be had.
    """
    check_options(options)
    check_name(name, tag_needed=weights == "imagenet")
    if not 0 <= drop_path < 1:
        raise InputError(f"drop_path={drop_path}: give a share in [0, 1), such as 0.1")
    config = timm.get_pretrained_cfg(name)
    for argument, chosen, trained in (("mean", mean, config.mean), ("std", std, config.std)):
        if chosen is not None:
            check_statistics(argument, chosen, trained, name=name, weights=weights)
    file = cached_imagenet(name, config) if weights == "imagenet" else Path(weights)
    model = timm.create_model(name, pretrained=False, num_classes=0, drop_path_rate=drop_path, **options)
    finished(model)
    if weights != "none":
        grid = _saved_grid(file, model)
        load(
            model, file, name=name, fit=functools.partial(with_fitted_positions, model=model, saved=grid, weights=file)
        )
    return model, mean or config.mean, std or config.std


def _saved_grid(weights: Path, model: Any) -> tuple[int, int] | None:
    """The grid of patches of the run that weights are of; None where no run's folder says it."""
    config = saved_config(weights)
    size, stride = saved_size(config), saved(config, "backbone", "stride")
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    if size is None or patch is None:
        return None
    step = stride if isinstance(stride, int) and stride > 0 else patch[0]
    rows, columns = ((side - patch[0]) // step + 1 for side in fitted(size, patch, (step, step)))
    return rows, columns


def fitted(size: Sequence[int], patch: Sequence[int], stride: Sequence[int]) -> tuple[int, int]:
    """The nearest height and width that patches divide; the size itself where patches overlap and fit into it.

    >>> fitted((256, 128), (14, 14), (14, 14)), fitted((256, 128), (16, 16), (12, 12))
    ((252, 126), (256, 128))
    """
    nearest = [
        max(side, width) if step < width else max(1, round(side / width)) * width
        for side, width, step in zip(size, patch, stride, strict=True)
    ]
    return nearest[0], nearest[1]
