"""TransReID: a vision transformer as a baseline, with the camera as a side input, and with jigsaw branches."""

import logging
from collections.abc import Callable
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from jaxtyping import Float
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.vit import VisionTokens
from reid_lit.errors import InputError
from reid_lit.layers.pooling import pooled
from reid_lit.models.camera_input import CameraInput, check_tokens
from reid_lit.models.layer_rates import layer_of, learning, rate_groups
from reid_lit.models.supervised import Supervised
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output

_log = logging.getLogger(__name__)


class TransReid(CameraInput, Supervised):
    """Backbone → class token → neck → classifier; with ``cameras`` a learnt vector of the camera in every token.

    What a camera as an input means is said by :class:`~reid_lit.models.camera_input.CameraInput`.

    Args:
        cameras: Of the training data, each with a vector; 0: the camera is not used.
        camera_weight: λ, the factor of that vector.
        layer_decay: The rate of a layer of the transformer relative to the next one's, in (0, 1]; 1: one rate.
        bias_lr_scale: The rate of every parameter whose name holds "bias", relative to the others.
        settings: As of :class:`~reid_lit.models.supervised.Supervised`.

    Source: He et al., *TransReID: Transformer-based Object Re-Identification*, ICCV 2021, sections 3.1 and 3.3, and its
        public code.

    Raises:
        ValueError: a number is out of range, or the backbone gives no tokens where they are needed.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        cameras: Annotated[int, Ge(0)],
        camera_weight: float,
        layer_decay: Annotated[float, Gt(0)],
        bias_lr_scale: Annotated[float, Gt(0)],
        **settings: Any,
    ) -> None:
        super().__init__(backbone=backbone, backbone_lr_scale=1.0, **settings)
        if layer_decay > 1:
            raise InputError(f"layer_decay={layer_decay}: give a number in (0, 1], such as 0.65; 1 for one rate")
        if layer_decay != 1 and not isinstance(backbone.body, VisionTokens):
            raise InputError(f"layer_decay={layer_decay}: this backbone is no vision transformer; give 1")
        self.layer_decay, self.bias_lr_scale = layer_decay, bias_lr_scale
        self.learn_cameras(cameras, weight=camera_weight)

    @override
    def trunk(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        return (pooled(self.pool, self._features(image)),)

    def _features(self, image: Float[Tensor, "batch 3 height width"]) -> Any:
        """What the backbone gives, with the vector of each image's camera in every token."""
        added = self.camera_vectors(image)
        return self.backbone(image) if added is None else self.backbone(image, added=added)

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        with self.seen_by(batch.camera):
            return super().training_step(batch, batch_idx)

    @override
    def _groups(self) -> dict[str, tuple[float, list[nn.Parameter]]]:
        depth = len(self.backbone.body.model.blocks) if isinstance(self.backbone.body, VisionTokens) else 0
        parameters = learning(self, self._backbones(), layer=lambda name: self._layer(name, depth))
        return rate_groups(parameters, depth=depth, decay=self.layer_decay, bias=self.bias_lr_scale)

    def _layer(self, name: str, depth: int) -> int:
        return layer_of(name, depth=depth)


class JigsawTransReid(TransReid):
    """TransReID with local branches: each piece of the shuffled patches has a class token, a neck and a classifier.

    Its outputs beside those of the whole image: ``part_feature`` and in training ``part_logits``, and ``joined``: the
    whole image's feature and each piece's divided by the number of pieces, one after another, which is compared.

    Args:
        neck: Called with ``features`` and ``persons``; the whole image and each piece have one.
        jigsaw: Called with ``block``, ``norm`` and ``prefix``.
        settings: As of :class:`TransReid`.

    Source: He et al., *TransReID*, ICCV 2021, section 3.2, and its public code. The global branch is the backbone's own
        last block, where the public code has a copy and leaves the block itself unused.

    Raises:
        ValueError: the backbone gives no tokens.
    """

    parts = ("part_feature", "part_logits", "joined")
    loss_of_parts = "id_triplet_jigsaw"
    compared = ("embedding", "feature", "joined")

    def __init__(self, *, neck: Callable[..., Any], jigsaw: Callable[..., Any], **settings: Any) -> None:
        super().__init__(neck=neck, **settings)
        check_tokens(self.backbone, "model=transreid_jpm")
        model: Any = self.backbone.body.model
        self.branch = jigsaw(block=model.blocks[-1], norm=model.norm, prefix=model.num_prefix_tokens)
        sizes = {"features": self.backbone.dim, "persons": self.persons}
        self.necks = nn.ModuleList(neck(**sizes) for _ in range(self.branch.pieces))

    @override
    def trunk(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        tokens = self._features(image)
        return pooled(self.pool, tokens), self.branch(tokens.before)

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        feature, local = self.by_chunks(image)
        embedding = self.neck(feature)
        joined = torch.cat([feature, local.flatten(1) / self.branch.pieces], 1)
        parts = {"part_feature": local, "joined": joined}
        if not self.training:
            return Output(feature, embedding, None, parts)
        necks: list[Any] = list(self.necks)
        logits = [neck.classify(neck(piece)) for neck, piece in zip(necks, local.unbind(1), strict=True)]
        parts["part_logits"] = torch.stack(logits, 1)
        return Output(feature, embedding, self.neck.classify(embedding), parts)

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        if (feature := self.evaluation.feature) != "joined":
            rank_zero_only(_log.warning)(
                f"evaluation.feature={feature} tests the whole image's branch alone; evaluation.feature=joined tests"
                " the jigsaw branches beside it, as TransReID does"
            )

    @override
    def _backbones(self) -> list[nn.Module]:
        return [self.backbone, self.branch]

    @override
    def _layer(self, name: str, depth: int) -> int:
        return depth if name.startswith("branch.blocks.") else super()._layer(name, depth)
