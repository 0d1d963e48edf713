"""ARN: adaptation from a labelled source to an unlabelled target by shared and private features."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone, as_map, map_size
from reid_lit.errors import InputError
from reid_lit.layers.encoders import MapDecoder, MapEncoder, chosen_kernels, dropout_classifier
from reid_lit.losses.criterion import Criterion
from reid_lit.losses.difference import DifferenceLoss
from reid_lit.losses.gathering import gathered
from reid_lit.losses.reconstruction import reconstruction_loss
from reid_lit.models.arn_settings import PARTS, check_training, check_weights
from reid_lit.models.base import RetrievalModel
from reid_lit.models.cached_maps import STAMP, CachedMaps, check_memory
from reid_lit.models.recipe import Recipe
from reid_lit.models.training_data import TrainingData
from reid_lit.records import JUNK, Batch, Output, Parts, Shot, Split, TransferBatch


class Arn(RetrievalModel):
    """Adaptation and Re-Identification Network: the feature that both domains share is compared, private ones are not.

    The backbone E_I gives maps. E_C encodes them to the shared feature e_c, E_S (source) or E_T (target) to the private
    feature e_p. From both the decoder D_C reconstructs the maps. The classifier C_S and the contrastive loss see e_c of
    the source. Both domains go through E_I and E_C as one batch, so that training and testing share their norms.
    Without private encoders and reconstruction no loss reads the target, and C_S can be trained on the source alone:
    what ARN is compared with on the same maps.

    Args:
        backbone: E_I.
        size: Height and width of the images in pixels, which decide the size of E_I's maps.
        widths: Channels of the encoders' layers; the last are e_c's and e_p's.
        kernels: Of the encoders' layers (the decoder's are the same in reverse), a number or rows and columns each;
            None divides E_I's map evenly.
        dropout: Probability that a channel of what C_S's last layer sees is dropped.
        classifier_hidden: Channels of a hidden layer of C_S; None: C_S is one linear layer. The paper leaves its depth
            open.
        classifier_std: Standard deviation of C_S's initial weights.
        private: Whether there are E_S and E_T; without them the decoder sees e_c alone.
        criterion: Losses of the source's persons, on e_c (``feature`` and ``embedding``) and ``logits``; None: none.
        reconstruction_weight: β; 0 leaves the reconstruction out.
        difference_weight: γ; 0 leaves the difference of e_c and e_p out.
        difference: The difference loss of one domain; over several ranks of the images of all, unless the criterion
            gathers none.
        train_backbone_epochs: The first epochs, in which E_I is trained; then it is frozen.
        frozen_norms: Whether E_I's batch norms keep their statistics while E_I is trained.
        cached_maps: Whether E_I's maps of all training images are computed once and kept, see
            :class:`~reid_lit.models.cached_maps.CachedMaps`; for an E_I that is not trained.
        lr_scales: Learning rates of ``backbone``, ``shared``, ``private``, ``decoder`` and ``classifier``, relative to
            the optimizer's.
        persons: Training persons of the source.
        recipe: How the model is trained and compared.

    Source: Li et al., *Adaptation and Re-Identification Network: An Unsupervised Deep Transfer Learning Approach to
        Person Re-Identification*, CVPR Workshops 2018, section 3.

    Raises:
        ValueError: the kernels do not fit the maps, no loss would train a part, or a number is out of range.
    """

    strength_settings = ("difference_weight", "reconstruction_weight", "train_backbone_epochs")
    own_freezing = "model.train_backbone_epochs"

    def __init__(
        self,
        *,
        backbone: Backbone,
        size: Sequence[int],
        widths: Sequence[int],
        kernels: Sequence[int | Sequence[int]] | None,
        dropout: float,
        classifier_hidden: int | None,
        classifier_std: float,
        private: bool,
        criterion: Criterion | None,
        reconstruction_weight: float,
        difference_weight: float,
        difference: DifferenceLoss,
        train_backbone_epochs: int,
        frozen_norms: bool,
        cached_maps: bool,
        lr_scales: Mapping[str, float],
        persons: int,
        recipe: Recipe,
    ) -> None:
        check_weights(
            reconstruction_weight=reconstruction_weight,
            difference_weight=difference_weight,
            private=private,
            labels=criterion is not None,
        )
        check_training(train_backbone_epochs, lr_scales, cached_maps=cached_maps)
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        rows, columns = map_size(backbone, size)
        self.map_shape = (backbone.dim, rows, columns)
        fitted = chosen_kernels(kernels, rows=rows, columns=columns, layers=len(widths))
        self.shared, *private_encoders = (
            MapEncoder(channels=backbone.dim, widths=widths, kernels=fitted) for _ in range(3 if private else 1)
        )
        self.private = nn.ModuleList(private_encoders)  # E_S, E_T
        dim = widths[-1]
        self.criterion = criterion and criterion.sized(persons=persons, feature=dim, embedding=dim, classified=True)
        self.classifier = None
        if _reads_logits(criterion):
            self.classifier = dropout_classifier(
                dim, persons, hidden=classifier_hidden, dropout=dropout, std=classifier_std
            )
        self.decoder = None
        if reconstruction_weight:
            mirrored = [*reversed(widths[:-1]), backbone.dim]
            self.decoder = MapDecoder(dim=dim * (2 if private else 1), widths=mirrored, kernels=fitted[::-1])
        self.difference = difference if private and difference_weight else None
        self.reconstruction_weight = reconstruction_weight
        self.difference_weight = difference_weight
        self.train_backbone_epochs = train_backbone_epochs
        self.frozen_norms = frozen_norms
        self.cached_maps = cached_maps
        self._cache: CachedMaps | None = None
        self._lr_scales = lr_scales
        self._sees_all_ranks = criterion is None or criterion.gather
        backbone.requires_grad_(train_backbone_epochs > 0)

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        if self._needs_target() and not data.two_domains:
            raise InputError(
                f"ARN trains on a source and a target side by side, and {data.split.name} is one data set; set"
                f" dataset=transfer dataset.source=<with labels> dataset.target=<without>; its classifier alone"
                f" (model.private=false model.reconstruction_weight=0.0) trains on one"
            )
        if self.cached_maps:
            check_memory(len(data.split.train), self.map_shape)

    @override
    def unlabelled(self, split: Split) -> tuple[Shot, ...]:
        return tuple(shot for shot in split.train if shot.person_id == JUNK)

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        return self._output(self.shared(as_map(self.backbone(image))))

    @override
    def training_step(self, batch: TransferBatch | Batch, batch_idx: int) -> Tensor:
        return self._added(self.losses(batch))

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.cached_maps:
            self._cache = CachedMaps(model=self, network=self._maps, shape=self.map_shape)
            self.stamp["training"] = STAMP

    def _maps(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        return as_map(self.backbone(image.contiguous(memory_format=self._memory_format)))

    def _maps_of(self, batches: Sequence[Batch]) -> Float[Tensor, "batch channels rows columns"]:
        if self._cache is not None:
            return self._cache.of(torch.cat([batch.index for batch in batches]))
        return self._maps(torch.cat([batch.image for batch in batches]))

    def _needs_target(self) -> bool:
        """Whether a loss reads images of the target; without one C_S is trained on the source, through E_I and E_C."""
        return len(self.private) > 0 or self.decoder is not None

    def losses(self, batch: TransferBatch | Batch) -> dict[str, Tensor]:
        """The weighted losses by name, in float32; their sum is minimised. The target's persons are not read.

        Args:
            batch: Of both domains; of the source alone where no loss reads the target.
        """
        source, *target = batch if isinstance(batch, TransferBatch) else (batch,)
        count = len(source.image)
        maps = self._maps_of([source, *target])
        shared = self.shared(maps)
        domains = (slice(0, count), slice(count, None))
        private = [encoder(maps[rows]) for encoder, rows in zip(self.private, domains, strict=False)]
        losses = self._of_labels(shared[:count], source.person)
        if self.decoder is not None:
            rebuilt = self.decoder(torch.cat([shared, torch.cat(private)], 1) if private else shared)
            parts = [reconstruction_loss(rebuilt[rows].float(), maps[rows].float()) for rows in domains]
            losses["reconstruction"] = self.reconstruction_weight * torch.stack(parts).sum()
        if self.difference is not None:
            with torch.autocast(maps.device.type, enabled=False):
                pairs = zip(domains, private, strict=True)
                whole = gathered if self._sees_all_ranks else lambda rows: rows
                parts = [self.difference(whole(shared[rows].float()), whole(value.float())) for rows, value in pairs]
            losses["difference"] = self.difference_weight * torch.stack(parts).sum()
        return losses

    @override
    def health_parts(
        self, image: Float[Tensor, "batch 3 height width"], camera: Int[Tensor, " batch"] | None, *, source: bool
    ) -> Parts:
        maps = as_map(self.backbone(image.contiguous(memory_format=self._memory_format)))
        shared = self.shared(maps)
        private = self.private[0 if source else 1](maps) if len(self.private) else None
        if self.decoder is None:
            return Parts(shared, private)
        both = shared if private is None else torch.cat([shared, private], 1)
        return Parts(shared, private, maps, self.decoder(both))

    def _of_labels(self, shared: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> dict[str, Tensor]:
        if self.criterion is None:
            return {}
        output = self._output(shared)
        if output.logits is not None:
            self.log("train/accuracy", (output.logits.argmax(1) == person).float().mean())
        return self.criterion(output, person)

    def _output(self, shared: Float[Tensor, "batch dim"]) -> Output:
        classified = self.training and self.classifier is not None
        return Output(shared, shared, self.classifier(shared) if classified else None)  # type: ignore[misc]

    @override
    def resting(self) -> Sequence[nn.Module]:
        return [] if self.current_epoch < self.train_backbone_epochs else [self.backbone]

    @property
    @override
    def feature_learns(self) -> bool:
        return True  # E_C learns in every epoch

    @override
    def train(self, mode: bool = True) -> "Arn":
        super().train(mode)
        if self.frozen_norms:
            self.backbone.eval()
        return self

    @override
    def _groups(self) -> dict[str, tuple[float, list[nn.Parameter]]]:
        groups: dict[str, tuple[float, list[nn.Parameter]]] = {}
        for name in PARTS:
            part: nn.Module | None = getattr(self, name)
            trained = [p for p in part.parameters() if p.requires_grad] if part is not None else []
            if trained:
                groups[name] = (self._lr_scales[name], trained)
        return groups


def _reads_logits(criterion: Criterion | None) -> bool:
    return criterion is not None and "logits" in criterion.reads
