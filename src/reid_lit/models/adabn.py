"""AdaBN: a trained network whose batch norms get the statistics of an unlabelled target."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError, NotFiniteError
from reid_lit.layers.norm_statistics import Moments, batch_norms, observed, set_statistics
from reid_lit.layers.pooling import pooled
from reid_lit.models.base import RetrievalModel
from reid_lit.models.blind import check_blind
from reid_lit.models.predecessor import load_parts, load_same_pool
from reid_lit.models.recipe import Recipe
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output, Shot, Split
from reid_lit.wording import counted

_POOL = (
    "such as '++model.pool={_target_: reid_lit.layers.pooling.GeneralizedMeanPool, p: 3.0, learned: true, floor: 1e-6}'"
)
_CURE = "train the network on the source first, then set model.weights=<its run folder>"


class AdaBN(RetrievalModel):
    """Backbone → pool → neck of a run on a source; its training is one pass over an unlabelled target.

    The pass shows each training image of the target once, without augmentation and labels. Every batch norm gets the
    mean and the unbiased variance of all values that came into it: exactly those over all images at once for the first
    one. For those behind it each batch is normalised by its own statistics, so ``batch_size`` has a small effect; the
    images of a batch are spread over the whole list. No weight is changed.

    Args:
        backbone: Images in [0, 1] to maps.
        pool: Maps to features.
        neck: Called with ``features`` and ``persons``; its classifier is left out.
        weights: The folder of the run on the source, of whatever stage, or its checkpoint.
        batch_size: Images that are normalised together in the pass, on each rank.
        persons: Training persons; kept in the checkpoint alone.
        recipe: How the model is compared; its optimizer takes no step.
        backbone_lr_scale: Not used: no rate is, but experiments on a source set it.

    Source: Li et al., *Revisiting Batch Normalization for Practical Domain Adaptation*, 2016, Algorithm 1.

    Raises:
        ValueError: the network has no batch norm with statistics, ``batch_size`` is below 2, or (in training) the run
            has another pool.
    """

    own_freezing: ClassVar[str] = "the method"

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: nn.Module,
        neck: Callable[..., Any],
        weights: str | None,
        batch_size: int,
        persons: int,
        recipe: Recipe,
        backbone_lr_scale: float | None,  # noqa: ARG002 - see above
    ) -> None:
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        self.automatic_optimization = False
        self.pool = pool
        self.neck = neck(features=backbone.dim, persons=2)  # the fewest that a classifier tells apart
        self.neck.classifier = None
        self.weights = weights
        self.batch_size = batch_size
        if batch_size < 2:
            raise InputError(f"batch_size={batch_size}: a variance needs 2 images or more")
        if not batch_norms(self):
            raise InputError("AdaBN: this network has no batch norm with statistics; choose another backbone or neck")

    @override
    def unlabelled(self, split: Split) -> tuple[Shot, ...]:
        return split.train

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        feature = pooled(self.pool, self.backbone(image))
        return Output(feature, self.neck(feature), None)

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        if data.two_domains or data.draws_by_member:
            raise InputError("AdaBN sees the target alone; set dataset=<target>, and model.weights=<run on the source>")
        check_blind(data, own_classes=True)  # no batch that a sampler draws is learnt from
        if len(data.split.train) == 1:
            raise InputError(f"{data.split.name} has 1 training image, and a variance needs 2 or more")

    @override
    def on_fit_start(self) -> None:
        self.trainer.fit_loop.max_epochs = 1  # another pass would find the same
        super().on_fit_start()

    @override
    def start(self) -> None:
        held = load_parts(self, self.weights, parts={"backbone", "neck"}, stage=None, cure=_CURE)
        load_same_pool(self, self.weights, held, cure=_POOL)

    @override
    def on_train_epoch_start(self) -> None:
        split = self.data.split
        self.adapt()
        images = counted(len(split.train), "training image")
        self.stamp["norms"] = f"AdaBN, statistics of {images} of {split.name}, whose persons are not read"

    @torch.no_grad()
    def adapt(self) -> None:
        """Give all batch norms the statistics of the training images; every rank takes part.

        Raises:
            NotFiniteError: a statistic is infinite or no number.
        """
        norms = batch_norms(self)
        mode = self.training
        self.eval()
        with observed(norms) as seen, self.trainer.precision_plugin.val_step_context():
            for batch in self.data.mixed_dataloader(self.batch_size):
                image = self.data.as_tested(batch.image.to(self.device))
                self(image.contiguous(memory_format=self._memory_format))
        self.train(mode)
        for name, found in seen.items():
            over_ranks = self._over_ranks(found)
            if not (over_ranks.mean.isfinite().all() and over_ranks.scatter.isfinite().all()):
                raise NotFiniteError(f"AdaBN: the statistics of {name} are not finite; set trainer.precision=32-true")
            set_statistics(norms[name], over_ranks)

    def _over_ranks(self, found: Moments) -> Moments:
        """The moments of all ranks' values."""
        if self.trainer.world_size == 1:
            return found
        count = self._sum(torch.tensor(float(found.count), dtype=torch.float64))
        mean = self._sum(found.mean * found.count) / count
        scatter = self._sum(found.scatter + found.count * (found.mean - mean).square())
        return Moments(round(count.item()), mean, scatter)

    def _sum(self, value: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(value.to(self.device), reduce_op="sum").cpu()

    @override
    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> int | None:
        return -1 if batch_idx > 0 else None  # ends the epoch

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.optimizers().step()  # type: ignore[union-attr]  # without gradients: changes nothing, but at step 0 no checkpoint is written
        return torch.zeros((), device=self.device)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["stage"] = 2
