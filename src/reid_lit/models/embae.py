"""EmbAE's autoencoder: what is identity and what is nuisance in a feature, learnt without person labels."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError
from reid_lit.layers.pooling import pooled
from reid_lit.models.base import RetrievalModel
from reid_lit.models.blind import check_blind
from reid_lit.models.cached_maps import STAMP, CachedMaps, check_memory
from reid_lit.models.embae_stages import PARTS, check_stage, ever_trained, inherited_parts, trained_parts
from reid_lit.models.predecessor import load_parts, load_same_pool
from reid_lit.models.recipe import Recipe
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output, Parts, Shot, Split

_EXPERIMENTS = {1: "duke_embae", 2: "duke_embae_autoencoder"}


class EmbAE(RetrievalModel):
    """Backbone → pool → f_emb and f_nui → f_dec, trained to reconstruct the pooled feature; stage 2 or 3 of EmbAE.

    Person labels are never read. The backbone is frozen: its feature is the target of the reconstruction, which would
    collapse with it. Frozen parts keep their weights bit for bit, and with ``frozen_norms`` the
    statistics of their batch norms.

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
        cameras: The number of cameras, if each has its own nuisance encoder; None is one encoder for all.
        nuisance_epochs: Epochs in which ``new`` and ``cam`` train the new nuisance encoders alone.
        frozen_norms: Whether the batch norms of frozen parts keep their statistics and normalise by them. If not, they
            normalise by the batch, and the statistics follow: in stage 3 from the source's to the target's.
        cached_maps: Whether the features h of all training images are computed once and kept, see
            :class:`~reid_lit.models.cached_maps.CachedMaps`.
        persons: Training persons; kept in the checkpoint alone.
        recipe: How the model is trained and compared.

    Source: Feng et al., "Metric Embedding Autoencoders for Unsupervised Cross-Dataset Transfer Learning", ICANN 2018,
        section 3; the reconstruction loss (mean squared error), the frozen backbone and its batch norms are ours, the
        paper is silent.

    Raises:
        ValueError: the stage or its variant is unknown, or ``cameras`` or ``nuisance_epochs`` does not fit the variant.
    """

    stage: int
    strength_settings = ("variant",)

    own_freezing: ClassVar[str] = "the stage"

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
        frozen_norms: bool,
        cached_maps: bool,
        persons: int,
        recipe: Recipe,
    ) -> None:
        check_stage(stage, variant, cameras, nuisance_epochs)
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        self.pool = pool
        self.neck = neck(features=backbone.dim, persons=persons)
        self.nuisance = nuisance(features=backbone.dim, cameras=cameras)
        self.decoder = decoder(features=backbone.dim, dim=self.neck.dim + self.nuisance.dim)
        self.stage = stage
        self.variant = variant
        self.weights = weights
        self.cameras = cameras
        self.nuisance_epochs = nuisance_epochs
        self.frozen_norms = frozen_norms
        self.cached_maps = cached_maps
        self._cache: CachedMaps | None = None
        if cached_maps and not frozen_norms:
            raise InputError("cached_maps=true with frozen_norms=false: features change with the batch; set one")
        backbone.requires_grad_(False)
        pool.requires_grad_(False)  # as the backbone: the feature is the target
        trained = ever_trained(stage, variant, nuisance_epochs=nuisance_epochs)
        for part in PARTS:
            getattr(self, part).requires_grad_(part in trained)

    @override
    def unlabelled(self, split: Split) -> tuple[Shot, ...]:
        return split.train if self.stage == 3 else ()

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        feature = self._feature(image)
        return Output(feature, self.neck(feature), None)

    @torch.no_grad()
    def _feature(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch features"]:
        return pooled(self.pool, self.backbone(image.contiguous(memory_format=self._memory_format)))

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        feature = self._feature(batch.image) if self._cache is None else self._cache.of(batch.index)
        embedding, nuisance = self.neck(feature), self.nuisance(feature, batch.camera)
        loss = F.mse_loss(self.decoder(embedding, nuisance).float(), feature.float())
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    @override
    def health_parts(
        self, image: Float[Tensor, "batch 3 height width"], camera: Int[Tensor, " batch"] | None, *, source: bool
    ) -> Parts:
        output = self(image.contiguous(memory_format=self._memory_format))
        if camera is None:  # no nuisance encoder is that camera's
            return Parts(output.embedding)
        nuisance = self.nuisance(output.feature, camera)
        return Parts(output.embedding, nuisance, output.feature, self.decoder(output.embedding, nuisance))

    @override
    def resting(self) -> Sequence[nn.Module]:
        learning = trained_parts(
            self.stage, self.variant, epoch=self.current_epoch, nuisance_epochs=self.nuisance_epochs
        )
        return [self.backbone, *(getattr(self, part) for part in PARTS if part not in learning)]

    @property
    @override
    def feature_learns(self) -> bool:
        return self.neck not in self.resting()

    @override
    def train(self, mode: bool = True) -> "EmbAE":
        super().train(mode)
        if not self.frozen_norms:
            for part in self.resting():
                part.train(mode)
        return self

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.cached_maps:
            self._cache = CachedMaps(model=self, network=self._feature, shape=[self.backbone.dim])
            self.stamp["training"] = STAMP

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        if self.cached_maps:
            check_memory(len(data.split.train), [self.backbone.dim])
        if self.stage == 3:
            check_blind(data, own_classes=False)
        if self.cameras is not None and data.cameras > self.cameras:
            raise InputError(
                f"cameras={self.cameras}, but {data.split.name} has {data.cameras} cameras, and each needs a nuisance"
                f" encoder; set cameras={data.cameras}"
            )
        if self.variant in ("new", "cam") and epochs is not None and 0 <= epochs <= self.nuisance_epochs:
            raise InputError(
                f"nuisance_epochs={self.nuisance_epochs}: variant {self.variant} trains its nuisance encoders alone for"
                f" so long, and trainer.max_epochs={epochs} ends before; set nuisance_epochs < {epochs}"
            )

    @override
    def start(self) -> None:  # a new θ_nui stays as it was drawn
        before = self.stage - 1
        cure = (
            f"train stage {before} first (+experiment={_EXPERIMENTS[before]}), then set model.weights=<its run folder>"
        )
        parts = inherited_parts(self.stage, self.variant)
        names = load_parts(self, self.weights, parts=parts, stage=self.stage, cure=cure)
        load_same_pool(self, self.weights, names, cure=f"or {cure}")
        encoders = {name.split(".")[2] for name in names if name.startswith("nuisance.branches.")}
        by_camera = self.variant == "cam"
        if self.stage == 3 and by_camera != (len(encoders) > 1):
            needed = "one for each camera of the source" if by_camera else "one for all cameras"
            cure = "model.cameras=<cameras of the source>" if by_camera else "model.cameras=null"
            raise InputError(
                f"weights={self.weights} has {len(encoders)} nuisance encoders, and variant {self.variant} starts from"
                f" a stage 2 with {needed}; train stage 2 with {cure}"
            )
