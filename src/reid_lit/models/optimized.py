"""What of a network learns, how fast, and in which epochs."""

from collections.abc import Sequence
from typing import ClassVar

from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError
from reid_lit.models.recipe import Recipe
from reid_lit.models.retrieval import EmbeddingModel


class OptimizedModel(EmbeddingModel):
    """A network whose parts learn by rates of their own, some of them in some epochs alone.

    Args:
        backbone: Images in [0, 1] to maps.
        recipe: How the model is trained and compared.
    """

    backbone_lr_scale: float = 1.0
    """The backbone's learning rate relative to the rest."""

    own_freezing: ClassVar[str] = ""
    """What says which parts learn, in a model that has a rule of its own; empty: ``recipe.frozen_epochs`` does."""

    def __init__(self, *, backbone: Backbone, recipe: Recipe) -> None:
        super().__init__(evaluation=recipe.evaluation, memory_format=recipe.memory_format)
        self.backbone = backbone
        self._recipe = recipe
        self._held: list[nn.Parameter] = []

    @property
    def feature_learns(self) -> bool:
        """Whether the compared feature changes in this epoch: a frozen one cannot collapse."""
        return self.backbone not in self.resting()

    def check_frozen(self, epochs: int | None) -> None:
        """Raise InputError unless the recipe's frozen epochs leave the backbone some of these to learn in.

        Raises:
            ValueError: they do not, or the model says itself which parts learn.
        """
        frozen = self._recipe.frozen_epochs
        if frozen and self.own_freezing:
            raise InputError(
                f"model.recipe.frozen_epochs={frozen}: {self.own_freezing} says which parts of this model learn; set 0"
            )
        if frozen and epochs is not None and frozen >= epochs:
            raise InputError(
                f"model.recipe.frozen_epochs={frozen} of trainer.max_epochs={epochs}: the backbone would learn in none;"
                f" give at most {epochs - 1}"
            )

    @override
    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        groups = self._groups()
        optimizer = self._recipe.built_optimizer(
            [{"params": params, "name": name} for name, (_, params) in groups.items()], fused=self._fuses()
        )
        for group in optimizer.param_groups:
            group["lr"] *= groups[group["name"]][0]
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": self.built_schedule(optimizer),
                "interval": self._recipe.scheduler["interval"],
            },
        }

    def _fuses(self) -> bool:
        """Whether a step may go over the weights once: on a CPU; Lightning clips no gradients of such an optimizer."""
        clips = self._trainer is not None and self.trainer.gradient_clip_val
        return self.device.type == "cpu" and not clips

    def built_schedule(self, optimizer: Optimizer) -> LRScheduler:
        """The recipe's schedule of an optimizer, over the length of this training where it asks for that."""
        build, interval = self._recipe.scheduler["build"], self._recipe.scheduler["interval"]
        length = {"total_steps": int(self.trainer.estimated_stepping_batches)} if interval == "step" else {}
        return build(optimizer, **length)

    def _groups(self) -> dict[str, tuple[float, list[nn.Parameter]]]:
        """The trained parts by name: the learning rate relative to the optimizer's, and the parameters."""
        backbone = [p for part in self._backbones() for p in part.parameters()]
        slow, known = [p for p in backbone if p.requires_grad], {id(p) for p in backbone}
        fast = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        return {"head": (1.0, fast), "backbone": (self.backbone_lr_scale, slow)}

    def _backbones(self) -> list[nn.Module]:
        """What learns by the backbone's rate."""
        return [self.backbone]

    def resting(self) -> Sequence[nn.Module]:
        """The parts that keep their weights and statistics in this epoch of a training."""
        frozen = self._trainer is not None and self.current_epoch < self._recipe.frozen_epochs
        return self._backbones() if frozen else []

    @override
    def train(self, mode: bool = True) -> "OptimizedModel":
        super().train(mode)
        for part in self.resting():
            part.eval()
        return self

    @override
    def on_train_epoch_start(self) -> None:
        self.train()
        for value in self._held:
            value.requires_grad_(True)
        # DDP waits for the gradient of every parameter that had requires_grad at its start: there it is dropped instead
        parts = [] if self.trainer.world_size > 1 else self.resting()
        self._held = [value for part in parts for value in part.parameters() if value.requires_grad]
        for value in self._held:
            value.requires_grad_(False)

    @override
    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        for part in self.resting():
            part.zero_grad(set_to_none=True)
