"""Learning-rate schedules that torch does not have."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warm_cosine(optimizer: Optimizer, *, total_steps: int, warm: float) -> LambdaLR:
    """A rate that rises linearly over the first steps, then falls along half a cosine to 0.

    Args:
        optimizer: Its rates are the peaks.
        total_steps: Steps of the whole training.
        warm: The share of the steps in which it rises, in [0, 1).

    Raises:
        ValueError: ``warm`` is outside [0, 1).

    Source: Loshchilov and Hutter, *SGDR*, ICLR 2017, eq. 5, without restarts; the rise: Goyal et al., 2017, §2.2.
    """
    if not 0 <= warm < 1:
        raise ValueError(f"scheduler.build.warm={warm}: a share of the steps, at least 0 and less than 1")
    rising = round(warm * total_steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total_steps - rising)))

    return LambdaLR(optimizer, factor)
