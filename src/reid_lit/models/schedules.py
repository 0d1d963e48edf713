"""Learning-rate schedules that torch does not have."""

import math
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from reid_lit.errors import InputError


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
        raise InputError(f"warm={warm}: a share of the steps, at least 0 and less than 1")
    rising = round(warm * total_steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total_steps - rising)))

    return LambdaLR(optimizer, factor)


def warm_multistep(
    optimizer: Optimizer, *, warm_epochs: int, warm_start: float | None, milestones: Sequence[int], gamma: float
) -> LambdaLR:
    """A rate that rises linearly over the first epochs and falls in steps; to be stepped every epoch.

    In epoch t, counted from 1, the factor is t / warm_epochs while t ≤ warm_epochs, then gamma to the number of
    milestones that t has passed (t > milestone). With ``warm_start`` it rises from there instead, in the first epoch,
    to 1 in the epoch after the warm-up.

    Args:
        optimizer: Its rates are the peaks.
        warm_epochs: Epochs in which the rate rises; 0 starts at the peak.
        warm_start: The first epoch's factor, in [0, 1]; None is 1 / warm_epochs.
        milestones: Epochs after which the rate is multiplied by gamma.
        gamma: That factor.

    Source: Luo et al., TMM 2019, eq. 1; ``warm_start``: the older defaults of its public code, which the Stronger
        Baseline took over (3.5e-6 → 3.5e-4).

    Raises:
        ValueError: a number is out of range, or a milestone is within the warm-up.
    """
    if warm_epochs < 0 or (warm_start is not None and not 0 <= warm_start <= 1):
        raise InputError(f"warm_epochs={warm_epochs} must be ≥ 0 and warm_start={warm_start} null or in [0, 1]")
    early = [epoch for epoch in milestones if epoch < warm_epochs]
    if early or list(milestones) != sorted(milestones):
        raise InputError(f"milestones={list(milestones)} must rise and be greater than warm_epochs={warm_epochs}")

    def factor(epoch: int) -> float:  # counted from 0
        if epoch < warm_epochs:
            return (
                (epoch + 1) / warm_epochs if warm_start is None else warm_start + (1 - warm_start) * epoch / warm_epochs
            )
        return gamma ** sum(epoch >= milestone for milestone in milestones)

    return LambdaLR(optimizer, factor)


def warm_cosine_epochs(
    optimizer: Optimizer, *, epochs: int, warm_epochs: int, warm_start: float, final: float
) -> LambdaLR:
    """A rate that rises linearly over the first epochs, then follows half a cosine; to be stepped every epoch.

    In epoch t, counted from 1, the factor is warm_start + (1 − warm_start) t / warm_epochs while t < warm_epochs, then
    final + ½ (1 − final) (1 + cos(π t / epochs)): the cosine starts at t = 0, so it is already below 1 by then.

    Both ends are shares of a group's own rate: where biases learn twice as fast, they start and end at twice the rate
    of the others too. timm's scheduler, which the public code uses, has one start and one end for all groups.

    Args:
        optimizer: Its rates are the peaks.
        epochs: Of the whole training.
        warm_epochs: Epochs in which the rate rises; 0: none.
        warm_start: What it rises from, in [0, 1].
        final: What it falls to, in [0, 1].

    Source: the public code of He et al., *TransReID*, ICCV 2021, and of Li et al., *CLIP-ReID*, AAAI 2023
        (timm's cosine without a prefix).

    Raises:
        ValueError: a number is out of range, or the rate would rise in all epochs.
    """
    if not 0 <= warm_start <= 1 or not 0 <= final <= 1:
        raise InputError(f"warm_start={warm_start} and final={final} must be in [0, 1]")
    if not 0 <= warm_epochs < epochs:
        raise InputError(f"warm_epochs={warm_epochs} must be at least 0 and below trainer.max_epochs={epochs}")

    def factor(epoch: int) -> float:  # counted from 0
        t = epoch + 1
        if t < warm_epochs:
            return warm_start + (1 - warm_start) * t / warm_epochs
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(t, epochs) / epochs))

    return LambdaLR(optimizer, factor)


def held_exponential(optimizer: Optimizer, *, held_epochs: int, falling_epochs: int, final: float) -> LambdaLR:
    """A rate that stays, then falls exponentially, then stays again; to be stepped every epoch.

    In epoch e, counted from 0, the factor is 1 while e ≤ held_epochs, then final^((e − held_epochs) / falling_epochs),
    and ``final`` from epoch held_epochs + falling_epochs on.

    Args:
        optimizer: Its rates are the peaks.
        held_epochs: Epochs in which the rate stays.
        falling_epochs: Epochs in which it falls.
        final: The last factor, in (0, 1].

    Source: Hermans et al., "In Defense of the Triplet Loss", 2017, section 4.1, which counts in steps; 100 and 300
        epochs: Feng et al., ICANN 2018.

    Raises:
        ValueError: a number is out of range.
    """
    if held_epochs < 0 or falling_epochs < 1 or not 0 < final <= 1:
        raise InputError(
            f"held_epochs={held_epochs} must be ≥ 0, falling_epochs={falling_epochs} ≥ 1 and final={final} in (0, 1]"
        )
    return LambdaLR(optimizer, lambda epoch: final ** min(1.0, max(0, epoch - held_epochs) / falling_epochs))


def held_linear(optimizer: Optimizer, *, held_epochs: int, falling_epochs: int) -> LambdaLR:
    """A rate that stays, then falls linearly towards 0; to be stepped every epoch.

    In epoch e, counted from 0, the factor is 1 − max(0, e + 1 − held_epochs) / (falling_epochs + 1).

    Args:
        optimizer: Its rates are the peaks.
        held_epochs: Epochs in which the rate stays.
        falling_epochs: Epochs in which it falls; the last one has 1 / (falling_epochs + 1) of it.

    Source: the public code of Zhu et al., ICCV 2017 (CycleGAN), ``lr_policy=lambda``.

    Raises:
        ValueError: a number is negative, or both are 0.
    """
    if held_epochs < 0 or falling_epochs < 0 or not held_epochs + falling_epochs:
        raise InputError(
            f"held_epochs={held_epochs} and falling_epochs={falling_epochs}: give 0 or more, and 1 or more together"
        )
    return LambdaLR(optimizer, lambda epoch: 1 - max(0, epoch + 1 - held_epochs) / (falling_epochs + 1))
