"""What every model shares: testing by retrieval, the optimizer, the schedule."""

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import Result
from reid_lit.evaluation.views import views
from reid_lit.records import Batch, Output, Parts, Shot, Split


class RetrievalModel(pl.LightningModule):
    """A network that is tested by retrieval.

    A subclass gives ``forward(image) -> Output`` and a ``training_step``.

    Args:
        backbone: Images in [0, 1] to maps.
        persons: Training persons, kept in the checkpoint so that a finished run can be built again.
        optimizer: Called with the parameter groups.
        scheduler: ``build``, called with the optimizer (and ``total_steps`` where the interval is a step), and
            ``interval``: ``epoch`` or ``step``.
        evaluation: How queries and gallery are compared.
        backbone_lr_scale: The backbone's learning rate relative to the rest.
        channels_last: Memory layout of images and weights.

    Attributes:
        result: The last test's result, on every rank.
        scores: The metric of the last test; it holds the embeddings.
        distractors: What stands behind the gallery of the tests to come, on disk.
        selected: Of which epoch the weights are and why, where they are not the last.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        persons: int,
        optimizer: Callable[..., Optimizer],
        scheduler: dict[str, Any],
        evaluation: Protocol,
        backbone_lr_scale: float,
        channels_last: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.persons = persons
        self.evaluation = evaluation
        self.result: Result | None = None
        self.scores: RetrievalScores | None = None
        self.distractors: Distractors | None = None
        self.selected: dict[str, Any] | None = None
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._backbone_lr_scale = backbone_lr_scale
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format

    @property
    def feature_learns(self) -> bool:
        """Whether what is compared changes in this epoch: what is frozen cannot collapse."""
        return True

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        raise TypeError(f"{type(self).__name__} gives no forward(image) -> Output")

    def check_data(self, data: Any, epochs: int | None) -> None:  # noqa: ARG002 - for models that train in parts
        """Refuse data, or a number of epochs, that this model cannot be trained with; asked before anything is trained.

        Args:
            data: The datamodule, set up.
            epochs: ``trainer.max_epochs``; None: not limited.

        Raises:
            ValueError: what is wrong, and the cure.
        """
        if hasattr(data, "target"):
            raise InputError(
                "dataset=transfer gives a source and a target side by side, and this model trains on one data set; set"
                " dataset=<one of them>, or model=arn"
            )

    def unlabelled(self, split: Split) -> tuple[Shot, ...]:  # noqa: ARG002 - for models that adapt
        """The training images whose persons nobody may read, for whom the model is to be adapted; here none."""
        return ()

    def embed(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """What is compared in retrieval, in float32: the mean over the views that the evaluation asks for."""
        values = [
            getattr(self(view.contiguous(memory_format=self._memory_format)), self.evaluation.feature).float()
            for view in views(image, crops=self.evaluation.crops, flip=self.evaluation.flip)
        ]
        return torch.stack(values).mean(0)

    def health_parts(
        self,
        image: Float[Tensor, "batch 3 height width"],
        camera: Int[Tensor, " batch"] | None,  # noqa: ARG002 - for models with parts of a camera's own
        *,
        source: bool,  # noqa: ARG002 - for models with parts of a domain's own
    ) -> Parts:
        """What the health of an adaptation is read from, in evaluation mode; here the feature that is compared.

        Args:
            image: In [0, 1], neither augmented nor cropped.
            camera: Counted as in training; None of images that are not of the training list.
            source: Whether the images are of the source; else they are of the target.
        """
        image = image.contiguous(memory_format=self._memory_format)
        return Parts(getattr(self(image), self.evaluation.feature))

    def _added(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The sum of weighted losses, which is minimised; each and the sum are logged."""
        loss = torch.stack(list(losses.values())).sum()
        self.log("train/loss", loss.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        return loss

    @override
    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        groups = self._groups()
        optimizer = self._optimizer([{"params": params, "name": name} for name, (_, params) in groups.items()])
        for group in optimizer.param_groups:
            group["lr"] *= groups[group["name"]][0]
        by_step = self._scheduler["interval"] == "step"
        known_steps = {"total_steps": int(self.trainer.estimated_stepping_batches)} if by_step else {}
        schedule = self._scheduler["build"](optimizer, **known_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": self._scheduler["interval"]},
        }

    def _groups(self) -> dict[str, tuple[float, list[nn.Parameter]]]:
        """What is trained, by name: its learning rate relative to the optimizer's, and its parameters."""
        slow = [p for p in self.backbone.parameters() if p.requires_grad]
        known = {id(p) for p in self.backbone.parameters()}
        fast = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        return {"head": (1.0, fast), "backbone": (self._backbone_lr_scale, slow)}

    @override
    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.check_data(self.trainer.datamodule, self.trainer.max_epochs)  # type: ignore[attr-defined]
        nn.Module.to(self, memory_format=self._memory_format)  # before DDP lays out its buckets

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["persons"] = self.persons
        if self.selected is not None:
            checkpoint["selected"] = self.selected

    def _begin(self, split: Split) -> None:
        images, protocol = len(split.query) + len(split.gallery), self.evaluation.under(split.rules)
        self.scores = RetrievalScores(
            queries=len(split.query), images=images, protocol=protocol, distractors=self.distractors
        ).to(self.device)

    def _gather(self, batch: Batch) -> None:
        if self.scores is None:
            raise RuntimeError("a test step before its test began; call trainer.test or trainer.validate")
        self.scores.update(self.embed(batch.image), batch.person, batch.camera, batch.index)

    def _finish(self, stage: str) -> None:
        if self.scores is None:
            raise RuntimeError("a test that never began ended; call trainer.test or trainer.validate")
        self.result = self.scores.compute()
        scores = {f"{stage}/{name}": value for name, value in self.result.scores.items()}
        self.log_dict(scores, sync_dist=True)  # all ranks have the same

    @override
    def on_test_epoch_start(self) -> None:
        self._begin(self.trainer.datamodule.split)  # type: ignore[attr-defined]

    @override
    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._gather(batch)

    @override
    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        """The embeddings of a batch, on the CPU, and the images' positions in the list."""
        return self.embed(batch.image).cpu(), batch.index.cpu()

    @override
    def on_test_epoch_end(self) -> None:
        self._finish(f"test/{self.trainer.datamodule.split.name}")  # type: ignore[attr-defined]

    @override
    def on_validation_epoch_start(self) -> None:
        self._begin(self.trainer.datamodule.validation)  # type: ignore[attr-defined]

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._gather(batch)

    @override
    def on_validation_epoch_end(self) -> None:
        self._finish("val")
