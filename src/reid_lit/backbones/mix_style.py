"""MixStyle: training maps in which the styles of two images are mixed."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from jaxtyping import Float, Int
from torch import Tensor, nn

from reid_lit.errors import InputError

_EPSILON = 1e-6
_PAIRS = ("random", "domains")


class MixStyle(nn.Module):
    """Maps whose mean and standard deviation, by channel, are mixed with those of another image of the batch.

    σ_mix · (x − μ) / σ + μ_mix, with μ_mix = λ μ + (1 − λ) μ', likewise σ_mix, and a λ of Beta(α, α) for each image. No
    gradient flows through means and deviations. In a test, and in batches that the coin leaves out, maps stay as they
    are. It has no weights, so names of weights stay too.

    Source: Zhou et al., "Domain Generalization with MixStyle", ICLR 2021, equations 3 to 6. Its public code divides a
        variance by the number of positions less one, which cancels but for ε.

    Args:
        pairs: ``random`` mixes with a permutation of the batch; ``domains`` with a random image of another data set,
            where the batch has one. The public code has two sets, half a batch each, and mixes a half with the other.
        probability: Of a batch to be mixed.
        alpha: α of the Beta distribution.

    Attributes:
        domains: The number of the data set of each image of the next batch, for pairs of ``domains``.

    Raises:
        ValueError: ``pairs`` is unknown, or a number is out of its range.
    """

    def __init__(self, *, pairs: str, probability: float, alpha: float) -> None:
        super().__init__()
        if pairs not in _PAIRS:
            raise InputError(f"pairs={pairs!r}: choose one of {', '.join(_PAIRS)}")
        if not 0 <= probability <= 1:
            raise InputError(f"probability={probability}: give a number from 0 to 1")
        if not alpha > 0:
            raise InputError(f"alpha={alpha}: give a number above 0")
        self.pairs = pairs
        self.probability = probability
        self.alpha = alpha
        self.domains: Tensor | None = None

    def forward(
        self, maps: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """(b c h w) → the same shape.

        Raises:
            ValueError: pairs are of ``domains``, and those of this batch are not known.
        """
        if not self.training or torch.rand(()) >= self.probability:
            return maps
        variance, mean = torch.var_mean(maps.detach().float(), dim=(2, 3), correction=0, keepdim=True)
        spread = (variance + _EPSILON).sqrt()
        partner = self._partners(len(maps), maps.device)
        own = torch.distributions.Beta(self.alpha, self.alpha).sample((len(maps), 1, 1, 1)).to(maps.device)
        scale = (own * spread + (1 - own) * spread[partner]) / spread
        shift = own * mean + (1 - own) * mean[partner] - mean * scale
        return (maps * scale + shift).to(maps.dtype)

    def _partners(self, images: int, device: torch.device) -> Int[Tensor, " batch"]:
        """The position of the image that each one is mixed with."""
        if self.pairs == "random":
            return torch.randperm(images).to(device)
        if self.domains is None or len(self.domains) != images:
            raise InputError(
                f"pairs=domains: the data sets of these {images} images are not known; train on dataset=joint with"
                " whole batches (no trainer.chunk), or set mix_style=random"
            )
        return of_other_domains(self.domains.to(device))


def of_other_domains(domains: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """For each image the position of a random one of another domain; its own where all are of one."""
    other = domains[:, None] != domains
    drawn = torch.rand(other.shape).to(domains.device).masked_fill(~other, -1).argmax(1)
    return torch.where(other.any(1), drawn, torch.arange(len(domains), device=domains.device))


def mix_styles(
    model: Any,
    *,
    stages: Sequence[int],
    pairs: Literal["random", "domains"],
    probability: Annotated[float, Ge(0), Le(1)],
    alpha: Annotated[float, Gt(0)],
) -> None:
    """Let a network mix styles behind some of its stages.

    Args:
        model: A network of timm; changed in place, no weight gets another name.
        stages: Behind which: stage n is the last part whose map has 1 / 2^(n+1) of the image's height and width, as
            ``layer1`` to ``layer4`` of a ResNet have.
        pairs: As of :class:`MixStyle`; so are the others.
        probability: Of a batch to be mixed.
        alpha: Of the Beta distribution.

    Raises:
        ValueError: the network has no such stage.
    """
    if not stages:
        raise InputError("mix_style.stages=[]: no style is mixed; give such as [1, 2], or mix_style=none")
    known = _stages(model)
    for stage in stages:
        if stage not in known:
            raise InputError(
                f"mix_style.stages={list(stages)}: {type(model).__name__} has the stages"
                f" {', '.join(map(str, known)) or 'none'} to mix styles behind; choose among them, or a ResNet, an"
                f" IBN-Net or an EfficientNet"
            )
        known[stage].append(MixStyle(pairs=pairs, probability=probability, alpha=alpha))


def _stages(model: Any) -> dict[int, nn.Sequential]:
    """The stages of a network that are rows of blocks, by number from 1."""
    found = {}
    for part in getattr(model, "feature_info", ()):
        named = dict(model.named_modules()).get(part["module"])
        if isinstance(named, nn.Sequential) and part["reduction"] >= 4:
            found[int(part["reduction"]).bit_length() - 2] = named
    return found


def across_domains(network: nn.Module) -> list[MixStyle]:
    """The layers of a network that mix styles across data sets."""
    return [layer for layer in network.modules() if isinstance(layer, MixStyle) and layer.pairs == "domains"]
