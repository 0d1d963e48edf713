"""The maps of a frozen network, computed once for all training images and kept in memory."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reid_lit.errors import InputError, NotFiniteError
from reid_lit.memory import free_memory
from reid_lit.models.base import RetrievalModel
from reid_lit.wording import counted

STAMP = "maps of the frozen network computed once, in half precision; no augmentation"

_SHARE = 0.9  # of the free memory; the rest is for the training itself
_ROWS = 1024  # summed over ranks at once


class CachedMaps:
    """What a frozen network makes of each training image, in half precision, in memory.

    They are computed at the start of each training, also of one that goes on: from the weights, the training list, the
    size and the resizing that it trains with, so they cannot be those of others. Images are not augmented, and training
    batches have no pixels from then on: no image is read or decoded again.

    Args:
        model: In its training, with its weights loaded.
        network: Images in [0, 1] to ``shape`` each.
        shape: Of one image's map, or feature.

    Raises:
        ValueError: they do not fit into memory.
        NotFiniteError: a value is beyond half precision, 65,504.
    """

    def __init__(self, *, model: RetrievalModel, network: Callable[[Tensor], Tensor], shape: Sequence[int]) -> None:
        images, trainer = len(model.data.split.train), model.trainer
        check_memory(images, shape, ranks=trainer.world_size // trainer.num_nodes)
        self._maps = torch.zeros(images, *shape, dtype=torch.float16)
        mode = model.training
        model.eval()
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            for batch in model.data.plain_dataloader():
                maps = network(model.data.as_tested(batch.image.to(model.device)))
                self._maps[batch.index] = maps.to("cpu", torch.float16)
        model.train(mode)
        if trainer.world_size > 1:  # each image is on one rank, and 0 on the others
            for rows in self._maps.split(_ROWS):
                rows.copy_(trainer.strategy.reduce(rows.to(model.device).float(), reduce_op="sum"))
        if not self._maps.isfinite().all():
            raise NotFiniteError("cached_maps=true: a value is not finite in half precision; set cached_maps=false")
        model.data.leave_out_images()

    def of(self, index: Tensor) -> Tensor:
        """The maps of the images at these positions of the training list, float32 on the device of ``index``."""
        return self._maps[index.cpu()].to(index.device, torch.float32)


def check_memory(images: int, shape: Sequence[int], *, ranks: int = 1) -> None:
    """Raise InputError unless the maps fit into the memory that is free; call this before a run's first work.

    Args:
        images: Training images.
        shape: Of one image's map.
        ranks: Processes of this machine; each keeps all maps.

    Raises:
        ValueError: they need more than nine tenths of the memory that is free.
    """
    needed = 2 * images * math.prod(shape) * ranks
    free, owner = free_memory()
    if needed > _SHARE * free:
        size = " × ".join(map(str, shape))
        kept = f" on each of {ranks} ranks" if ranks > 1 else ""
        raise InputError(
            f"cached_maps=true: the maps of {counted(images, 'training image')}, {size} in half precision{kept}, need"
            f" {needed / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free in {owner}, a tenth of it for other uses; set"
            f" cached_maps=false or a smaller transform.size, or free memory"
        )
