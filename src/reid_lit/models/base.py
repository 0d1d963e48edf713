"""What every model shares: the data that it can be trained on, what it starts from, its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone, as_map
from reid_lit.backbones.mix_style import across_domains
from reid_lit.errors import InputError
from reid_lit.models.local_norms import say_local_norms
from reid_lit.models.optimized import OptimizedModel
from reid_lit.models.recipe import Recipe
from reid_lit.models.training_data import TrainingData
from reid_lit.records import JUNK, Parts, Shot, Split


class RetrievalModel(OptimizedModel):
    """A network that is trained, and tested by retrieval.

    A subclass gives ``forward(image) -> Output`` and a ``training_step``.

    Args:
        backbone: Images in [0, 1] to maps.
        persons: Training persons, kept in the checkpoint so that a finished run can be built again.
        recipe: How the model is trained and compared.

    Attributes:
        weights: The run that training starts from, or its checkpoint; None: from none.
        stamp: What results say of the weights beside the protocol, by name; kept in the checkpoint.
    """

    stage: int | None = None
    """Which of several trainings, each of which starts from the one before; kept in the checkpoint. None: of one."""

    learns_fakes: ClassVar[bool] = False
    """Whether training batches have generated images beside the real ones."""

    strength_settings: ClassVar[tuple[str, ...]] = ()
    """Attributes that decide how strongly an adaptation changes the features."""

    def __init__(self, *, backbone: Backbone, persons: int, recipe: Recipe) -> None:
        super().__init__(backbone=backbone, recipe=recipe)
        self.persons = persons
        self.weights: str | None = None
        self.stamp: dict[str, str] = {}
        self._selected: dict[str, Any] | None = None
        self._resumed = False

    @property
    def selected(self) -> dict[str, Any] | None:
        """The epoch of the weights, and why it was chosen; None: they are the last."""
        return self._selected

    def check_training(self, data: TrainingData, epochs: int | None) -> None:
        """Raise InputError unless this model can be trained on these data, as :meth:`check_data` does.

        Raises:
            ValueError: what is wrong, and the cure; also where the data have generated images and the model has no use
                for them.
        """
        if data.has_fakes and not self.learns_fakes:
            raise InputError(
                "dataset.fakes: this model has no use for images in other cameras' styles; set model=camstyle, or"
                " dataset.fakes=null"
            )
        if self.mixes_domains and (data.domains is None or data.has_fakes):
            raise InputError(
                f"mix_style=domains mixes the styles of several data sets, and {data.split.name} is"
                f" {'one with images in other styles' if data.has_fakes else 'one'}; set dataset=joint, or"
                " mix_style=random"
            )
        self.check_frozen(epochs)
        self.check_data(data, epochs)

    @property
    def mixes_domains(self) -> bool:
        """Whether its network mixes the styles of several data sets in a batch, so that it has to know them."""
        return bool(across_domains(self))

    def check_data(self, data: TrainingData, epochs: int | None) -> None:  # noqa: ARG002 - for models that train in parts
        """Raise InputError unless this model can be trained on these data for so many epochs; called before training.

        Args:
            data: The datamodule, set up.
            epochs: ``trainer.max_epochs``; None: not limited.

        Raises:
            ValueError: what is wrong, and the cure.
        """
        if data.two_domains:
            raise InputError(
                "dataset=transfer gives a source and a target side by side, and this model trains on one data set; set"
                " dataset=<one of them>, or model=arn"
            )
        self.check_compared()
        train = data.split.train
        if train and not self.unlabelled(data.split) and all(shot.person_id == JUNK for shot in train):
            raise InputError(
                f"{data.split.name} has {len(train)} training images, and no person is known on any:"
                " they can be adapted to (model=arn with dataset=transfer, PUL, AdaBN), not learnt from"
            )

    def check_test(self, test: TrainingData, training: TrainingData | None = None) -> None:
        """Raise InputError unless this model can embed the query and gallery of a test; here it always can.

        Called before it is trained, and before each test and whatever else embeds the images of a data set.

        Args:
            test: The datamodule, whose ``split`` has them.
            training: What the model is going to be trained on; None: it is trained.

        Raises:
            ValueError: what is wrong, and the cure.
        """

    @override
    def on_test_epoch_start(self) -> None:
        self.check_test(self.data)
        super().on_test_epoch_start()

    @override
    def on_predict_epoch_start(self) -> None:
        self.check_test(self.data)

    def unlabelled(self, split: Split) -> tuple[Shot, ...]:  # noqa: ARG002 - for models that adapt
        """The training images of unknown persons, to which the model is adapted; here none."""
        return ()

    @property
    def round_labels(self) -> Int[Tensor, " images"] | None:
        """The clusters that the images of :meth:`unlabelled` have in this round, -1 for none; here there are none."""
        return None

    @property
    def round_figures(self) -> Mapping[str, float]:
        """What can be said of these clusters without a label, for the health of an adaptation; here nothing."""
        return {}

    def load_weights(self, checkpoint: Mapping[str, Any]) -> None:
        """Load a checkpoint's weights, what is said of them, and which epoch they are of where that was chosen."""
        self.load_state_dict(checkpoint["state_dict"])
        self._selected = checkpoint.get("selected")
        self.stamp = dict(checkpoint.get("stamp", {}))

    def save_selected(self, file: Path, selected: dict[str, Any]) -> None:
        """Write a checkpoint of the weights alone that says why this epoch was chosen; every rank takes part.

        Args:
            file: The checkpoint.
            selected: ``epoch``, counted from 1, and the ``figure`` that chose it with its ``value``.
        """
        self._selected = selected
        try:
            self.trainer.save_checkpoint(file, weights_only=True)
        finally:
            self._selected = None  # training goes on: the last checkpoint is not a chosen one

    def health_parts(
        self,
        image: Float[Tensor, "batch 3 height width"],
        camera: Int[Tensor, " batch"] | None,  # noqa: ARG002 - for models with a part for each camera
        *,
        source: bool,  # noqa: ARG002 - for models with a part for each domain
    ) -> Parts:
        """The features that the health of an adaptation is measured on, in evaluation mode; here the compared one.

        Args:
            image: In [0, 1], neither augmented nor cropped.
            camera: Counted as in training; None for images outside the training list.
            source: Whether the images are of the source; else they are of the target.
        """
        image = image.contiguous(memory_format=self._memory_format)
        return Parts(self(image).named(self.evaluation.feature).flatten(1))

    def activation(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Float[Tensor, "batch parts rows columns"]]:
        """Where the network looks, by name: the sum of squares over the channels of its map, in evaluation mode.

        Where a model has stripes or parts, ``stripes`` has what each of them sees of it, 0 elsewhere.

        Source: Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017, section 3.1, F²_sum.

        Args:
            image: In [0, 1].
        """
        maps = as_map(self.backbone(image.contiguous(memory_format=self._memory_format)))
        whole = maps.float().square().sum(1, keepdim=True)
        shares = self.shares(maps)
        return {"activation": whole} if shares is None else {"activation": whole, "stripes": whole * shares}

    def shares(
        self,
        maps: Float[Tensor, "batch channels rows columns"],  # noqa: ARG002 - for models of parts
    ) -> Float[Tensor, "any parts rows any"] | None:
        """What share of each position of the map each part sees; None: the model has no parts."""
        return None

    def _added(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The sum of weighted losses, which is minimised; each loss and the sum are logged."""
        loss = torch.stack(list(losses.values())).sum()
        self.log("train/loss", loss.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        return loss

    @override
    def setup(self, stage: str) -> None:
        if stage == "fit":
            epochs = self.trainer.max_epochs
            self.check_training(self.data, None if epochs == -1 else epochs)
            if isinstance(self.backbone, Backbone):
                self.data.normalised_by(self.backbone.mean.flatten().tolist(), self.backbone.std.flatten().tolist())
        nn.Module.to(self, memory_format=self._memory_format)  # before DDP lays out its buckets

    def start(self) -> None:
        """Load what a training starts from. A run that goes on does not: its checkpoint has all weights.

        Raises:
            ValueError: ``weights`` is not a run of the stage before, or does not fit.
            FileNotFoundError: it has no checkpoint.
        """

    @override
    def on_fit_start(self) -> None:
        if not self._resumed:
            self.start()

    @override
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        for layer in across_domains(self):
            domains = self.data.domains
            layer.domains = None if domains is None else domains.to(batch.index.device)[batch.index]
        return None

    @override
    def on_train_start(self) -> None:
        if self.automatic_optimization:  # else a model takes no step, and norms learn otherwise
            self.train()
            say_local_norms(self, ranks=self.trainer.world_size, images=self.data.batch_size)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["persons"] = self.persons
        if self.stage is not None:
            checkpoint["stage"] = self.stage
        if self.stamp:
            checkpoint["stamp"] = dict(self.stamp)
        if self.selected is not None:
            checkpoint["selected"] = self.selected

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._resumed = True
