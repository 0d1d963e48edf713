"""Any model of timm as a backbone."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.imagenet import require_imagenet
from reid_lit.backbones.installed import installed_weights
from reid_lit.backbones.stride import set_last_stride
from reid_lit.backbones.weights import load
from reid_lit.errors import InputError


class Maps(nn.Module):
    """timm's ``forward_features`` as a map ``(b c h w)``, whatever the family gives (maps, channels last, tokens)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """(b 3 h w) → (b c h' w'); tokens become the grid of patches, or one column where it is not known."""
        features = self.model.forward_features(image)
        if features.ndim == 3:
            columns = features[:, getattr(self.model, "num_prefix_tokens", 0) :].transpose(1, 2)
            return columns.unflatten(2, self._grid(columns.shape[2], image.shape[2:]))
        if features.shape[1] != self.model.num_features and features.shape[-1] == self.model.num_features:
            return features.permute(0, 3, 1, 2)
        return features

    def _grid(self, patches: int, size: Sequence[int]) -> tuple[int, int]:
        """Rows and columns of so many patches of an image of a size."""
        patch = getattr(getattr(self.model, "patch_embed", None), "patch_size", (1, 1))
        rows, columns = size[0] // patch[0], size[1] // patch[1]
        return (rows, columns) if rows * columns == patches else (patches, 1)


def timm_backbone(
    *,
    name: str,
    weights: str,
    last_stride: int = 2,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    options: dict[str, Any] | None = None,
    mix_style: Callable[[Any], None] | None = None,
) -> Backbone:
    """A model of timm, without its classifier and pooling.

    Args:
        name: timm's name; with its tag (``resnet50.tv_in1k``) when ImageNet weights are wanted, since the bare name
            picks whatever weights timm likes best today.
        weights: ``imagenet`` (of the installed package that :mod:`~reid_lit.backbones.installed` knows for the name,
            else timm's, from a local cache or fetched into it), ``none``, or a file or run folder.
        last_stride: 2 (the model as it is), or 1 for a map of twice the height and width, see
            :func:`~reid_lit.backbones.stride.set_last_stride`.
        mean: None for the mean that the ImageNet weights were trained with; another only with other weights. In [0, 1],
            for red, green, blue.
        std: None for the standard deviation that they were trained with; another only with other weights.
        options: Further arguments of timm's constructor.
        mix_style: :func:`~reid_lit.backbones.mix_style.mix_styles` of the network; None: styles stay as they are.

    Raises:
        ValueError: timm has no such model, the tag is missing, the stride cannot be set, there is no such stage, or the
            mean or the standard deviation contradicts the weights.
        FileNotFoundError: the weights cannot be had.
        ModuleNotFoundError: the package that holds the weights is not installed.

    Source: Wightman, *PyTorch Image Models*, 2019.
    """
    check_options(options or {})
    installed = installed_weights(name) if weights == "imagenet" else None
    fetched = weights == "imagenet" and installed is None
    check_name(name, tag_needed=fetched)
    config = timm.get_pretrained_cfg(name)
    for argument, chosen, trained in (("mean", mean, config.mean), ("std", std, config.std)):
        if chosen is not None:
            check_statistics(argument, chosen, trained, name=name, weights=weights)
    if fetched:
        require_imagenet(name, config)
    file = installed.path() if installed else None
    model = timm.create_model(name, pretrained=fetched, num_classes=0, **(options or {}))
    set_last_stride(model, last_stride, name=name)
    if installed and file:
        load(model, file, name=name, rename=installed.rename, at_least=1.0)
    elif weights not in ("imagenet", "none"):
        load(model, Path(weights), name=name)
    if mix_style is not None:
        mix_style(model)
    return Backbone(Maps(model), dim=model.num_features, mean=mean or config.mean, std=std or config.std)


def densenet(
    *,
    name: str,
    weights: str,
    last_relu: bool,
    last_stride: int = 2,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone:
    """A DenseNet of timm.

    Args:
        name: As in :func:`timm_backbone`; so are the others.
        weights: ``imagenet``, ``none``, or a file or run folder.
        last_relu: Whether a ReLU follows the last batch norm (timm's own way); the softmax baseline pools without it.
        last_stride: 2; a DenseNet ends with a pooling whose stride cannot be set to 1 alone.
        mean: None, or another mean than the weights' own.
        std: None, or another standard deviation than the weights' own.
    """
    backbone = timm_backbone(name=name, weights=weights, last_stride=last_stride, mean=mean, std=std)
    if not last_relu:
        backbone.body.model.features.norm5.act = nn.Identity()  # type: ignore[union-attr]
    return backbone


_ELSEWHERE = ("pretrained", "checkpoint", "cache_dir", "hf_hub", "url", "scriptable")
"""How timm's arguments begin that fetch weights or choose where they lie; ``weights`` alone says that here."""


def check_options(options: Mapping[str, Any]) -> None:
    """Raise InputError for an option that names weights, a file or an address."""
    for key, value in options.items():
        if key.startswith(_ELSEWHERE) or re.search(r"://|^(hf-hub|hf_hub|local-dir):", str(value)):
            raise InputError(
                f"options={{{key}: {value}}}: weights and where they lie are said by weights, not by an option"
            )


def check_name(name: str, *, tag_needed: bool) -> None:
    """Raise InputError for a name that timm does not know, or that leaves open which of timm's weights are meant."""
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3) or "none near"
        raise InputError(f"name={name!r}: timm {timm.__version__} has no such model; near names: {near}")
    tagged = timm.list_pretrained(f"{architecture}.*")
    if tag_needed and tagged and name not in tagged:
        raise InputError(f"name={name!r}: write the tag of the weights, one of {tagged}")


def check_statistics(
    argument: str, chosen: Sequence[float], trained: Sequence[float], *, name: str, weights: str
) -> None:
    """Raise InputError for a mean or standard deviation that is none, or that is not the ImageNet weights' own."""
    if len(chosen) != 3 or not all(0 <= value <= 1 for value in chosen) or (argument == "std" and 0 in chosen):
        raise InputError(
            f"{argument}={list(chosen)}: give red, green, blue in [0, 1], as images are here (divide by 255), or null"
        )
    if weights == "imagenet" and max(abs(a - b) for a, b in zip(chosen, trained, strict=True)) > 5e-4:
        if "_clip" in name:
            raise InputError(
                f"weights=imagenet: {name} with {argument}={list(chosen)}, as re-ID recipes have it, starts from a file"
                " of OpenAI's weights; give backbone.weights=<open_clip_model.safetensors> (docs/clip.md says which),"
                f" or none; timm's file in a cache is taken with its own {argument} {list(trained)} alone"
            )
        raise InputError(
            f"{argument}={list(chosen)}: the ImageNet weights of {name} were trained with {list(trained)}; give null,"
            " or train with other weights (none, or a file)"
        )
