"""Models that can be trained with the activations of a few images at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.layers.norm_statistics import batch_norms
from reid_lit.layers.pooling import pooled
from reid_lit.layers.recomputation import blocks_of, in_chunks, recomputing
from reid_lit.models.base import RetrievalModel
from reid_lit.progress import first_rank
from reid_lit.wording import counted

_log = logging.getLogger(__name__)


class InChunks(RetrievalModel):
    """A model whose losses see a batch that goes through the network in chunks.

    A subclass's ``forward`` begins with :meth:`by_chunks`; what needs the whole batch, such as a neck's batch norm,
    comes behind it.

    Attributes:
        chunk: Images of a chunk in training; None: a batch is not cut.
    """

    pool: Any
    chunk: int | None = None

    def trunk(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        """What takes the memory: images to one or more tensors with a row of few numbers for each."""
        return (pooled(self.pool, self.backbone(image)),)

    def by_chunks(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        """What the trunk gives of all images; in training chunk by chunk, in two passes, where that is asked for."""
        if self.chunk is None or not self.training:
            return self.trunk(image)
        return in_chunks(self.trunk, image, size=self.chunk, norms=batch_norms(self).values())

    @contextmanager
    def saving_memory(self, *, chunk: int | None, checkpointing: bool) -> Iterator[None]:
        """Within it training keeps fewer activations and computes them again.

        Args:
            chunk: Images of a chunk; None: a batch is not cut.
            checkpointing: Whether the activations inside the backbone's blocks are computed again.

        Raises:
            ValueError: the backbone has no blocks.
        """
        with recomputing(self.blocks() if checkpointing else ()):
            self.chunk = chunk
            try:
                yield
            finally:
                self.chunk = None

    def blocks(self) -> list[nn.Module]:
        """The blocks of the backbone and its branches.

        Raises:
            ValueError: there are none.
        """
        blocks = [block for part in self._backbones() for block in blocks_of(part)]
        if not blocks:
            name = type(getattr(self.backbone.body, "model", self.backbone.body)).__name__
            raise InputError(f"checkpointing=true: {name} is no row of blocks; give false")
        return blocks

    @override
    def on_train_start(self) -> None:
        super().on_train_start()
        share = self.data.batch_size // self.trainer.world_size
        if self.chunk is not None and self.chunk < share and first_rank():
            _log.info(
                "two passes: batch norms before the pooled feature see chunks of at most %s, those behind it all %d",
                counted(self.chunk, "image"), share,
            )  # fmt: skip
