"""What CLIP makes of an image: the class token before and behind the last block, and its projection."""

from pathlib import Path
from typing import Annotated

import timm
import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.backbones.clip_text import CURE
from reid_lit.backbones.imagenet import imagenet_file
from reid_lit.backbones.weights import read_state
from reid_lit.errors import InputError, MissingFileError
from reid_lit.records import Tokens

_NAMES = ("visual.proj", "visual.head.proj", "head.weight")
"""Of the projection in a file of OpenAI or open_clip, of timm's tower in open_clip, and of timm."""


class ProjectedToken(nn.Module):
    """A pool of tokens: the class token and its projection, in one feature.

    Args:
        features: Channels of a token.
        dim: Channels of the projection, which CLIP compares with those of a text.
        name: timm's name of the image tower.
        weights: ``none``, random, or what the image tower starts from: a file of CLIP, or ``imagenet``, timm's file of
            ``name`` in a local cache. A run brings its own, by ``model.weights``.

    Attributes:
        widths: Channels of the three views.
        dim: Channels of the feature.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section
        2.4; which of it is learnt and compared: Li et al., "CLIP-ReID", AAAI 2023, section 3.3, and its public code.

    Raises:
        ValueError: the file lacks the projection in this size.
        FileNotFoundError: there is no such file.
    """

    reads_tokens = True

    def __init__(self, *, features: Annotated[int, Ge(1)], dim: Annotated[int, Ge(1)], name: str, weights: str) -> None:
        super().__init__()
        self.projection = nn.Linear(features, dim, bias=False)
        if weights == "none":
            nn.init.normal_(self.projection.weight, std=features**-0.5)  # as CLIP starts
        else:
            self.projection.load_state_dict({"weight": _projection(name, weights, (dim, features))})
        self.widths = (features, features, dim)
        self.dim = features + dim

    def views(
        self, tokens: Tokens
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"], Float[Tensor, "batch dim"]]:
        """The class token before the last block, without a norm; behind it and the final norm; that one projected."""
        return tokens.before[:, 0], tokens.class_token, self.projection(tokens.class_token)

    def forward(self, tokens: Tokens) -> Float[Tensor, "batch both"]:
        """Tokens → (b features + dim)."""
        _, token, projected = self.views(tokens)
        return together(token, projected)


def together(*views: Float[Tensor, "batch _"]) -> Float[Tensor, "batch both"]:
    """Views of an image in one vector, in the precision of the first."""
    return torch.cat([view.to(views[0]) for view in views], dim=1)


def _projection(name: str, weights: str, shape: tuple[int, int]) -> Float[Tensor, "dim features"]:
    """The projection in a file of CLIP."""
    path = imagenet_file(timm.get_pretrained_cfg(name)) if weights == "imagenet" else Path(weights)
    if path is None:
        raise MissingFileError(f"weights=imagenet: the file of {name} is not in a local cache; {CURE}")
    file = read_state(path)
    found = [file[key].T if key.endswith("proj") else file[key] for key in _NAMES if key in file]
    fitting = [value for value in found if value.shape == shape]
    if not fitting:
        shapes = (
            f"of {[list(value.shape) for value in found]}" if found else f"by none of the names {', '.join(_NAMES)}"
        )
        raise InputError(f"weights={weights}: the projection has to be {list(shape)}, and is in it {shapes}; {CURE}")
    return fitting[0].float().contiguous()
