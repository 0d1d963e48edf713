"""Any model of timm as a backbone."""

from pathlib import Path
from typing import Any

import timm
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.backbones import weights as weights_
from reid_lit.backbones.base import Backbone


class _Maps(nn.Module):
    """timm's ``forward_features`` as a map ``(b c h w)``, whatever the family gives (maps, channels last, tokens)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """(b 3 h w) → (b c h' w'); tokens become one column."""
        features = self.model.forward_features(image)
        if features.ndim == 3:
            return features[:, getattr(self.model, "num_prefix_tokens", 0) :].transpose(1, 2).unsqueeze(-1)
        if features.shape[1] != self.model.num_features and features.shape[-1] == self.model.num_features:
            return features.permute(0, 3, 1, 2)
        return features


def timm_backbone(*, name: str, weights: str, options: dict[str, Any] | None = None) -> Backbone:
    """A model of timm, without its classifier and pooling.

    Args:
        name: timm's name; with its tag (``resnet50.tv_in1k``) when ImageNet weights are wanted, since the bare name
            picks whatever weights timm likes best today.
        weights: ``imagenet``, ``none``, or a file or run folder.
        options: Further arguments of timm's constructor.

    Raises:
        ValueError: timm has no such model, or the tag is missing.
        FileNotFoundError: the weights cannot be had.

    Source: Wightman, *PyTorch Image Models*, 2019.
    """
    _require_known(name, weights)
    if weights == "imagenet":
        weights_.require_imagenet(name, timm.get_pretrained_cfg(name).hf_hub_id)
    model = timm.create_model(name, pretrained=weights == "imagenet", num_classes=0, **(options or {}))
    config = model.pretrained_cfg
    if weights not in ("imagenet", "none"):
        weights_.load(model, Path(weights), name=name)
    return Backbone(_Maps(model), dim=model.num_features, mean=config["mean"], std=config["std"])


def densenet(*, name: str, weights: str, last_relu: bool) -> Backbone:
    """A DenseNet of timm.

    Args:
        name: As in :func:`timm_backbone`.
        weights: As in :func:`timm_backbone`.
        last_relu: Whether a ReLU follows the last batch norm (timm's own way); the softmax baseline pools without it.
    """
    backbone = timm_backbone(name=name, weights=weights)
    if not last_relu:
        backbone.body.model.features.norm5.act = nn.Identity()  # type: ignore[union-attr]
    return backbone


def _require_known(name: str, weights: str) -> None:
    """Refuse names that timm does not know, or that leave the ImageNet weights open."""
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        import difflib

        near = difflib.get_close_matches(architecture, timm.list_models(), n=3) or "none near"
        raise ValueError(f"backbone.name={name!r}: timm {timm.__version__} has no such model; near names: {near}")
    tagged = timm.list_pretrained(f"{architecture}.*")
    if weights == "imagenet" and tagged and name not in tagged:
        raise ValueError(f"backbone.name={name!r}: write the tag of the weights, one of {tagged}")
