"""Training on real images and on images of the same persons in the styles of other cameras."""

from typing import Any, ClassVar

from torch import Tensor
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.losses.criterion import Criterion
from reid_lit.models.supervised import Supervised
from reid_lit.models.training_data import TrainingData
from reid_lit.records import MixedBatch


class CamStyle(Supervised):
    """A supervised model whose loss is that of the real images plus that of the generated ones.

    Real and generated images pass the network one after the other, so its batch norms see them apart, as in the public
    code.

    Args:
        fakes: The losses of the generated images.
        persons: Training persons.
        settings: The other arguments; ``criterion`` has the losses of the real images.

    Source: Zhong et al., "Camera Style Adaptation for Person Re-identification", CVPR 2018, and its public code: the
        cross-entropy of the M real images plus that of the N generated ones, whose labels are smoothed, each a mean.
    """

    learns_fakes: ClassVar[bool] = True

    def __init__(self, *, fakes: Criterion, persons: int, **settings: Any) -> None:
        super().__init__(persons=persons, **settings)
        self.fakes = fakes.behind(self.neck, persons=persons, feature=self.backbone.dim)

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        if not data.has_fakes:
            raise InputError(
                "dataset.fakes=null: this model learns from images in other cameras' styles too; python -m"
                " reid_lit.camstyle dataset=… makes them, dataset.fakes=bounding_box_train_camstyle reads them, and"
                " model=strong trains without"
            )

    @override
    def training_step(self, batch: MixedBatch, batch_idx: int) -> Tensor:  # type: ignore[override]
        output, generated = (self(part.image.contiguous(memory_format=self._memory_format)) for part in batch)
        losses = self.criterion(output, batch.real.person)
        fake = self.fakes(generated, batch.fake.person)
        loss = self._added(losses | {f"fake_{name}": value for name, value in fake.items()})
        if output.logits is not None:
            self.log("train/accuracy", (output.logits.argmax(1) == batch.real.person).float().mean())
        return loss
