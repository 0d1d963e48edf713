"""Whether a file scores as its run does: rank-1 and mAP of both on the run's own test, in one pass over its images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.export.gate import POINTS, Figure, Promise, cosines, ours
from reid_lit.models.retrieval import EmbeddingModel
from reid_lit.testing.embedder import Embedder
from reid_lit.testing.inference import embedded

SCORES = {"rank1": "rank-1", "mAP": "mAP"}


@dataclass(frozen=True, kw_only=True)
class ScoreCheck:
    """The scores of a run's model and of its file on one test.

    Attributes:
        test: Its name.
        images: Query and gallery.
        own: By name, of the model; fractions of 1.
        file: Likewise of the file.
        cosine: The least cosine over all images.
    """

    test: str
    images: int
    own: dict[str, float]
    file: dict[str, float]
    cosine: float

    def figures(self, precision: str) -> list[Figure]:
        """By how many points each score moves."""
        cure = "give precision=fp32, or another format"
        both = {key: (100 * self.own[key], 100 * self.file[key]) for key in SCORES if key in self.own}
        return [
            Figure(
                name=f"points that {SCORES[key]} on {self.test} moves by ({own:.2f} to {file:.2f})",
                value=abs(file - own),
                limit=POINTS[precision],
                at_least=False,
                cure=cure,
            )
            for key, (own, file) in both.items()
        ]


class _Both(EmbeddingModel):
    """Embeds each image twice: by the model and by the file, one behind the other."""

    def __init__(self, embedder: Embedder, features: Callable[[np.ndarray], np.ndarray], unit_length: bool) -> None:
        super().__init__(evaluation=embedder.model.evaluation, memory_format=torch.contiguous_format)
        self._embed = (embedder, features, unit_length)  # a tuple, so that the model is no part of this one

    @override
    def embed(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        embedder, features, unit_length = self._embed
        crops = (255 * image).round().byte().contiguous().cpu().numpy()
        both = (ours(embedder, crops, unit_length=unit_length), features(crops))
        return torch.cat([torch.from_numpy(np.ascontiguousarray(each, dtype=np.float32)) for each in both], dim=1)


def score_checks(
    tests: Sequence[ReidData],
    embedder: Embedder,
    features: Callable[[np.ndarray], np.ndarray],
    promise: Promise,
    *,
    progress: bool,
) -> list[ScoreCheck]:
    """The scores of a model and its file on each test, by the run's own evaluation.

    Args:
        tests: Data sets whose images have the model's size.
        embedder: The model, in float32.
        features: The file as its consumer uses it, see :func:`reid_lit.export.gate.consumer`.
        promise: What the file says.
        progress: Whether a bar shows how far it is.

    Raises:
        ValueError: no query has a match, or features are not finite.
    """
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        use_distributed_sampler=False,
    )
    both = _Both(embedder, features, promise.unit_length)
    return [_score_check(trainer, both, data) for data in tests]


def _score_check(trainer: pl.Trainer, both: _Both, data: ReidData) -> ScoreCheck:
    own, file = embedded(trainer, both, data).chunk(2, dim=1)
    return ScoreCheck(
        test=data.split.name,
        images=len(own),
        own=_scores(own, both, data),
        file=_scores(file, both, data),
        cosine=float(cosines(own.numpy(), file.numpy()).min()),
    )


def _scores(embedding: Float[Tensor, "images dim"], both: _Both, data: ReidData) -> dict[str, float]:
    shots = (*data.split.query, *data.split.gallery)
    scores = RetrievalScores.of(data.split, both.evaluation)
    person, camera = (torch.tensor([getattr(shot, key) for shot in shots]) for key in ("person_id", "camera_id"))
    scores.update(embedding, person, camera, torch.arange(len(shots)))
    found = scores.compute().scores
    return {key: float(found[key]) for key in SCORES if key in found}
