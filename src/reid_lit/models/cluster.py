"""Cluster-Contrast: rounds of clustering images without labels, and of training against a memory of the clusters."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float, Int
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.vit import VisionTokens
from reid_lit.errors import InputError
from reid_lit.layers.norm_statistics import batch_norms
from reid_lit.layers.norms_in_parts import SourceNorms, use_ghost_batches
from reid_lit.layers.pooling import is_average, pooled
from reid_lit.losses.cluster_memory import ClusterMemory
from reid_lit.losses.criterion import Criterion
from reid_lit.models.base import RetrievalModel
from reid_lit.models.blind import check_blind
from reid_lit.models.density_clusters import (
    behind_persons,
    centres,
    check_clusters,
    check_density,
    cluster_figures,
    density_clusters,
)
from reid_lit.models.first_round import damage, feature_spread
from reid_lit.models.predecessor import load_head, load_parts
from reid_lit.models.recipe import Recipe
from reid_lit.models.rounds import draw_labelled, training_features
from reid_lit.models.training_data import TrainingData
from reid_lit.records import JUNK, Batch, Output, Parts, Shot, Split, TransferBatch

logger = logging.getLogger(__name__)

_CURE = (
    "train the network on a source first, then set model.weights=<its run folder>; none starts from backbone.weights"
)


class ClusterContrast(RetrievalModel):
    """Backbone → pool → neck, to unit length; every epoch is a round of clustering and of training on the clusters.

    A round embeds all training images without augmentation, clusters them by DBSCAN on the Jaccard distances of their
    k-reciprocal neighbours, leaves the outliers out, starts the memory with the clusters' means, and trains with the
    clusters as classes. Person labels of the target are never read. On one data set that is unsupervised, or adapts a
    network that ``weights`` names. With dataset=transfer each step has images of a labelled source beside the target's,
    and the memory the means of the source's persons before those of the clusters.

    Args:
        backbone: Images in [0, 1] to maps.
        pool: Maps to features.
        neck: Called with ``features`` and ``persons``; its classifier is left out.
        criterion: The losses, one of them a :class:`~reid_lit.losses.cluster_memory.ClusterMemory`.
        k1: Neighbours of an image, itself included, in k-reciprocal sets.
        k2: Nearest images over which their weights are averaged.
        eps: The Jaccard distance within which images are neighbours, in (0, 1).
        min_samples: Neighbours that make an image the core of a cluster.
        ghost_batch: Images whose statistics batch norms take together in training; None: all of a rank's batch.
        source_norms: With dataset=transfer: ``own``, the source has batch norms of its own, or ``shared``. None: there
            is no source.
        weights: The folder of a run to start from, of whatever stage, or its checkpoint: its backbone, its pool where
            that has weights, and its neck where it fits and stood behind the same pool. ``none``: training starts from
            the backbone's weights.
        persons: Training persons; kept in the checkpoint, and the vectors of the memory until it is filled.
        recipe: How the model is trained and compared; the schedule is by ``epoch``.

    Source: Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022, section 3, and its
        public code; beside a source: Ge et al., "Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive
        Object Re-ID", NeurIPS 2020, with this memory.

    Raises:
        ValueError: a number is out of range, the schedule counts steps, or no loss keeps a memory.
    """

    strength_settings = ("eps",)

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: nn.Module,
        neck: Callable[..., Any],
        criterion: Criterion,
        k1: int,
        k2: int,
        eps: float,
        min_samples: int,
        ghost_batch: int | None,
        source_norms: str | None,
        weights: str | None,
        persons: int,
        recipe: Recipe,
    ) -> None:
        check_density(k1=k1, k2=k2, eps=eps, min_samples=min_samples)
        if recipe.scheduler["interval"] != "epoch":
            raise InputError("model=cluster is scheduled by rounds, which are epochs; set scheduler=step or constant")
        if source_norms not in (None, "shared", "own"):
            raise InputError(f"source_norms={source_norms!r}: choose own, shared, or null where there is no source")
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        self.pool = pool
        self.neck = neck(features=backbone.dim, persons=2)  # the fewest that a classifier tells apart
        self.neck.classifier = None
        self.criterion = criterion.behind(self.neck, persons=max(persons, 2), feature=backbone.dim)
        self.memories = [part for part in self.criterion.modules() if isinstance(part, ClusterMemory)]
        if not self.memories:
            raise InputError("model=cluster trains against a memory of its clusters; set loss=cluster")
        if ghost_batch is not None:
            use_ghost_batches(self._normed, ghost_batch)
        self.beside_source = source_norms is not None
        self.source_norms = SourceNorms(self._normed) if source_norms == "own" else None
        self.k1, self.k2, self.eps, self.min_samples = k1, k2, eps, min_samples
        self.weights = None if weights == "none" else weights
        self.stage = None if weights == "none" else 2
        self._ended = 0  # epochs
        self._round = -1  # the round that the labels are of
        self._labels: Int[Tensor, " images"] | None = None
        self._figures: dict[str, float] = {}
        self._spread = 0.0  # of the target's features at the start of the round
        self._first: list[Tensor] = []  # losses of the first round

    @property
    def _normed(self) -> nn.Module:
        """What has batch norms."""
        return nn.ModuleList([self.backbone, self.neck])

    @override
    def unlabelled(self, split: Split) -> tuple[Shot, ...]:
        return split.train[self._source_images(split) :]

    def _source_images(self, split: Split) -> int:
        """How many training images are of a labelled source; they come first."""
        return sum(shot.person_id != JUNK for shot in split.train) if self.beside_source else 0

    @property
    @override
    def round_labels(self) -> Int[Tensor, " images"] | None:
        """Of the target's images, counted from 0."""
        if self._labels is None or not self.beside_source:
            return self._labels
        first = self._source_images(self.data.split)
        persons = int(self._labels[:first].max()) + 1
        return torch.where(self._labels == JUNK, JUNK, self._labels - persons)[first:]

    @property
    @override
    def round_figures(self) -> dict[str, float]:
        return {f"round_{name}": value for name, value in self._figures.items()}

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        feature = pooled(self.pool, self.backbone(image))
        return Output(feature, F.normalize(self.neck(feature).float(), dim=1), None)

    @override
    def health_parts(
        self, image: Float[Tensor, "batch 3 height width"], camera: Int[Tensor, " batch"] | None, *, source: bool
    ) -> Parts:
        with self._norms(source=source):
            return super().health_parts(image, camera, source=source)

    @override
    def training_step(self, batch: Batch | TransferBatch, batch_idx: int) -> Tensor:
        if isinstance(batch, Batch):
            return self._added(self._losses(batch, source=False))
        parts = {"source": self._losses(batch.source, source=True), "target": self._losses(batch.target, source=False)}
        return self._added({f"{name}_{part}": loss for part, losses in parts.items() for name, loss in losses.items()})

    def _losses(self, batch: Batch, *, source: bool) -> dict[str, Tensor]:
        losses = self.criterion(self._output(batch.image, source=source), batch.person)
        if self._ended == 0 and not source:
            self._first += [
                losses[name].detach() / term.weight
                for name, term in self.criterion.terms.items()
                if getattr(term, "loss", None) is self.memories[0]
            ]
        return losses

    def _output(self, image: Float[Tensor, "batch 3 height width"], *, source: bool) -> Output:
        with self._norms(source=source):
            return self(image.contiguous(memory_format=self._memory_format))

    def _norms(self, *, source: bool) -> AbstractContextManager[None]:
        return self.source_norms.used(self._normed) if source and self.source_norms is not None else nullcontext()

    @override
    def start(self) -> None:
        if self.stage is None:
            return
        held = load_parts(self, self.weights, parts={"backbone"}, stage=None, cure=_CURE)
        loaded = load_head(
            self, held, averages=is_average(self.pool) and not isinstance(self.backbone.body, VisionTokens)
        )
        rank_zero_only(logger.info)("weights=%s: loaded is %s", self.weights, loaded)
        if self.source_norms is not None:
            self.source_norms.begin(self._normed)

    @override
    def resting(self) -> Sequence[nn.Module]:
        resting = super().resting()
        if not resting or self.source_norms is None:
            return resting
        return [*resting, *self.source_norms.copies[: len(batch_norms(self.backbone))]]  # the neck's come behind

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self._round < self._ended:
            self._cluster()
        draw_labelled(self, self._labels)

    @override
    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.trainer.reload_dataloaders_every_n_epochs = 0  # type: ignore[attr-defined]
        self.log_dict({f"cluster/{name}": value for name, value in self._figures.items()})

    @override
    def on_train_epoch_end(self) -> None:  # before the checkpoint is written, and before the next loader is made
        self._ended = self.current_epoch + 1
        if self._ended != self.trainer.max_epochs:
            self._cluster()
            draw_labelled(self, self._labels)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["cluster"] = {
            "ended": self._ended,
            "round": self._round,
            "labels": self._labels,
            "figures": self._figures,
            "memory": self.memories[0].memory,
        }

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint["cluster"]
        self._ended, self._round, self._labels = state["ended"], state["round"], state["labels"]
        self._figures = state["figures"]
        for memory in self.memories:
            memory.memory = state["memory"].to(memory.memory)  # to the last bit

    def _cluster(self) -> None:
        """Find the clusters of the next round and start the memory with them; all ranks get those of the first."""
        self._round = self._ended
        split, name, before = self.data.split, f"round {self._round}", self.round_labels
        first = self._source_images(split)
        features = training_features(self, lambda batch: self._embedding(batch, first), dim=self.neck.dim, name=name)
        self._compare(feature_spread(features[first:]))
        labels = None
        if self.trainer.is_global_zero:
            labels = density_clusters(
                features[first:], k1=self.k1, k2=self.k2, eps=self.eps, min_samples=self.min_samples
            )
        labels = torch.as_tensor(self.trainer.strategy.broadcast(labels))
        self._figures = cluster_figures(labels, before)
        summary = check_clusters(self._figures, name=name, eps=self.eps, min_samples=self.min_samples)
        rank_zero_only(logger.info)(summary)
        self._labels = behind_persons([shot.person_id for shot in split.train[:first]], labels)
        start = centres(features, self._labels.to(features.device))
        for memory in self.memories:
            memory.restart(start)

    def _compare(self, spread: float) -> None:
        """Say once, behind the first round, that it has damaged the start, where that is seen."""
        before, self._spread, losses, self._first = self._spread, spread, self._first, []
        if self._ended == 1 and losses:
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            said = damage(losses, vectors=len(self.memories[0].memory), before=before, after=spread, rate=rate)
            if said:
                rank_zero_only(logger.warning)(said)

    def _embedding(self, batch: Batch, first: int) -> Float[Tensor, "batch dim"]:
        """The embeddings of a batch, the source's by its own norms."""
        embedding = self._output(batch.image, source=False).embedding
        if self.source_norms is not None and (source := batch.index < first).any():
            embedding[source] = self._output(batch.image[source], source=True).embedding
        return embedding

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        if data.draws_by_member:
            raise InputError("model=cluster trains on one data set; set dataset=<target>, or dataset=transfer")
        if data.two_domains != self.beside_source:
            raise InputError(
                "source_norms=null: dataset=transfer gives a source beside the target; set model.source_norms=own, or"
                " dataset=<target>"
                if data.two_domains
                else f"a source has norms (source_norms), and {data.split.name} is one data set; set"
                f" model.source_norms=null, or dataset=transfer dataset.source=<with labels>"
            )
        check_blind(data, own_classes=True)
        images = len(self.unlabelled(data.split))
        if images < self.k1:
            raise InputError(f"k1={self.k1}: more than the {images} images of {data.split.name}; give {images} or less")
