"""AlignedReID++: a global branch for the image, and a local one for its stripes."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone, map_size
from reid_lit.errors import InputError
from reid_lit.layers.parts import stripe_shares
from reid_lit.losses.criterion import Criterion
from reid_lit.models.base import RetrievalModel
from reid_lit.models.recipe import Recipe
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output


class AlignedReid(RetrievalModel):
    """Backbone → pool → neck → classifier, and from the same map a vector for each stripe.

    Its outputs beside those of :class:`~reid_lit.models.supervised.Supervised`: ``local`` ``(b stripes dim)``, the
    stripes of the local branch, which its loss sees, and in testing ``local_pooled`` ``(b stripes c)``, the maxima of
    the map itself, which the public code compares. All of unit length.

    Args:
        backbone: Images in [0, 1] to maps.
        pool: Maps to features.
        neck: Called with ``features`` and ``persons``; gives embeddings, and ``classify`` gives logits (or None).
        local_branch: Called with ``features``; maps to stripes.
        criterion: The losses.
        persons: Training persons.
        recipe: How the model is trained and compared.
        backbone_lr_scale: The backbone's learning rate relative to the rest.
        size: Height and width of the images in pixels, which decide the rows of the map.

    Source: Luo et al., "AlignedReID++: Dynamically matching local information for person re-identification", PR 2019.
    """

    stripes = ("local_pooled", "local")

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: nn.Module,
        neck: Callable[..., Any],
        local_branch: Callable[..., Any],
        criterion: Criterion,
        persons: int,
        recipe: Recipe,
        backbone_lr_scale: Annotated[float, Ge(0)],
        size: Sequence[int],
    ) -> None:
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        self.backbone_lr_scale = backbone_lr_scale
        self.size = (size[0], size[1])
        self.pool = pool
        self.neck = neck(features=backbone.dim, persons=persons)
        self.local_branch = local_branch(features=backbone.dim)
        self.criterion = criterion.sized(
            persons=persons,
            feature=backbone.dim,
            embedding=self.neck.dim,
            classified=getattr(self.neck, "classifier", True) is not None,
            parts=("local",),
        )
        if (local := self.evaluation.local) is not None:  # what is compared is laid out by the model
            whole = self.neck.dim if self.evaluation.feature == "embedding" else backbone.dim
            channels = self.local_branch.dim if local.feature == "local" else backbone.dim
            laid_out = local.of(whole=whole, channels=channels)
            self.evaluation = dataclasses.replace(self.evaluation, local=laid_out)

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        maps = self.backbone(image)
        feature = self.pool(maps)
        embedding = self.neck(feature)
        parts = {"local": self.local_branch(maps)}
        if self.training:
            return Output(feature, embedding, self.neck.classify(embedding), parts)
        return Output(feature, embedding, None, parts | {"local_pooled": self.local_branch.pooled(maps)})

    @override
    def shares(self, maps: Tensor) -> Tensor | None:
        return stripe_shares(maps, self.local_branch.stripes or maps.shape[2])

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self(batch.image.contiguous(memory_format=self._memory_format))
        loss = self._added(self.criterion(output, batch.person))
        if output.logits is not None:
            self.log("train/accuracy", (output.logits.argmax(1) == batch.person).float().mean())
        return loss

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        rows, stripes = map_size(self.backbone, self.size)[0], self.local_branch.stripes
        if stripes is not None and rows < stripes:
            raise InputError(
                f"local_branch.stripes={stripes}: the map of an image of {self.size[0]} × {self.size[1]} has {rows}"
                f" rows; give {rows} or fewer, or null, which makes each row a stripe"
            )
