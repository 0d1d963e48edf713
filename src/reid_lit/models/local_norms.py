"""What batch norms see where several processes train together."""

import logging

from torch import nn

from reid_lit.layers.norm_statistics import batch_norms
from reid_lit.layers.norms_in_parts import seen_together
from reid_lit.progress import first_rank
from reid_lit.wording import counted

logger = logging.getLogger(__name__)


def say_local_norms(network: nn.Module, *, ranks: int, images: int) -> None:
    """Log, on the first rank, where batch norms that learn see a rank's share of each batch; call it in a training.

    All else is as in one process: what is drawn, the losses, the learning rate.

    Args:
        network: In training.
        ranks: The number of processes.
        images: Of a batch, over all of them.
    """
    if ranks == 1 or not first_rank():
        return
    share = images // ranks
    for norm in batch_norms(network).values():
        alone = seen_together(norm, images)
        if norm.training and not isinstance(norm, nn.SyncBatchNorm) and (seen := seen_together(norm, share)) != alone:
            logger.warning(
                "batch norms see %s each, the share of one of %d ranks, not the %d of a batch: training differs from"
                " that of one process; %s",
                counted(seen, "image"),
                ranks,
                alone,
                f"with model.ghost_batch={share} it does not"
                if "forward" in vars(norm)
                else "with trainer.sync_batchnorm=true they see all, on GPUs",
            )
            return
