"""CycleGAN: images of one camera in the style of another one and back, learnt without pairs."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from annotated_types import Ge, Gt, Lt
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer
from typing_extensions import override

from reid_lit.errors import NotFiniteError
from reid_lit.losses.adversarial import least_squares
from reid_lit.models.image_pool import ImagePool
from reid_lit.models.schedules import held_linear

Images = Float[Tensor, "batch 3 height width"]
"""In [-1, 1]."""


class CycleGan(pl.LightningModule):
    """Two generators, from camera A to B and back, each against a discriminator of its target.

    Each training batch is a pair of images in [-1, 1], of A and of B. The generators take their step first, then the
    discriminators, which see translations of an image pool.

    Args:
        generator: Makes a network from images to images of the same size, in [-1, 1].
        discriminator: Makes a network from images to a score for each patch.
        cycle_weight: λ, of the mean absolute difference between an image and its translation there and back.
        identity_weight: Of the mean absolute difference between an image and what the generator of its own style makes
            of it, relative to ``cycle_weight``.
        pool_size: Images of each pool; 0: the discriminators see the newest translations.
        lr: Adam's rate.
        beta1: Adam's first decay.
        held_epochs: Epochs at this rate.
        falling_epochs: Epochs in which it falls linearly.
        seed: Of the pools' draws.

    Source: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
        eq. 1 to 3 and section 5.2 (identity loss), with the least squares and the pool of section 4; its public code.
    """

    def __init__(
        self,
        *,
        generator: Callable[[], nn.Module],
        discriminator: Callable[[], nn.Module],
        cycle_weight: Annotated[float, Ge(0)],
        identity_weight: Annotated[float, Ge(0)],
        pool_size: Annotated[int, Ge(0)],
        lr: Annotated[float, Gt(0)],
        beta1: Annotated[float, Ge(0), Lt(1)],
        held_epochs: int,
        falling_epochs: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.to_b, self.to_a = generator(), generator()
        self.judge_a, self.judge_b = discriminator(), discriminator()
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.lr, self.beta1 = lr, beta1
        self.held_epochs, self.falling_epochs = held_epochs, falling_epochs
        self.pool_a, self.pool_b = (ImagePool(size=pool_size, seed=seed + k) for k in range(2))
        self.identity_before: float | None = None
        self._pools: dict[str, Any] = {}

    @property
    def epochs(self) -> int:
        """Of the whole training."""
        return self.held_epochs + self.falling_epochs

    def generator_losses(self, a: Images, b: Images, fake_a: Images, fake_b: Images) -> dict[str, Tensor]:
        """The weighted losses of both generators by name; their sum is what they minimise.

        Args:
            a: Images of A.
            b: Images of B.
            fake_a: ``b`` in the style of A.
            fake_b: ``a`` in the style of B.
        """
        cycle = F.l1_loss(self.to_a(fake_b).float(), a) + F.l1_loss(self.to_b(fake_a).float(), b)
        fooling = least_squares(self.judge_a(fake_a), real=True) + least_squares(self.judge_b(fake_b), real=True)
        losses = {"fooling": fooling, "cycle": self.cycle_weight * cycle}
        if self.identity_weight:
            losses["identity"] = self.cycle_weight * self.identity_weight * torch.stack(self.identity(a, b)).sum()
        return losses

    def identity(self, a: Images, b: Images) -> tuple[Tensor, Tensor]:
        """The mean absolute differences between images and what the generator of their own style makes of them."""
        return F.l1_loss(self.to_a(a).float(), a), F.l1_loss(self.to_b(b).float(), b)

    def judge_losses(self, a: Images, b: Images, fake_a: Images, fake_b: Images) -> dict[str, Tensor]:
        """The losses of the discriminators by name, half of each for real and half for translated images."""
        return {
            name: (least_squares(judge(real), real=True) + least_squares(judge(fake), real=False)) / 2
            for name, judge, real, fake in (
                ("judge_a", self.judge_a, a, fake_a),
                ("judge_b", self.judge_b, b, fake_b),
            )
        }

    @override
    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        a, b = batch
        generators, judges = self._both()
        fake_a, fake_b = self.to_a(b), self.to_b(a)
        self._judges().requires_grad_(False)
        losses = self.generator_losses(a, b, fake_a, fake_b)
        self._step(generators, losses.values())
        self._judges().requires_grad_(True)
        shown = self.pool_a.exchanged(fake_a), self.pool_b.exchanged(fake_b)
        losses |= (judged := self.judge_losses(a, b, *shown))
        self._step(judges, judged.values())
        values = {name: value.detach() for name, value in losses.items()}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(a))

    def _both(self) -> tuple[Any, Any]:
        both: Any = self.optimizers()
        return both[0], both[1]

    def _step(self, optimizer: Any, losses: Iterable[Tensor]) -> None:
        optimizer.zero_grad()
        self.manual_backward(torch.stack(list(losses)).sum())
        optimizer.step()

    def _judges(self) -> nn.ModuleList:
        return nn.ModuleList([self.judge_a, self.judge_b])

    @override
    def on_train_epoch_end(self) -> None:
        values = {name: float(self.trainer.callback_metrics[name]) for name in ("fooling", "cycle")}
        bad = [name for name, value in values.items() if not torch.isfinite(torch.tensor(value))]
        if bad:
            raise NotFiniteError(
                f"the loss {bad[0]} is {values[bad[0]]} in epoch {self.trainer.current_epoch + 1}; lower"
                f" translation.lr, or set trainer.precision=32-true, with out=<another folder>"
            )
        schedules: Any = self.lr_schedulers()
        for schedule in schedules:
            schedule.step()

    @override
    def configure_optimizers(self) -> Any:
        def adam(*parts: nn.Module) -> Optimizer:
            parameters = itertools.chain.from_iterable(part.parameters() for part in parts)
            return Adam(parameters, lr=self.lr, betas=(self.beta1, 0.999))

        optimizers = [adam(self.to_a, self.to_b), adam(self.judge_a, self.judge_b)]
        length = {"held_epochs": self.held_epochs, "falling_epochs": self.falling_epochs}
        return optimizers, [held_linear(optimizer, **length) for optimizer in optimizers]

    @override
    def on_train_start(self) -> None:
        for name, state in self._pools.items():
            getattr(self, name).load_state_dict(state, self.device)
        self._pools = {}

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["pools"] = {name: getattr(self, name).state_dict() for name in ("pool_a", "pool_b")}
        checkpoint["identity_before"] = self.identity_before

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._pools = checkpoint["pools"]
        self.identity_before = checkpoint["identity_before"]
