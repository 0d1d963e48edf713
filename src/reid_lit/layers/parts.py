"""Parts of a map, and for each part a reduction, a neck and a classifier."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.layers.neck import Share, Size
from reid_lit.records import Output

OUTPUTS = ("pooled", "part_feature", "part_embedding", "part_logits")
"""What a model of parts gives beside the feature and the embedding; each ``(b parts channels)``."""
FANS = ("fan_in", "fan_out")
KINDS = ("max", "average")


class StripePool(nn.Module):
    """The mean of each of some horizontal stripes of the map; bins overlap where the rows do not divide evenly.

    Args:
        stripes: How many.

    Source: Sun et al., "Beyond Part Models", ECCV 2018, section 3.1.
    """

    def __init__(self, *, stripes: Size) -> None:
        super().__init__()
        self.stripes = self.parts = stripes
        self.cuts = (stripes,)

    def forward(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch stripes channels"]:
        """(b c h w) → (b stripes c), from the top."""
        return F.adaptive_avg_pool2d(maps, (self.stripes, 1)).squeeze(-1).transpose(1, 2)

    def shares(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "1 stripes rows 1"]:
        """1 where a stripe sees a position of the map, else 0."""
        return stripe_shares(maps, self.stripes)


def stripe_shares(
    maps: Float[Tensor, "batch channels rows columns"], stripes: int
) -> Float[Tensor, "1 stripes rows 1"]:
    """1 where a row of the map belongs to a stripe, 0 elsewhere, as adaptive pooling cuts it.

    >>> stripe_shares(torch.zeros(1, 1, 3, 1), 2)[0, :, :, 0]
    tensor([[1., 1., 0.],
            [0., 1., 1.]])
    """
    rows = maps.shape[2]
    shares = maps.new_zeros(1, stripes, rows, 1)
    for stripe in range(stripes):
        shares[:, stripe, stripe * rows // stripes : -(-(stripe + 1) * rows // stripes)] = 1
    return shares


class GranularityPool(nn.Module):
    """Eight parts of the maps of three branches: each as a whole, the second's halves, and the third's thirds.

    Args:
        kind: ``max`` or ``average``: what is taken of the positions of a part.

    Source: Wang et al., "Learning Discriminative Features with Multiple Granularities", ACM MM 2018, Fig. 3; the
        average by its public code.

    Raises:
        ValueError: the kind is unknown.
    """

    parts, cuts = 8, (2, 3)

    def __init__(self, *, kind: str) -> None:
        super().__init__()
        if kind not in KINDS:
            raise InputError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
        self.kind = kind

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch parts channels"]:
        """Three times (b c h w) → (b 8 c): three wholes, two halves, three thirds, each from the top."""
        cuts = [*((each, 1) for each in maps), (maps[1], 2), (maps[2], 3)]
        return torch.cat([self._stripes(each, count) for each, count in cuts], dim=1)

    def _stripes(
        self, maps: Float[Tensor, "batch channels rows columns"], count: int
    ) -> Float[Tensor, "batch stripes channels"]:
        pool = F.adaptive_max_pool2d if self.kind == "max" else F.adaptive_avg_pool2d
        return pool(maps, (count, 1)).squeeze(-1).transpose(1, 2)


class RefinedPartPool(nn.Module):
    """Refined part pooling: each position of the map belongs to each part by a probability, and a part is their mean.

    The probabilities are a softmax over the parts of a linear function of the position: of its channels, averaged in
    ``dim`` groups, less their mean over the map.

    Args:
        features: Channels of the map.
        stripes: Parts.
        dim: Groups of channels.
        dropout: Probability that a value of the map is dropped in training, for the probabilities alone.

    Source: Sun et al., "Beyond Part Models", ECCV 2018, section 3.3, equations 1 and 2; groups, centring and dropout by
        its public code.
    """

    def __init__(self, *, features: int, stripes: Size, dim: Size, dropout: Share) -> None:
        super().__init__()
        self.stripes = self.parts = stripes
        self.cuts = (1,)  # no rows belong to a part beforehand
        self.dim = min(dim, features)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.dim, stripes)
        nn.init.kaiming_normal_(self.classifier.weight, mode="fan_out")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch stripes channels"]:
        """(b c h w) → (b stripes c)."""
        shares = self.shares(maps).flatten(2)
        return self.stripes / shares.shape[2] * shares @ maps.flatten(2).transpose(1, 2)

    def shares(self, maps: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch stripes rows columns"]:
        """The probabilities of the parts at each position; their sum over the parts is 1."""
        positions = self.dropout(maps).flatten(2).transpose(1, 2)
        grouped = F.adaptive_avg_pool1d(positions, self.dim)
        scores = self.classifier(grouped - grouped.mean(1, keepdim=True))
        return scores.softmax(2).transpose(1, 2).unflatten(2, maps.shape[2:])


class Reduction(nn.Module):
    """A 1 × 1 convolution without bias on a pooled part, then a batch norm and a ReLU if they are wanted.

    Args:
        features: Channels of the part.
        dim: Channels behind it.
        norm: Whether a batch norm follows.
        norm_std: Standard deviation of the batch norm's initial weights around 1.
        relu: Whether a ReLU follows.
        init: ``fan_in`` or ``fan_out``: He's normal distribution of the initial weights.

    Raises:
        ValueError: ``init`` is unknown.
    """

    def __init__(
        self, *, features: int, dim: Size, norm: bool, norm_std: Annotated[float, Ge(0)], relu: bool, init: str
    ) -> None:
        super().__init__()
        if init not in FANS:
            raise InputError(f"init={init!r}: choose one of {', '.join(FANS)}")
        self.dim = dim
        self.linear = nn.Linear(features, dim, bias=False)  # a convolution where height and width are 1
        self.norm: nn.Module = nn.Identity()
        self.relu = nn.ReLU() if relu else nn.Identity()
        nn.init.kaiming_normal_(self.linear.weight, mode=init)  # type: ignore[arg-type]  # one of two words
        if norm:
            self.norm = nn.BatchNorm1d(dim)
            nn.init.normal_(self.norm.weight, 1.0, norm_std)

    def forward(self, part: Float[Tensor, "batch features"]) -> Float[Tensor, "batch dim"]:
        """(b features) → (b dim)."""
        return self.relu(self.norm(self.linear(part)))


class PartHeads(nn.Module):
    """For each part of an image a reduction, a neck and a classifier; together they make one embedding.

    Args:
        features: Channels of a pooled part.
        persons: Training persons, the classes.
        parts: How many.
        reduction: Called with ``features``; None: the necks see the pooled parts.
        shared: Whether one reduction serves all parts.
        neck: Called with ``features`` (the reduction's channels) and ``persons``.
        dropout: Probability that a channel of a pooled part is dropped in training.
        wide: So many parts, from the first, have their classifiers on the pooled part, before the reduction.

    Attributes:
        dim: Channels of the embedding, of all parts.
        feature_dim: Channels of the feature, of all parts.
        outputs: The names of what is given in addition.

    Source: Sun et al., "Beyond Part Models", ECCV 2018, Fig. 2; Wang et al., "Learning Discriminative Features with
        Multiple Granularities", ACM MM 2018, table 1.

    Raises:
        ValueError: there are more wide parts than parts.
    """

    def __init__(
        self,
        *,
        features: int,
        persons: int,
        parts: int,
        reduction: Callable[..., Any] | None,
        shared: bool,
        neck: Callable[..., Any],
        dropout: Share,
        wide: Annotated[int, Ge(0)],
    ) -> None:
        super().__init__()
        if wide > parts:
            raise InputError(f"wide={wide}: there are {parts} parts")
        self.dropout = nn.Dropout(dropout)
        reductions = [] if reduction is None else [reduction(features=features) for _ in range(1 if shared else parts)]
        self.reductions = nn.ModuleList(reductions)
        width = reductions[0].dim if reductions else features
        self.necks = nn.ModuleList(neck(features=width, persons=persons) for _ in range(parts))
        self.wide = nn.ModuleList(neck(features=features, persons=persons) for _ in range(wide))
        necks: list[Any] = list(self.necks)
        for narrow in necks[:wide]:  # its classifier is the wide one, and what is left of it would learn nothing
            narrow.classifier = None
            narrow.requires_grad_(False)
        self.feature_dim, self.dim = parts * width, parts * necks[0].dim
        classified = all(getattr(neck, "classifier", None) is not None for neck in self._classifying())
        self.outputs = OUTPUTS if classified else OUTPUTS[:-1]

    def forward(self, pooled: Float[Tensor, "batch parts features"], *, classify: bool) -> Output:
        """(b parts features) → the outputs; ``part_logits`` where ``classify`` asks for them."""
        seen = self.dropout(pooled)
        reduced = self._reduced(seen)
        embedded = torch.stack([neck(part) for neck, part in zip(self.necks, reduced.unbind(1), strict=True)], dim=1)
        parts = {"pooled": pooled, "part_feature": reduced, "part_embedding": embedded}
        if classify and "part_logits" in self.outputs:
            wide = [neck(part) for neck, part in zip(self.wide, seen.unbind(1), strict=False)]
            classified = [*wide, *embedded.unbind(1)[len(wide) :]]
            logits = [neck.classify(part) for neck, part in zip(self._classifying(), classified, strict=True)]
            parts["part_logits"] = torch.stack(logits, dim=1)
        return Output(reduced.flatten(1), embedded.flatten(1), None, parts)

    def _classifying(self) -> list[Any]:
        """The neck of each part whose classifier is trained."""
        return [*self.wide, *list(self.necks)[len(self.wide) :]]

    def _reduced(self, pooled: Float[Tensor, "batch parts features"]) -> Float[Tensor, "batch parts dim"]:
        if not self.reductions:
            return pooled
        if len(self.reductions) == 1:  # the statistics of its batch norm are over all parts
            return self.reductions[0](pooled.flatten(0, 1)).unflatten(0, pooled.shape[:2])
        return torch.stack([part(x) for part, x in zip(self.reductions, pooled.unbind(1), strict=True)], dim=1)
