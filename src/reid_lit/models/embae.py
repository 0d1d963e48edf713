"""EmbAE's autoencoder: what is identity and what is nuisance in a feature, learnt without person labels."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError
from reid_lit.evaluation.protocol import Protocol
from reid_lit.models.base import RetrievalModel
from reid_lit.models.blind import check_blind
from reid_lit.models.predecessor import take_up
from reid_lit.records import Batch, Output, Parts, Shot, Split

VARIANTS = ("plain", "fix", "new", "cam")
_PARTS = ("neck", "nuisance", "decoder")
_EXPERIMENTS = {1: "duke_embae", 2: "duke_embae_autoencoder"}


def trained_parts(stage: int, variant: str | None, *, epoch: int, nuisance_epochs: int) -> frozenset[str]:
    """Which of ``neck`` (θ_emb), ``nuisance`` (θ_nui) and ``decoder`` (θ_dec) learn in an epoch; the rest is frozen.

    Args:
        stage: 2, the autoencoder on the source, or 3, on the target.
        variant: Of stage 3: ``plain`` trains all; ``fix`` freezes θ_nui; ``new`` and ``cam`` train a new θ_nui alone,
            then all but it.
        epoch: Counted from 0.
        nuisance_epochs: Epochs in which ``new`` and ``cam`` train θ_nui.

    Source: Feng et al., ICANN 2018, section 3.
    """
    if stage == 2:
        return frozenset({"nuisance", "decoder"})
    if variant in ("new", "cam") and epoch < nuisance_epochs:
        return frozenset({"nuisance"})
    return frozenset(_PARTS if variant == "plain" else {"neck", "decoder"})


class EmbAE(RetrievalModel):
    """Backbone → pool → f_emb and f_nui → f_dec, trained to reconstruct the pooled feature; stage 2 or 3 of EmbAE.

    Person labels are never read. The backbone is frozen: its feature is the target of the reconstruction, which would
    collapse with it. What is frozen keeps its weights and its batch norms' statistics bit for bit.

    Args:
        backbone: Images in [0, 1] to maps.
        pool: Maps to features h.
        neck: f_emb; called with ``features`` and ``persons``.
        nuisance: f_nui; called with ``features`` and ``cameras``.
        decoder: f_dec; called with ``features`` and ``dim``, the channels of both codes together.
        stage: 2, on the source, after stage 1 (:class:`~reid_lit.models.supervised.Supervised` with f_emb as its neck);
            3, on the target, after stage 2.
        variant: Of stage 3: ``plain``, ``fix``, ``new`` or ``cam``; None in stage 2.
        weights: The folder of the run of the stage before, or its checkpoint.
        cameras: How many cameras have a nuisance encoder each; None is one encoder for all.
        nuisance_epochs: Epochs in which ``new`` and ``cam`` train the new nuisance encoders alone.
        persons: As in :class:`~reid_lit.models.base.RetrievalModel`, like the rest.
        optimizer: Likewise; it must leave parameters without a gradient alone, as torch's do.
        scheduler: Likewise.
        evaluation: Likewise.
        channels_last: Likewise.

    Source: Feng et al., "Metric Embedding Autoencoders for Unsupervised Cross-Dataset Transfer Learning", ICANN 2018,
        section 3; the reconstruction loss (mean squared error) and the frozen backbone are ours, the paper is silent.

    Raises:
        ValueError: the stage or its variant is unknown, or ``cameras`` or ``nuisance_epochs`` does not fit the variant.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: nn.Module,
        neck: Callable[..., Any],
        nuisance: Callable[..., Any],
        decoder: Callable[..., nn.Module],
        stage: int,
        variant: str | None,
        weights: str | None,
        cameras: int | None,
        nuisance_epochs: int,
        persons: int,
        optimizer: Callable[..., Optimizer],
        scheduler: dict[str, Any],
        evaluation: Protocol,
        channels_last: bool,
    ) -> None:
        _check(stage, variant, cameras, nuisance_epochs)
        super().__init__(
            backbone=backbone,
            persons=persons,
            optimizer=optimizer,
            scheduler=scheduler,
            evaluation=evaluation,
            backbone_lr_scale=1.0,  # of no effect: it is frozen
            channels_last=channels_last,
        )
        self.pool = pool
        self.neck = neck(features=backbone.dim, persons=persons)
        self.nuisance = nuisance(features=backbone.dim, cameras=cameras)
        self.decoder = decoder(features=backbone.dim, dim=self.neck.dim + self.nuisance.dim)
        self.stage = stage
        self.variant = variant
        self.weights = weights
        self.cameras = cameras
        self.nuisance_epochs = nuisance_epochs
        self._resumed = False
        backbone.requires_grad_(False)
        epochs = (0, nuisance_epochs)
        ever = {
            part for epoch in epochs for part in trained_parts(stage, variant, epoch=epoch, nuisance_epochs=epochs[1])
        }
        for part in _PARTS:
            getattr(self, part).requires_grad_(part in ever)

    @override
    def unlabelled(self, split: Split) -> tuple[Shot, ...]:
        return split.train if self.stage == 3 else ()

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        with torch.no_grad():
            feature = self.pool(self.backbone(image))
        return Output(feature, self.neck(feature), None)

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self(batch.image.contiguous(memory_format=self._memory_format))
        nuisance = self.nuisance(output.feature, batch.camera)
        loss = F.mse_loss(self.decoder(output.embedding, nuisance).float(), output.feature.float())
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    @override
    def health_parts(
        self, image: Float[Tensor, "batch 3 height width"], camera: Int[Tensor, " batch"] | None, *, source: bool
    ) -> Parts:
        output = self(image.contiguous(memory_format=self._memory_format))
        if camera is None:  # whose nuisance encoder is another's, or none's
            return Parts(output.embedding)
        nuisance = self.nuisance(output.feature, camera)
        return Parts(output.embedding, nuisance, output.feature, self.decoder(output.embedding, nuisance))

    @override
    def train(self, mode: bool = True) -> "EmbAE":
        super().train(mode)
        learning = self._learning()
        for part in ("backbone", *_PARTS):
            getattr(self, part).train(mode and part in learning)
        return self

    @override
    def on_train_epoch_start(self) -> None:
        self.train()

    @override
    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # frozen for these epochs only: DDP waits for the gradient of everything that had requires_grad at its start
        for part in set(_PARTS) - self._learning():
            getattr(self, part).zero_grad(set_to_none=True)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["stage"] = self.stage

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._resumed = True

    @override
    def on_fit_start(self) -> None:
        if not self._resumed:  # the checkpoint of a killed run has all of it, and the stage before may be gone
            self._take_up()

    @property
    @override
    def feature_learns(self) -> bool:
        return "neck" in self._learning()

    def _learning(self) -> frozenset[str]:
        return trained_parts(self.stage, self.variant, epoch=self.current_epoch, nuisance_epochs=self.nuisance_epochs)

    @override
    def check_data(self, data: Any, epochs: int | None) -> None:
        super().check_data(data, epochs)
        if self.stage == 3:
            check_blind(data, own_classes=False)
        if self.cameras is not None and data.cameras > self.cameras:
            raise InputError(
                f"model.cameras={self.cameras}, but {data.split.name} has {data.cameras} cameras, and each needs a"
                f" nuisance encoder; set model.cameras={data.cameras}"
            )
        if self.variant in ("new", "cam") and epochs is not None and 0 <= epochs <= self.nuisance_epochs:
            raise InputError(
                f"trainer.max_epochs={epochs} ends while variant {self.variant!r} still trains its nuisance encoders"
                f" alone, for model.nuisance_epochs={self.nuisance_epochs}; set model.nuisance_epochs < {epochs}"
            )

    def _take_up(self) -> None:
        """Load what the stage before has trained; the θ_nui of ``new`` and ``cam`` stays as it was drawn."""
        before = self.stage - 1
        cure = (
            f"train stage {before} first (+experiment={_EXPERIMENTS[before]}), then set model.weights=<its run folder>"
        )
        given = take_up(self, self.weights, parts=self._inherited(), stage=self.stage, cure=cure)
        branches = {key.split(".")[2] for key in given if key.startswith("nuisance.branches.")}
        if self.stage == 3 and (self.variant == "cam") != (len(branches) > 1):
            asked = "one for each camera of the source" if self.variant == "cam" else "one for all cameras"
            cure = "model.cameras=<cameras of the source>" if self.variant == "cam" else "model.cameras=null"
            raise InputError(
                f"model.variant={self.variant!r} goes on from a stage 2 with {asked}, and model.weights={self.weights}"
                f" has {len(branches)} nuisance encoders; train stage 2 with {cure}"
            )

    def _inherited(self) -> set[str]:
        if self.stage == 2:
            return {"backbone", "neck"}
        return {"backbone", "neck", "decoder", *(() if self.variant in ("new", "cam") else ("nuisance",))}


def _check(stage: int, variant: str | None, cameras: int | None, nuisance_epochs: int) -> None:
    if stage not in (2, 3):
        raise InputError(f"model.stage={stage}: 2 or 3; stage 1 is model=strong with neck=embae")
    if stage == 2 and variant is not None:
        raise InputError(f"model.variant={variant!r} belongs to stage 3; set model.variant=null or model.stage=3")
    if stage == 3 and variant not in VARIANTS:
        raise InputError(f"model.variant={variant!r} is unknown; choose one of {', '.join(VARIANTS)}")
    if stage == 3 and (variant == "cam") != (cameras is not None):
        raise InputError(
            f"model.variant={variant!r} with model.cameras={cameras}: cam has a nuisance encoder for each camera of"
            f" the target, so give their number; the other variants have one for all, model.cameras=null"
        )
    if nuisance_epochs < 1:
        raise InputError(f"model.nuisance_epochs={nuisance_epochs}: give 1 or more")
