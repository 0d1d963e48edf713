"""Training with person labels: the softmax, Strong and Stronger baselines."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError
from reid_lit.losses.criterion import Criterion
from reid_lit.models.in_chunks import InChunks
from reid_lit.models.recipe import Recipe
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output


class Supervised(InChunks):
    """Backbone → pool → neck → classifier, trained by a sum of losses.

    Args:
        backbone: Images in [0, 1] to maps.
        pool: Maps to features; ``dim`` says their channels where these are not the map's.
        neck: Called with ``features`` and ``persons``; gives embeddings, and ``classify`` gives logits (or None).
        criterion: The losses.
        persons: Training persons.
        recipe: How the model is trained and compared.
        backbone_lr_scale: The backbone's learning rate relative to the rest.
    """

    parts: ClassVar[tuple[str, ...]] = ()
    """The names of what a kind of it gives its losses in addition."""

    loss_of_parts: ClassVar[str] = ""
    """The option of ``loss`` that reads them."""

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: nn.Module,
        neck: Callable[..., Any],
        criterion: Criterion,
        persons: int,
        recipe: Recipe,
        backbone_lr_scale: Annotated[float, Ge(0)],
    ) -> None:
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        self.backbone_lr_scale = backbone_lr_scale
        self.pool = pool
        width = getattr(pool, "dim", backbone.dim)
        self.neck = neck(features=width, persons=persons)
        self.criterion = criterion.behind(self.neck, persons=persons, feature=width, parts=self.parts)

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        (feature,) = self.by_chunks(image)
        embedding = self.neck(feature)
        return Output(feature, embedding, self.neck.classify(embedding) if self.training else None)

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        if self.parts and not self.criterion.reads.intersection(self.parts):
            read = ", ".join(sorted(self.criterion.reads))
            raise InputError(
                f"loss: its terms read {read}, and none reads {' or '.join(self.parts)}, so what gives these would"
                f" never learn; choose loss={self.loss_of_parts}, or a model without them"
            )

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self(batch.image.contiguous(memory_format=self._memory_format))
        loss = self._added(self.criterion(output, batch.person))
        if output.logits is not None:
            self.log("train/accuracy", (output.logits.argmax(1) == batch.person).float().mean())
        return loss
