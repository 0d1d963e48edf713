"""CLIP-ReID's first stage: prompts are learnt, one for each person, beside two frozen towers."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.clip_projection import together
from reid_lit.errors import InputError
from reid_lit.layers.neck import check_persons
from reid_lit.losses.criterion import Criterion
from reid_lit.models.base import RetrievalModel
from reid_lit.models.recipe import Recipe
from reid_lit.models.rounds import training_features
from reid_lit.records import Batch, Output


class ClipPrompts(RetrievalModel):
    """A few learnt tokens for each person, whose text feature comes near the features of that person's images.

    The image tower and the text tower keep their weights. The features of all training images are computed once, as a
    test shows them; then batches have no images. What the next stage
    (:class:`~reid_lit.models.clip_reid.ClipReid`) needs is the text feature of each person, ``texts``.

    Args:
        backbone: Images in [0, 1] to what the pool reads.
        pool: Gives the feature, whose last part is compared with a text; ``views`` gives that part.
        text: Learnt tokens of persons to their text features.
        criterion: The losses; they read ``image`` and ``text``.
        persons: Training persons.
        recipe: How the prompts are trained, and how images are compared.

    Attributes:
        prompts: ``(persons tokens width)``, drawn from N(0, 0.02²); nothing else learns.
        texts: ``(persons dim)``, the persons' text features after the last whole epoch.
        person_ids: ``(persons)``, the data set's own numbers of the persons.

    Source: Li et al., "CLIP-ReID: Exploiting Vision-Language Model for Image Re-Identification without Concrete Text
        Labels", AAAI 2023, section 3.2, and its public code.

    Raises:
        ValueError: there are fewer than two persons, or the towers' features differ in length.
    """

    parts: ClassVar[tuple[str, ...]] = ("image", "text")
    """What the losses read."""
    texts: Tensor
    person_ids: Tensor

    stage: int = 1
    own_freezing: ClassVar[str] = "the stage"

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: Any,
        text: Any,
        criterion: Criterion,
        persons: int,
        recipe: Recipe,
    ) -> None:
        check_persons(persons)
        super().__init__(backbone=backbone, persons=persons, recipe=recipe)
        if pool.widths[-1] != text.dim:
            raise InputError(
                f"text.dim={text.dim}: the image tower gives {pool.widths[-1]} channels; give both towers one number"
            )
        self.pool, self.text = pool, text
        for tower in self.resting():
            tower.requires_grad_(False)
        self.prompts = nn.Parameter(torch.empty(persons, text.tokens, text.width))
        nn.init.normal_(self.prompts, std=0.02)
        self.criterion = criterion.sized(
            persons=persons, feature=pool.dim, embedding=text.dim, classified=False, parts=self.parts
        )
        self.register_buffer("texts", torch.zeros(persons, text.dim))
        self.register_buffer("person_ids", torch.zeros(persons, dtype=torch.int64))
        self._images = torch.zeros(0, text.dim)  # those of the training list, once a training begins

    @override
    def resting(self) -> Sequence[nn.Module]:
        return self.backbone, self.pool, self.text

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        _, token, projected = self.pool.views(self.backbone(image))
        return Output(together(token, projected), projected, None)

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        image = self._images[batch.index]
        text = self.text(self.prompts[batch.person])
        return self._added(self.criterion(Output(image, image, None, {"image": image, "text": text}), batch.person))

    @override
    def start(self) -> None:
        self.text.say_random()

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.person_ids.copy_(torch.tensor(self.data.split.persons))
        self._images = training_features(
            self, self._image, dim=self.text.dim, name="the frozen image tower", cure="give other backbone.weights"
        )
        self.data.leave_out_images()

    def _image(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        return self(batch.image.contiguous(memory_format=self._memory_format)).embedding

    @override
    def on_train_epoch_end(self) -> None:  # before the checkpoint is written
        self.texts.copy_(self.text_features())

    @torch.no_grad()
    def text_features(self, batch: int = 256) -> Float[Tensor, "persons dim"]:
        """The text features of all persons as they are now, so many at a time."""
        return torch.cat([self.text(part).float() for part in self.prompts.split(batch)])
