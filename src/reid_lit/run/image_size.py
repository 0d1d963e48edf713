"""Whether a backbone takes images of the size that a config asks for, before any data are read."""

from collections.abc import Iterator

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError, UserError


def check_image_size(config: DictConfig) -> None:
    """Send an image of each size through the backbone, without weights and without computing anything.

    Raises:
        InputError: the backbone is made for images of another size, as transformers are.
        InstantiationException: it cannot be built, for a reason that it says itself.
    """
    bare = OmegaConf.merge(config.backbone, {"weights": "none"})
    try:
        with torch.device("meta"):
            backbone: Backbone = instantiate(bare, _convert_="all").eval()
            for size in dict.fromkeys(_sizes(config)):
                _check(backbone, size, config.backbone)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError) or (isinstance(cause, TypeError) and "argument" in str(cause)):
            raise
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        if isinstance(error, UserError):  # what torch cannot do without values is said when the model is built
            raise


def _sizes(config: DictConfig) -> Iterator[tuple[int, int]]:
    """Height and width of the images of training, then of a test."""
    transform = instantiate(config.transform, _convert_="all")
    yield transform.size
    yield tuple(config.evaluation.crops or transform.test_size)


def _check(backbone: Backbone, size: tuple[int, int], config: DictConfig) -> None:
    try:
        with torch.no_grad():
            backbone(torch.zeros(1, 3, *size))
    except AssertionError as error:  # timm's way to say it
        taken = any(hasattr(module, "dynamic_img_size") for module in backbone.modules())
        is_new = taken and "dynamic_img_size" not in (config.get("options") or {})
        other = ", or +backbone.options.dynamic_img_size=true for images of any size" if is_new else ""
        raise InputError(
            f"transform.size={list(size)}: {config.get('name')} takes images of another size"
            f" ({str(error).rstrip('.')}); give +backbone.options.img_size=[{size[0]},{size[1]}], for which its tables"
            f" of positions are resampled{other}"
        ) from error
