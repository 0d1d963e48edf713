"""PUL: rounds of clustering an unlabelled target and of training on its reliable images."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError
from reid_lit.layers.pooling import pooled
from reid_lit.losses.criterion import Criterion
from reid_lit.models.blind import check_blind
from reid_lit.models.in_chunks import InChunks
from reid_lit.models.predecessor import load_parts
from reid_lit.models.pseudo_labels import check_clustering, check_selection, cluster, select, selection_figures
from reid_lit.models.recipe import Recipe
from reid_lit.models.rounds import draw_labelled, training_features
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output, Shot, Split

logger = logging.getLogger(__name__)

_CURE = (
    "train PUL's model 0, its stage 1, on the source first (+experiment=duke_pul_source), then set model.weights=<its"
    " run folder>"
)


class Pul(InChunks):
    """Backbone → pool → neck → classifier of clusters, trained in rounds on an unlabelled target.

    A round embeds all training images with the model of the round before (at first model 0, trained on a source),
    clusters them, selects the reliable ones, and trains model 0 anew on these, with their clusters as classes. Person
    labels are never read.

    Args:
        backbone: Images in [0, 1] to maps.
        pool: Maps to features, which are clustered.
        neck: Called with ``features`` and ``persons``, the clusters; new weights are drawn in each round.
        criterion: The losses.
        clusters: k of k-means, and the classifier's columns, whichever clusters have a reliable image.
        threshold: λ: the cosine to a centre above which an image is reliable, in [-1, 1).
        epochs_per_round: Epochs that a round trains; ``trainer.max_epochs`` is a multiple of it.
        starts: Random starts of k-means; the best is kept.
        seed: Of k-means and of the classifiers.
        weights: The folder of the run that trained model 0, or its checkpoint.
        persons: Training persons; kept in the checkpoint alone.
        recipe: How the model is trained and compared. The optimizer starts anew in each round; the schedule is by
            ``epoch``, counted over all rounds.

    Source: Fan et al., "Unsupervised Person Re-identification: Clustering and Fine-tuning", TOMM 2018, Algorithm 1 and
        its public code, whose one-hot labels lack the last columns when the last clusters have no reliable image.

    Raises:
        ValueError: a number is out of range, or the schedule counts steps.
    """

    stage: int = 2
    strength_settings = ("threshold",)

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: nn.Module,
        neck: Callable[..., Any],
        criterion: Criterion,
        clusters: int,
        threshold: float,
        epochs_per_round: int,
        starts: int,
        seed: int,
        weights: str | None,
        persons: int,
        recipe: Recipe,
    ) -> None:
        check_clustering(clusters=clusters, threshold=threshold, starts=starts)
        _check_rounds(epochs_per_round, recipe.scheduler["interval"])
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        self.pool = pool
        self.neck = neck(features=backbone.dim, persons=clusters)
        self.criterion = criterion.behind(self.neck, persons=clusters, feature=backbone.dim)
        self.clusters = clusters
        self.threshold = threshold
        self.epochs_per_round = epochs_per_round
        self.starts = starts
        self.seed = seed
        self.weights = weights
        self._neck = neck
        self._ended = 0  # epochs
        self._round = -1  # the round that the labels are of
        self._labels: Int[Tensor, " images"] | None = None
        self._model_0: dict[str, Tensor] = {}

    @override
    def unlabelled(self, split: Split) -> tuple[Shot, ...]:
        return split.train

    @property
    @override
    def round_labels(self) -> Int[Tensor, " images"] | None:
        return self._labels

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        (feature,) = self.by_chunks(image)
        embedding = self.neck(feature)
        return Output(feature, embedding, self.neck.classify(embedding) if self.training else None)

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self(batch.image.contiguous(memory_format=self._memory_format))
        return self._added(self.criterion(output, batch.person))

    @override
    def start(self) -> None:
        load_parts(self, self.weights, parts={"backbone"}, stage=self.stage, cure=_CURE)
        self._model_0 = {name: value.detach().cpu().clone() for name, value in self.state_dict().items()}

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self._round < self._next_round():
            self._label()
        draw_labelled(self, self._labels)

    @override
    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.trainer.reload_dataloaders_every_n_epochs = 0  # type: ignore[attr-defined]
        if self.current_epoch % self.epochs_per_round == 0:
            self._start_again()
            figures = selection_figures(torch.as_tensor(self._labels))
            self.log_dict({f"pul/{name}": float(value) for name, value in figures.items()})

    @override
    def on_train_epoch_end(self) -> None:  # before the checkpoint is written, and before the next loader is made
        self._ended = self.current_epoch + 1
        if self._round < self._next_round() and self._ended != self.trainer.max_epochs:
            self._label()
            draw_labelled(self, self._labels)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        state = {"ended": self._ended, "round": self._round, "labels": self._labels, "model_0": self._model_0}
        checkpoint["pul"] = state

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint["pul"]
        self._ended, self._round, self._labels = state["ended"], state["round"], state["labels"]
        self._model_0 = state["model_0"]

    def _next_round(self) -> int:
        return self._ended // self.epochs_per_round

    def _label(self) -> None:
        """Find the labels of the next round; all ranks get those of the first."""
        self._round = self._next_round()
        features, labels = self._training_features(), None
        if self.trainer.is_global_zero:
            seed = self.seed + self._round
            clustered, centroids = cluster(features, clusters=self.clusters, starts=self.starts, seed=seed)
            labels = select(features, clustered, centroids, threshold=self.threshold)
        self._labels = self.trainer.strategy.broadcast(labels)
        summary = check_selection(
            torch.as_tensor(self._labels),
            name=f"round {self._round}",
            clusters=self.clusters,
            threshold=self.threshold,
            batch_size=self.data.batch_size,
        )
        rank_zero_only(logger.info)(summary)

    def _training_features(self) -> Float[Tensor, "images dim"]:
        """The features of all training images, on every rank."""

        def embed(batch: Batch) -> Tensor:
            return pooled(self.pool, self.backbone(batch.image.contiguous(memory_format=self._memory_format)))

        return training_features(self, embed, dim=self.backbone.dim, name=f"round {self._round}")

    def _start_again(self) -> None:
        """Go back to model 0, with a new classifier and an optimizer without state."""
        self.load_state_dict(self._model_0)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed + self._round)  # the same on all ranks, and of the CPU alone
            fresh = self._neck(features=self.backbone.dim, persons=self.clusters)
        self.neck.load_state_dict(fresh.state_dict())
        for optimizer in self.trainer.optimizers:
            optimizer.state.clear()

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        if data.two_domains or data.draws_by_member:
            raise InputError(
                "PUL trains on the target alone; set dataset=<target>, and model.weights=<run on the source>"
            )
        check_blind(data, own_classes=True)
        images = len(data.split.train)
        if self.clusters > images:
            raise InputError(f"clusters={self.clusters} of {images} training images; set clusters < {images}")
        if epochs is not None and epochs % self.epochs_per_round:
            whole = epochs - epochs % self.epochs_per_round
            raise InputError(
                f"epochs_per_round={self.epochs_per_round}: trainer.max_epochs={epochs} ends within a round, which"
                f" starts again from model 0; set trainer.max_epochs={whole + self.epochs_per_round}"
            )


def _check_rounds(epochs_per_round: int, interval: str) -> None:
    if epochs_per_round < 1:
        raise InputError(f"epochs_per_round={epochs_per_round} must be ≥ 1")
    if interval != "epoch":
        raise InputError("PUL cannot know how many steps a round will have; set scheduler=constant or step")
