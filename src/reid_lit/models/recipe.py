"""What every model is trained and compared by: optimizer, schedule, evaluation, memory layout."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch.optim import Optimizer

from reid_lit.evaluation.protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained and compared.

    Attributes:
        optimizer: Called with the parameter groups. It leaves parameters without a gradient alone, as torch's do.
        scheduler: ``build``, called with the optimizer (and ``total_steps`` where the interval is a step), and
            ``interval``: ``epoch`` or ``step``.
        evaluation: How queries and gallery are compared.
        channels_last: Memory layout of images and weights.
        frozen_epochs: Epochs at the start in which the backbone keeps its weights and statistics, so that what is new,
            such as a classifier, learns first: FastReID's FREEZE_ITERS, torchreid's fixbase_epoch.
    """

    optimizer: Callable[..., Optimizer]
    scheduler: dict[str, Any]
    evaluation: Protocol
    channels_last: bool
    frozen_epochs: Annotated[int, Ge(0)]

    def built_optimizer(self, groups: list[dict[str, Any]], *, fused: bool) -> Optimizer:
        """The optimizer of these groups.

        Args:
            groups: Parameters, as torch's optimizers take them.
            fused: Whether a step goes over the weights once, in place of once for each operation of its rule, where the
                optimizer can and the recipe does not say. Equal to float noise.
        """
        given = inspect.signature(self.optimizer).parameters
        said = getattr(self.optimizer, "keywords", {})
        return self.optimizer(groups, **({"fused": True} if fused and "fused" in given and "fused" not in said else {}))

    @property
    def memory_format(self) -> torch.memory_format:
        """The memory layout in torch's terms."""
        return torch.channels_last if self.channels_last else torch.contiguous_format
