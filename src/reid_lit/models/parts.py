"""Training with person labels by parts of an image: each has its own classifier, together they make one embedding."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

from annotated_types import Ge
from jaxtyping import Float
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor
from typing_extensions import override

from reid_lit.backbones.base import Backbone, map_size
from reid_lit.errors import InputError
from reid_lit.losses.criterion import Criterion
from reid_lit.models.in_chunks import InChunks
from reid_lit.models.recipe import Recipe
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output

_log = logging.getLogger(__name__)


class PartModel(InChunks):
    """Backbone → parts → for each part a reduction, a neck and a classifier.

    Its outputs: ``feature`` and ``embedding`` are those of all parts in one vector, before and behind their necks;
    ``pooled``, ``part_feature``, ``part_embedding`` and in training ``part_logits`` have the parts apart.

    Args:
        backbone: Images in [0, 1] to maps.
        pool: Maps to parts ``(b parts c)``; ``parts`` says how many, ``cuts`` into how many stripes it cuts a map.
        heads: Called with ``features``, ``persons`` and ``parts``.
        criterion: The losses.
        persons: Training persons.
        recipe: How the model is trained and compared.
        backbone_lr_scale: The backbone's learning rate relative to the rest.
        size: Height and width of the images in pixels, which decide the rows of the map.

    Source: Sun et al., "Beyond Part Models: Person Retrieval with Refined Part Pooling", ECCV 2018 (PCB).
    """

    compared = ("embedding", "feature", "pooled")
    cure: ClassVar[str] = ", model.pool.stripes={rows} or fewer, or backbone.last_stride=1 where it is 2"
    """What helps beside larger images where the map has fewer rows."""

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: Any,
        heads: Callable[..., Any],
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
        self.heads = heads(features=backbone.dim, persons=persons, parts=pool.parts)
        self.criterion = criterion.sized(
            persons=persons,
            feature=self.heads.feature_dim,
            embedding=self.heads.dim,
            classified=False,
            parts=self.heads.outputs,
        )

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        (pooled,) = self.by_chunks(image)
        return self.heads(pooled, classify=self.training)

    @override
    def shares(self, maps: Tensor) -> Tensor | None:
        return self.pool.shares(maps) if hasattr(self.pool, "shares") else None

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self(batch.image.contiguous(memory_format=self._memory_format))
        loss = self._added(self.criterion(output, batch.person))
        if (logits := output.parts.get("part_logits")) is not None:
            self.log("train/accuracy", (logits.argmax(2) == batch.person[:, None]).float().mean())  # of all parts
        return loss

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        rows, stripes, (height, width) = self.rows(), max(self.pool.cuts), self.size
        if rows < stripes:
            larger = stripes * _pixels(rows, self.size)
            raise InputError(
                f"transform.size=[{height},{width}]: the map has {rows} rows, which cannot be cut into {stripes}"
                f" stripes; give [{larger},{width}] or larger{self.cure.format(rows=rows)}"
            )

    @override
    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit":
            self.say_uneven()

    def say_uneven(self) -> None:
        """Log a warning where the stripes of the map overlap, with the sizes of images that would mend it."""
        if words := uneven(self.rows(), self.pool.cuts, self.size):
            rank_zero_only(_log.warning)(words)

    def rows(self) -> int:
        """The rows of the map that is cut."""
        return map_size(self.backbone, self.size)[0]


def uneven(rows: int, stripes: Sequence[int], size: Sequence[int]) -> str:
    """What to say where the rows of a map are not a multiple of the stripes; nothing where they are.

    Args:
        rows: Of the map.
        stripes: That it is cut into, once or several times.
        size: Height and width of the images.
    """
    if all(rows % count == 0 for count in stripes):
        return ""
    common, pixels = math.lcm(*stripes), _pixels(rows, size)
    heights = [factor * common * pixels for factor in (rows // common, rows // common + 1) if factor]
    return (
        f"{rows} rows of the map do not divide evenly into {' and '.join(map(str, stripes))} stripes, so stripes"
        f" overlap; transform.size=[height,{size[1]}] with a height of {' or '.join(map(str, heights))} would"
    )


def _pixels(rows: int, size: Sequence[int]) -> int:
    """Pixels of an image for each row of its map."""
    return math.ceil(size[0] / rows)
