"""A network whose embeddings are tested by retrieval."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import Result
from reid_lit.evaluation.views import views
from reid_lit.models.training_data import TrainingData
from reid_lit.records import Batch, Output, Split


class FinishedTest(NamedTuple):
    """A test that is over.

    Attributes:
        scores: The metric, which holds the embeddings.
        result: The scores, on every rank.
    """

    scores: RetrievalScores
    result: Result


class EmbeddingModel(pl.LightningModule):
    """A network that is tested by retrieval; a subclass gives ``forward(image) -> Output``.

    Args:
        evaluation: How queries and gallery are compared.
        memory_format: Of images and weights.
    """

    compared: ClassVar[tuple[str, ...]] = ("embedding", "feature")
    """The outputs that a test can compare."""

    stripes: ClassVar[tuple[str, ...]] = ()
    """The outputs whose stripes a test can compare beside them (``evaluation.local``)."""

    def __init__(self, *, evaluation: Protocol, memory_format: torch.memory_format) -> None:
        super().__init__()
        self.evaluation = evaluation
        self._memory_format = memory_format
        self._metric: RetrievalScores | None = None
        self._distractors: Distractors | None = None
        self._tested: FinishedTest | None = None
        self.runtime = "torch"
        self._graph: Callable[[Tensor], Tensor] | None = None

    @property
    def data(self) -> TrainingData:
        """The datamodule of the training or test that runs."""
        return self.trainer.datamodule  # type: ignore[attr-defined]

    @property
    def tested(self) -> FinishedTest:
        """The last test.

        Raises:
            RuntimeError: none has ended.
        """
        if self._tested is None:
            raise RuntimeError("no test has ended; call test_on, or trainer.test")
        return self._tested

    @override
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Output:
        raise TypeError(f"{type(self).__name__} gives no forward(image) -> Output")

    def embed(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """The embedding that retrieval compares, in float32: the mean over the evaluation's views.

        Where parts are compared ``(b parts c)``, the mean of each is brought to unit length; they follow each other.
        Where stripes are compared too (``evaluation.local``), they follow the embedding.

        Raises:
            ValueError: this model has no such output.
        """
        self.check_compared()
        if self._graph is not None:
            return self._graph(image)
        local = self.evaluation.local
        names = (self.evaluation.feature,) if local is None else (self.evaluation.feature, local.feature)
        values = []
        for view in views(image, crops=self.evaluation.crops, flip=self.evaluation.flip):
            output = self(view.contiguous(memory_format=self._memory_format))
            values.append([output.named(name).float() for name in names])
        means = [torch.stack(of_name).mean(0) for of_name in zip(*values, strict=True)]
        parts = [mean if mean.ndim == 2 else F.normalize(mean, dim=-1).flatten(1) for mean in means]
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def lay_out(self, memory_format: torch.memory_format) -> None:
        """Keep images and weights in another memory layout from now on."""
        self._memory_format = memory_format
        torch.nn.Module.to(self, memory_format=memory_format)

    def compute_by(self, runtime: str, graph: Callable[[Tensor], Tensor]) -> None:
        """Let a graph of this model compute :meth:`embed` from now on; training and :meth:`forward` stay with torch.

        Args:
            runtime: Its name, which the embeddings' provenance tells.
            graph: Images in [0, 1] → embeddings.
        """
        self.runtime, self._graph = runtime, graph

    def leave_out_stripes(self) -> None:
        """Embed and compare whole images alone, whatever the evaluation says of stripes."""
        local, graph = self.evaluation.local, self._graph
        if local is not None and graph is not None:
            self._graph = lambda image: graph(image)[:, : local.whole]  # stripes follow the whole image's embedding
        self.evaluation = dataclasses.replace(self.evaluation, local=None)

    def check_compared(self) -> None:
        """Raise InputError unless this model has what the evaluation compares.

        Raises:
            ValueError: it has not.
        """
        if self.evaluation.feature not in self.compared:
            raise InputError(
                f"evaluation.feature={self.evaluation.feature}: this model gives {', '.join(self.compared)}; choose one"
                " of them, or a model of parts, such as model=pcb"
            )
        if (local := self.evaluation.local) is not None and local.feature not in self.stripes:
            raise InputError(
                f"evaluation.local compares stripes ({local.feature}), and this model has none; train one with a local"
                " branch (model=alignedreid), or set evaluation.local=null"
            )

    def test_on(
        self, trainer: pl.Trainer, data: pl.LightningDataModule, distractors: Distractors | None = None
    ) -> Result:
        """Test on the query and gallery of ``data.split``; every rank takes part and gets the same result.

        Args:
            trainer: Runs the test.
            data: The datamodule.
            distractors: More of the gallery, on disk.

        Raises:
            RuntimeError: the test gave no result.
        """
        self._tested, self._distractors = None, distractors
        try:
            trainer.test(self, datamodule=data, verbose=False)
        finally:
            self._distractors = None
        return self.tested.result

    def _begin(self, split: Split, distractors: Distractors | None = None) -> None:
        self._metric = RetrievalScores.of(split, self.evaluation, distractors=distractors).to(self.device)

    def _begun(self) -> RetrievalScores:
        if self._metric is None:
            raise RuntimeError("a test step before its test began; call trainer.test or trainer.validate")
        return self._metric

    def _gather(self, batch: Batch) -> None:
        self._begun().update(self.embed(batch.image), batch.person, batch.camera, batch.index)

    def _finish(self, stage: str) -> FinishedTest:
        metric = self._begun()
        result = metric.compute()
        scores = {f"{stage}/{name}": value for name, value in result.scores.items()}
        self.log_dict(scores, sync_dist=True)  # all ranks have the same
        return FinishedTest(metric, result)

    @override
    def on_test_epoch_start(self) -> None:
        self._begin(self.data.split, self._distractors)

    @override
    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._gather(batch)

    @override
    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        """The embeddings of a batch, on the CPU, and the images' positions in the list."""
        return self.embed(batch.image).cpu(), batch.index.cpu()

    @override
    def on_test_epoch_end(self) -> None:
        self._tested = self._finish(f"test/{self.data.split.name}")

    @override
    def on_validation_epoch_start(self) -> None:
        self._begin(self.data.validation)  # type: ignore[arg-type]  # without it no validation runs

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._gather(batch)

    @override
    def on_validation_epoch_end(self) -> None:
        self._finish("val")
