"""Crops to embeddings by an exported model, as FiftyOne, supervision and trackers want it.

``preset=fiftyone`` and ``preset=supervision`` copy this file beside the model. It imports nothing of reid_lit, and
needs numpy, Pillow and onnxruntime alone: the program that tracks or looks at images installs no training code.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class Embedder:
    """Embeddings of crops, and of the boxes of a frame.

    Args:
        model: The ONNX file; what it says of itself inside gives the size of crops and how they are resized.
        batch_size: How many crops go through the network at once; a model of a fixed batch takes its own number.
    """

    def __init__(self, model: str | Path, *, batch_size: int = 64) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(model), providers=onnxruntime.get_available_providers())
        taken = json.loads(self._session.get_modelmeta().custom_metadata_map["reid_lit"])["input"]
        self.size = (taken["size"][1], taken["size"][0])  # as Pillow has it: width, height
        self.resampling = Image.Resampling[taken["interpolation"].upper()]
        given = self._session.get_inputs()[0]
        self._fixed = given.shape[0] if isinstance(given.shape[0], int) else 0  # a text where any number goes
        self.batch_size = self._fixed or batch_size
        self._input, self._output = given.name, self._session.get_outputs()[0].name
        self.dim = self._session.get_outputs()[0].shape[1]

    def __call__(self, crops: Iterable[np.ndarray]) -> np.ndarray:
        """(crops dim) float32, each of length 1, of uint8 images (height width 3) in RGB and of any sizes."""
        pixels = [np.asarray(Image.fromarray(crop).resize(self.size, self.resampling)) for crop in crops]
        batches = [pixels[start : start + self.batch_size] for start in range(0, len(pixels), self.batch_size)]
        rows = [np.empty((0, self.dim), np.float32), *map(self._embedded, batches)]
        return np.concatenate(rows)

    def extract_embeddings(self, detections: Any, frame: np.ndarray) -> np.ndarray:
        """(boxes dim) float32 of the boxes of a frame, in their order.

        Args:
            detections: ``sv.Detections``, or anything with ``xyxy``, left, top, right and bottom in pixels (boxes 4);
                what lies outside the frame is cut off.
            frame: uint8 image (height width 3) in BGR, as OpenCV and supervision read it.
        """
        height, width = frame.shape[:2]
        left, top = (np.clip(np.floor(detections.xyxy[:, axis]), 0, (width, height)[axis] - 1) for axis in (0, 1))
        right = np.clip(np.ceil(detections.xyxy[:, 2]), left + 1, width)
        bottom = np.clip(np.ceil(detections.xyxy[:, 3]), top + 1, height)
        boxes = np.stack([left, top, right, bottom], axis=1).astype(int)
        return self(np.ascontiguousarray(frame[y:y_end, x:x_end, ::-1]) for x, y, x_end, y_end in boxes)

    def _embedded(self, pixels: list[np.ndarray]) -> np.ndarray:
        images = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32)
        lacking = max(0, self._fixed - len(images))
        full = np.concatenate([images, np.zeros((lacking, *images.shape[1:]), np.float32)]) if lacking else images
        return self._session.run([self._output], {self._input: full})[0][: len(images)]


def fiftyone_model(model: str | Path, *, batch_size: int = 64) -> Any:
    """The model as FiftyOne takes it, for ``compute_embeddings``, ``compute_patch_embeddings`` and the Brain.

    Args:
        model: As :class:`Embedder` takes it; so is the other.
        batch_size: How many crops go through the network at once.
    """
    from fiftyone.core.models import EmbeddingsMixin, Model

    embedder = Embedder(model, batch_size=batch_size)

    class CropModel(EmbeddingsMixin, Model):
        media_type, has_embeddings, ragged_batches, transforms, preprocess = "image", True, False, None, True

        def embed(self, arg: np.ndarray) -> np.ndarray:
            return embedder([arg])[0]

        def embed_all(self, args: Iterable[np.ndarray]) -> np.ndarray:
            return embedder(args)

    return CropModel()
