"""What CLIP makes of an image, in three views: before and behind its last block, and beside a text."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import timm
import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.clip_text import CURE
from reid_lit.backbones.imagenet import imagenet_file
from reid_lit.backbones.weights import read_state
from reid_lit.errors import InputError, MissingFileError
from reid_lit.records import Tokens

_NAMES = ("proj", "head.weight", "visual_projection.weight", "projection.weight")
"""How its name ends in a file of OpenAI, open_clip or CLIP-ReID, of timm, of transformers, and of our own runs."""


class ClipViews(nn.Module):
    """A pool of what CLIP's image tower gives: two views of an image in one feature, of three that it can tell apart.

    A subclass gives :meth:`told_apart`, and sets the attributes.

    Attributes:
        reads: What its backbone gives; the same in words; what to choose where it gives something else.
        widths: Channels of the three views.
        dim: Channels of the feature, which is the second and the third of them.

    Source: Li et al., "CLIP-ReID: Exploiting Vision-Language Model for Image Re-Identification without Concrete Text
        Labels", AAAI 2023, section 3.3, and its public code.
    """

    reads: ClassVar[tuple[type, str, str]]
    widths: tuple[int, int, int]

    @property
    def dim(self) -> int:
        """Channels of the feature."""
        return sum(self.widths[1:])

    def told_apart(self, features: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The views, of what a backbone gives that is of :attr:`reads`."""
        raise NotImplementedError

    def views(
        self, features: Any
    ) -> tuple[Float[Tensor, "batch _before"], Float[Tensor, "batch _token"], Float[Tensor, "batch _projected"]]:
        """The view before the last block or stage, the one behind it, and the one that is compared with a text.

        Raises:
            ValueError: the backbone gives something else than this pool reads.
        """
        kind, words, cure = self.reads
        if not isinstance(features, kind):
            raise InputError(
                f"model.pool={type(self).__name__} reads {words}, which this backbone does not give; choose {cure}"
            )
        return self.told_apart(features)

    @override
    def forward(self, features: Any) -> Float[Tensor, "batch both"]:
        """What the backbone gives → (b dim)."""
        _, token, projected = self.views(features)
        return together(token, projected)


class ProjectedToken(ClipViews):
    """A pool of tokens: the class token and its projection, in one feature.

    Its views: the class token before the last block, without a norm; behind it and the final norm; that one projected.

    Args:
        features: Channels of a token.
        dim: Channels of the projection, which CLIP compares with those of a text.
        name: timm's name of the image tower.
        weights: ``none``, random, or what the image tower starts from: a file of CLIP, or ``imagenet``, timm's file of
            ``name`` in a local cache. A run brings its own, by ``model.weights``.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section
        2.4.

    Raises:
        ValueError: the file lacks the projection in this size.
        FileNotFoundError: there is no such file.
    """

    reads = (
        Tokens,
        "tokens of a vision transformer",
        "backbone=clip_reid_vit_b16; backbone=clip_reid_resnet50 has models of its own (model=clip_prompts_resnet50,"
        " clip_reid_resnet50, pcl_clip_resnet50)",
    )

    def __init__(self, *, features: Annotated[int, Ge(1)], dim: Annotated[int, Ge(1)], name: str, weights: str) -> None:
        super().__init__()
        self.projection = nn.Linear(features, dim, bias=False)
        if weights == "none":
            nn.init.normal_(self.projection.weight, std=features**-0.5)  # as CLIP starts
        else:
            self.projection.load_state_dict({"weight": _projection(name, weights, (dim, features))})
        self.widths = (features, features, dim)

    @override
    def told_apart(self, features: Tokens) -> tuple[Tensor, Tensor, Tensor]:
        token = features.class_token
        return features.before[:, 0], token, self.projection(token)


def together(*views: Float[Tensor, "batch _"]) -> Float[Tensor, "batch both"]:
    """Views of an image in one vector, in the precision of the first."""
    return torch.cat([view.to(views[0]) for view in views], dim=1)


def clip_file(name: str, weights: str) -> Path:
    """The file that an image tower starts from.

    Args:
        name: timm's name of it.
        weights: ``imagenet``, timm's file in a local cache, or a file.

    Raises:
        FileNotFoundError: timm's file is not there.
    """
    path = imagenet_file(timm.get_pretrained_cfg(name)) if weights == "imagenet" else Path(weights)
    if path is None:
        raise MissingFileError(f"weights=imagenet: the file of {name} is not in a local cache; {CURE}")
    return path


def _projection(name: str, weights: str, shape: tuple[int, int]) -> Float[Tensor, "dim features"]:
    """The projection in a file of CLIP."""
    file = read_state(clip_file(name, weights))
    named = {key: value for key, value in file.items() if any(f".{key}".endswith(f".{name}") for name in _NAMES)}
    found = {key: value.T if key.endswith("proj") else value for key, value in named.items() if value.ndim == 2}
    fitting = [key for key, value in found.items() if value.shape == shape]
    if len(fitting) != 1:
        shapes = (
            f"{', '.join(f'{key} {list(value.shape)}' for key, value in found.items())}"
            if found
            else f"under no name that ends in {', '.join(_NAMES)}"
        )
        raise InputError(f"weights={weights}: the projection has to be one of {list(shape)}, and is {shapes}; {CURE}")
    return found[fitting[0]].float().contiguous()
