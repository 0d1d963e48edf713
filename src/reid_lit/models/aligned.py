"""AlignedReID++: a global branch for the image, and a local one for its stripes."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from reid_lit.backbones.base import Backbone, as_map, map_size
from reid_lit.errors import InputError
from reid_lit.layers.parts import stripe_shares
from reid_lit.layers.pooling import pooled
from reid_lit.models.supervised import Supervised
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Output


class AlignedReid(Supervised):
    """Backbone → pool → neck → classifier, and from the same map a vector for each stripe.

    Its outputs beside those of :class:`~reid_lit.models.supervised.Supervised`: ``local`` ``(b stripes dim)``, the
    stripes of the local branch, which its loss sees, and in testing ``local_pooled`` ``(b stripes c)``, the maxima of
    the map itself, which the public code compares. All of unit length.

    Args:
        backbone: As in :class:`~reid_lit.models.supervised.Supervised`; so is what is not named here.
        local_branch: Called with ``features``; maps to stripes.
        size: Height and width of the images in pixels, which decide the rows of the map.
        settings: The other arguments.

    Source: Luo et al., "AlignedReID++: Dynamically matching local information for person re-identification", PR 2019.
    """

    stripes = ("local_pooled", "local")
    parts = ("local",)
    loss_of_parts = "aligned"

    def __init__(
        self, *, backbone: Backbone, local_branch: Callable[..., Any], size: Sequence[int], **settings: Any
    ) -> None:
        super().__init__(backbone=backbone, **settings)
        self.size = (size[0], size[1])
        self.local_branch = local_branch(features=backbone.dim)
        if (local := self.evaluation.local) is not None:  # what is compared is laid out by the model
            whole = self.neck.dim if self.evaluation.feature == "embedding" else backbone.dim
            channels = self.local_branch.dim if local.feature == "local" else backbone.dim
            laid_out = local.of(whole=whole, channels=channels)
            self.evaluation = dataclasses.replace(self.evaluation, local=laid_out)

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        feature, local, *pooled = self.by_chunks(image)
        embedding = self.neck(feature)
        if self.training:
            return Output(feature, embedding, self.neck.classify(embedding), {"local": local})
        return Output(feature, embedding, None, {"local": local, "local_pooled": pooled[0]})

    @override
    def trunk(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        features = self.backbone(image)
        maps = as_map(features)
        local = () if self.training else (self.local_branch.pooled(maps),)
        return pooled(self.pool, features), self.local_branch(maps), *local

    @override
    def shares(self, maps: Tensor) -> Tensor | None:
        return stripe_shares(maps, self.local_branch.stripes or maps.shape[2])

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        rows, stripes = map_size(self.backbone, self.size)[0], self.local_branch.stripes
        if stripes is not None and rows < stripes:
            raise InputError(
                f"local_branch.stripes={stripes}: the map of an image of {self.size[0]} × {self.size[1]} has {rows}"
                f" rows; give {rows} or fewer, or null, which makes each row a stripe"
            )
