"""MGN: three branches of one network, which look at an image as a whole, in halves and in thirds."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone, normalised
from reid_lit.backbones.branches import branch_of, rest_of, trunk_of
from reid_lit.layers.parts import stripe_shares
from reid_lit.models.parts import PartModel


class Mgn(PartModel):
    """Trunk → three branches → eight parts, each with a reduction, a neck and a classifier.

    The trunk is the backbone up to the first block of ``layer3``. The first branch is the rest of the backbone with its
    own stride; the second and the third are copies of that, with stride 1 in ``layer4``.

    Args:
        backbone: A ResNet.
        settings: As of :class:`~reid_lit.models.parts.PartModel`.

    Source: Wang et al., "Learning Discriminative Features with Multiple Granularities for Person Re-Identification",
        ACM MM 2018, section 3 and table 1.

    Raises:
        ValueError: the backbone cannot be split there.
    """

    cure = ""

    def __init__(self, *, backbone: Backbone, **settings: Any) -> None:
        branches = nn.ModuleList(branch_of(backbone) for _ in range(2))
        super().__init__(backbone=backbone, **settings)
        self.branches = branches

    @override
    def trunk(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        return (self.pool(self.maps(image)),)

    def maps(self, image: Float[Tensor, "batch 3 height width"]) -> list[Float[Tensor, "batch channels _ _"]]:
        """The maps of the three branches, those of the second and third larger where ``layer4`` halves the first."""
        maps = normalised(image, self.backbone.mean, self.backbone.std)
        for layer in trunk_of(self.backbone):
            maps = layer(maps)
        return [rest_of(self.backbone)(maps), *(branch(maps) for branch in self.branches)]

    @override
    def activation(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Where each branch looks, in its stripes."""
        seen = [maps.float().square().sum(1, keepdim=True) for maps in self.maps(image)]
        names = zip(("whole", "halves", "thirds"), seen, (1, 2, 3), strict=True)
        return {name: maps * stripe_shares(maps, stripes) for name, maps, stripes in names}

    @override
    @torch.no_grad()
    def rows(self) -> int:
        training = self.training
        rows = self.eval().maps(torch.zeros(1, 3, *self.size, device=self.device))[1].shape[2]
        self.train(training)
        return rows

    @override
    def _backbones(self) -> list[nn.Module]:
        return [self.backbone, self.branches]
