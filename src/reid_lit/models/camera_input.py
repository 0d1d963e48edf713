"""The camera of an image as a side input of a vision transformer."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.vit import PatchMap, VisionTokens
from reid_lit.errors import InputError
from reid_lit.models.base import RetrievalModel
from reid_lit.models.trained_cameras import TrainedCameras, counted_cameras
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Parts

_log = logging.getLogger(__name__)


class CameraInput(RetrievalModel):
    """A model whose transformer may take a learnt vector of the camera beside an image.

    The camera is an input in training and in testing: an image of a camera that was not trained on, or whose camera is
    not known, has no embedding. A subclass calls :meth:`learn_cameras` when it is made, gives the backbone
    :meth:`camera_vectors`, and computes its loss within :meth:`seen_by`.

    Attributes:
        cameras: A vector of each training camera; None: the camera is not used.
        camera_weight: λ, the factor of that vector.
        trained_cameras: Those that were trained on, kept in the checkpoint; None: not known, or not trained yet.

    Source: He et al., *TransReID: Transformer-based Object Re-Identification*, ICCV 2021, section 3.3, and its public
        code.
    """

    cameras: nn.Embedding | None
    camera_weight: float
    trained_cameras: TrainedCameras | None = None
    _camera: Tensor | None = None

    def learn_cameras(self, count: int, *, weight: float) -> None:
        """Draw a vector of each of so many training cameras; 0: the camera is not used.

        Raises:
            ValueError: the backbone gives no tokens.
        """
        if count:
            check_tokens(self.backbone, f"model.cameras={count}", otherwise=", or give model.cameras=0")
        self.cameras = nn.Embedding(count, self.backbone.dim) if count else None
        if self.cameras is not None:
            nn.init.trunc_normal_(self.cameras.weight, std=0.02)
        self.camera_weight = weight

    def camera_vectors(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels"] | None:
        """λ times the vector of the camera of each image that goes through; None: the camera is not used.

        Args:
            image: Those that go through.

        Raises:
            ValueError: their cameras are not known, or one has no vector.
        """
        if self.cameras is None:
            return None
        return self.camera_weight * self.cameras(self._known(len(image), self.cameras.num_embeddings))

    def _known(self, images: int, count: int) -> Int[Tensor, " batch"]:
        camera = self._camera
        if camera is None:
            raise InputError(
                "model.cameras: this model needs the camera of each image, which only a test of a data set knows; an"
                " export, a gallery or a list of files needs a model trained with model.cameras=0"
            )
        if len(camera) != images:
            raise InputError("trainer.chunk: a model with model.cameras takes whole batches; give null")
        known = self.trained_cameras.numbers if self.trained_cameras else range(count)
        if not self.training and (unknown := {*camera.tolist()}.difference(known)):
            raise InputError(
                f"model.cameras={count}: no vector was learnt for {counted_cameras(unknown)}; test on the data"
                " set of the training, or train with model.cameras=0"
            )
        return camera

    @contextmanager
    def seen_by(self, camera: Int[Tensor, " batch"] | None) -> Iterator[None]:
        """Within it the images that go through are of these cameras."""
        self._camera = camera
        try:
            yield
        finally:
            self._camera = None

    @override
    def _gather(self, batch: Batch) -> None:
        with self.seen_by(batch.camera):
            super()._gather(batch)

    @override
    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        with self.seen_by(batch.camera):
            return super().predict_step(batch, batch_idx)

    @override
    def health_parts(
        self, image: Float[Tensor, "batch 3 height width"], camera: Int[Tensor, " batch"] | None, *, source: bool
    ) -> Parts:
        with self.seen_by(camera):
            return super().health_parts(image, camera, source=source)

    @override
    def activation(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Float[Tensor, "batch parts rows columns"]]:
        self.camera_vectors(image)  # which are not known here
        return super().activation(image)

    @override
    def check_data(self, data: TrainingData, epochs: int | None) -> None:
        super().check_data(data, epochs)
        if self.cameras is None:
            return
        trained = TrainedCameras.of(data)
        if self.cameras.num_embeddings != (count := 1 + max(trained.numbers, default=0)):
            raise InputError(
                f"model.cameras={self.cameras.num_embeddings}: {count} is the highest training camera of"
                f" {trained.name}; give {count}, or 0"
            )
        if data.validation is not None:
            trained.check_seen(data.validation)
        self.trained_cameras = trained
        self.stamp["cameras"] = f"the true camera of each image of {trained.name} is an input, in the test too"

    @override
    def check_test(self, test: TrainingData, training: TrainingData | None = None) -> None:
        super().check_test(test, training)
        trained = self.trained_cameras if training is None else TrainedCameras.of(training)
        if self.cameras is not None and trained is not None:
            trained.check(test)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.cameras is not None and self.trained_cameras is not None:
            checkpoint["cameras"] = asdict(self.trained_cameras)

    @override
    def load_weights(self, checkpoint: Mapping[str, Any]) -> None:
        super().load_weights(checkpoint)
        if self.cameras is None:
            return
        kept = checkpoint.get("cameras")
        if kept is None:
            _log.warning(
                "this model was saved by a version that did not keep which cameras it was trained on: test it on the"
                " data set of its training alone, and on no camera that only the test has"
            )
        self.trained_cameras = None if kept is None else TrainedCameras(**kept)


def check_tokens(backbone: Backbone | Any, what: str, *, otherwise: str = "") -> None:
    """Raise InputError unless a backbone gives tokens.

    Args:
        backbone: Of a model.
        what: The option that needs them, for the message.
        otherwise: What else can be given, likewise.
    """
    if not isinstance(backbone.body, VisionTokens) or isinstance(backbone.body, PatchMap):
        raise InputError(
            f"{what}: this backbone gives no tokens; choose a vision transformer, such as backbone=vit_base, with"
            f" backbone.class_token=true{otherwise}"
        )
