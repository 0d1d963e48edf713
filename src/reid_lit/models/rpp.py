"""Refined part pooling: the second stage of PCB, which learns where each part is."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

from annotated_types import Ge
from torch import nn
from typing_extensions import override

from reid_lit.backbones.base import Backbone
from reid_lit.errors import InputError
from reid_lit.models.parts import PartModel
from reid_lit.models.predecessor import load_parts

_CURE = "train PCB first (+experiment=market_pcb), then set model.weights=<its run folder>"


class Rpp(PartModel):
    """PCB of an earlier run, whose stripes give way to parts that are learnt.

    Args:
        backbone: As in :class:`~reid_lit.models.parts.PartModel`; so is what is not named here.
        pool: Called with ``features``; maps to parts.
        weights: The run folder of PCB, or its checkpoint.
        alone_epochs: Epochs in which the pool alone learns; then all does. The paper has such epochs, its public code
            has none.
        settings: The other arguments.

    Source: Sun et al., "Beyond Part Models", ECCV 2018, section 3.4 and the public code.

    Raises:
        ValueError: as PartModel does.
    """

    stage: int = 2
    own_freezing: ClassVar[str] = "model.alone_epochs"

    def __init__(
        self,
        *,
        backbone: Backbone,
        pool: Callable[..., Any],
        weights: str | None,
        alone_epochs: Annotated[int, Ge(0)],
        **settings: Any,
    ) -> None:
        super().__init__(backbone=backbone, pool=pool(features=backbone.dim), **settings)
        self.weights = weights
        self.alone_epochs = alone_epochs

    @override
    def start(self) -> None:
        names = load_parts(self, self.weights, parts={"backbone", "heads"}, stage=self.stage, cure=_CURE)
        known = self.state_dict()
        if more := sorted(name for name in names if name.startswith("heads.") and name not in known):
            raise InputError(f"weights={self.weights} has {more[0]} too: it has more stripes or other heads; {_CURE}")

    @override
    def resting(self) -> Sequence[nn.Module]:
        return [self.backbone, self.heads] if self.current_epoch < self.alone_epochs else []
