"""TransReID: a vision transformer as a baseline, with the camera as a side input, and with jigsaw branches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.vit import PatchMap, VisionTokens
from reid_lit.errors import InputError
from reid_lit.layers.pooling import pooled
from reid_lit.models.layer_rates import layer_of, rate_groups
from reid_lit.models.supervised import Supervised
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output, Parts


class TransReid(Supervised):
    """Backbone → class token → neck → classifier; with ``cameras`` a learnt vector of the camera in every token.

    The camera is a side input in training and in testing: an image of a camera that was not trained on, or whose camera
    is not known, has no embedding.

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
        self.camera_weight = camera_weight
        self._camera: Tensor | None = None
        self.cameras = nn.Embedding(cameras, backbone.dim) if cameras else None
        if self.cameras is not None:
            _check_tokens(backbone, "model.cameras")
            nn.init.trunc_normal_(self.cameras.weight, std=0.02)

    @override
    def trunk(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        return (pooled(self.pool, self._features(image)),)

    def _features(self, image: Float[Tensor, "batch 3 height width"]) -> Any:
        """What the backbone gives, with the vector of each image's camera in every token."""
        if self.cameras is None:
            return self.backbone(image)
        return self.backbone(image, added=self.camera_weight * self.cameras(self._known(len(image))))

    def _known(self, images: int) -> Int[Tensor, " batch"]:
        """The cameras of the images that go through.

        Raises:
            ValueError: they are not known, or one has no vector.
        """
        camera, count = self._camera, self.cameras.num_embeddings if self.cameras else 0
        if camera is None:
            raise InputError(
                "model.cameras: this model needs the camera of each image, which only a test of a data set knows; an"
                " export, a gallery or a list of files needs a model trained with model.cameras=0"
            )
        if len(camera) != images:
            raise InputError("trainer.chunk: a model with model.cameras takes whole batches; give null")
        if not self.training and not bool(((camera >= 0) & (camera < count)).all()):
            unknown = sorted({int(each) + 1 for each in camera if not 0 <= int(each) < count})
            raise InputError(
                f"model.cameras={count}: no vector was learnt for the cameras {unknown}, counted from 1; test on the"
                " data set of the training, or train with model.cameras=0"
            )
        return camera

    @contextmanager
    def _seen_by(self, camera: Int[Tensor, " batch"] | None) -> Iterator[None]:
        """Within it the images that go through are of these cameras."""
        self._camera = camera
        try:
            yield
        finally:
            self._camera = None

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        with self._seen_by(batch.camera):
            return super().training_step(batch, batch_idx)

    @override
    def _gather(self, batch: Batch) -> None:
        with self._seen_by(batch.camera):
            super()._gather(batch)

    @override
    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        with self._seen_by(batch.camera):
            return super().predict_step(batch, batch_idx)

    @override
    def health_parts(
        self, image: Float[Tensor, "batch 3 height width"], camera: Int[Tensor, " batch"] | None, *, source: bool
    ) -> Parts:
        with self._seen_by(camera):
            return super().health_parts(image, camera, source=source)

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        if self.cameras is None:
            return
        if self.cameras.num_embeddings != data.cameras:
            raise InputError(
                f"model.cameras={self.cameras.num_embeddings}: {data.split.name} has {data.cameras} cameras; give"
                f" {data.cameras}, or 0"
            )
        self.stamp["cameras"] = f"the true camera of each image of {data.split.name} is an input, in the test too"

    @override
    def on_test_epoch_start(self) -> None:
        super().on_test_epoch_start()
        name = self.data.split.name
        if self.cameras is not None and f"of {name} is" not in self.stamp.get("cameras", ""):
            raise InputError(
                f"model.cameras: {name} has other cameras than the training; test on the data set of the training, or"
                " train with model.cameras=0"
            )

    @override
    def _groups(self) -> dict[str, tuple[float, list[nn.Parameter]]]:
        depth = len(self.backbone.body.model.blocks) if isinstance(self.backbone.body, VisionTokens) else 0
        known = {id(value) for part in self._backbones() for value in part.parameters()}
        parameters = [
            (name, value, self._layer(name, depth) if id(value) in known else None)
            for name, value in self.named_parameters()
            if value.requires_grad
        ]
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
    compared = ("embedding", "feature", "joined")

    def __init__(self, *, neck: Callable[..., Any], jigsaw: Callable[..., Any], **settings: Any) -> None:
        super().__init__(neck=neck, **settings)
        _check_tokens(self.backbone, "model=transreid_jpm")
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
    def _backbones(self) -> list[nn.Module]:
        return [self.backbone, self.branch]

    @override
    def _layer(self, name: str, depth: int) -> int:
        return depth if name.startswith("branch.blocks.") else super()._layer(name, depth)


def _check_tokens(backbone: Backbone, what: str) -> None:
    """Raise InputError unless a backbone gives tokens."""
    if not isinstance(backbone.body, VisionTokens) or isinstance(backbone.body, PatchMap):
        raise InputError(
            f"{what}: this backbone gives no tokens; choose a vision transformer, such as backbone=vit_base, with"
            " backbone.class_token=true"
        )
