"""CLIP-ReID's second stage: the image tower learns beside the frozen text features of the training persons."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.clip_projection import together
from reid_lit.errors import InputError
from reid_lit.losses.criterion import Criterion
from reid_lit.models.camera_input import CameraInput
from reid_lit.models.in_chunks import InChunks
from reid_lit.models.layer_rates import learning, rate_groups
from reid_lit.models.predecessor import load_parts
from reid_lit.models.recipe import Recipe
from reid_lit.records import Batch, Output

_CURE = (
    "train the prompts on the same training list first (+experiment=market_clip_prompts), then set"
    " model.weights=<its run folder>"
)


class ClipReid(CameraInput, InChunks):
    """Image tower → the class token and its projection, each with a neck and a classifier, and the persons' texts.

    Of a ResNet the mean of the last map is its token, and the attention pool its projection.

    Its outputs: ``feature`` is the class token and its projection in one vector, before the necks, and ``embedding``
    what the necks make of it. ``before`` (the class token in front of the last block; the mean of the map in front of
    the last stage), ``token`` and ``projected`` have them apart; so have, in training, ``token_logits``,
    ``projected_logits`` and ``text_logits``, the products of the projection with the text feature of each training
    person.

    Args:
        backbone: Images in [0, 1] to what the pool reads.
        pool: Gives the three views of an image.
        neck: Called with ``features`` and ``persons``, once for each of two views.
        criterion: The losses.
        weights: The folder of the run that learnt the prompts (:class:`~reid_lit.models.clip_prompts.ClipPrompts`), or
            its checkpoint.
        persons: Training persons.
        recipe: How the model is trained and compared.
        bias_lr_scale: The learning rate of every parameter whose name holds "bias", relative to the rest.
        cameras: Of the training data, each with a vector that is added to the class token, as
            :class:`~reid_lit.models.camera_input.CameraInput` says; 0: the camera is not used.
        camera_weight: λ, the factor of that vector.

    Attributes:
        texts: ``(persons dim)``, the text features, which stay.
        person_ids: ``(persons)``, whose they are, by the data set's own numbers.

    Source: Li et al., "CLIP-ReID: Exploiting Vision-Language Model for Image Re-Identification without Concrete Text
        Labels", AAAI 2023, section 3.3, and its public code.
    """

    stage: int = 2
    parts: ClassVar[tuple[str, ...]] = (
        "before", "token", "projected", "token_logits", "projected_logits", "text_logits",
    )  # fmt: skip
    """What the losses can read in addition."""
    texts: Tensor
    person_ids: Tensor

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: Any,
        neck: Callable[..., Any],
        criterion: Criterion,
        weights: str | None,
        bias_lr_scale: float,
        cameras: Annotated[int, Ge(0)],
        camera_weight: float,
        persons: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        self.learn_cameras(cameras, weight=camera_weight)
        self.pool = pool
        _, width, dim = pool.widths
        self.necks = nn.ModuleList([neck(features=each, persons=persons) for each in (width, dim)])
        self.criterion = criterion.sized(
            persons=persons, feature=pool.dim, embedding=pool.dim, classified=False, parts=self.parts
        )
        self.weights = weights
        self.bias_lr_scale = bias_lr_scale
        self.register_buffer("texts", torch.zeros(persons, dim))
        self.register_buffer("person_ids", torch.zeros(persons, dtype=torch.int64))

    @override
    def trunk(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        added = self.camera_vectors(image)
        return self.pool.views(self.backbone(image) if added is None else self.backbone(image, class_added=added))

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        before, token, projected = self.by_chunks(image)
        behind = [neck(view) for neck, view in zip(self.necks, (token, projected), strict=True)]
        parts = {"before": before, "token": token, "projected": projected}
        if self.training:
            logits = [neck.classify(view) for neck, view in zip(self.necks, behind, strict=True)]  # type: ignore[operator]
            parts |= {"token_logits": logits[0], "projected_logits": logits[1]}
            parts["text_logits"] = projected @ self.texts.to(projected).T
        return Output(together(token, projected), together(*behind), None, parts)

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        with self.seen_by(batch.camera):
            output = self(batch.image.contiguous(memory_format=self._memory_format))
        loss = self._added(self.criterion(output, batch.person))
        for name in ("token_logits", "text_logits"):
            right = output.parts[name].argmax(1) == batch.person
            self.log(f"train/accuracy_{name.removesuffix('_logits')}", right.float().mean())
        return loss

    @override
    def _groups(self) -> dict[str, tuple[float, list[nn.Parameter]]]:
        parameters = learning(self, self._backbones(), layer=lambda _: 0)
        return rate_groups(parameters, depth=0, decay=1.0, bias=self.bias_lr_scale)

    @override
    def start(self) -> None:
        load_parts(self, self.weights, parts={"backbone", "pool", "texts", "person_ids"}, stage=self.stage, cure=_CURE)
        if self.person_ids.tolist() != [*self.data.split.persons]:
            raise InputError(f"weights={self.weights} has prompts of other persons than the training list; {_CURE}")
