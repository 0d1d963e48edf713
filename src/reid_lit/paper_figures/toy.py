"""A small network whose features have two dimensions, so that they can be looked at."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from typing_extensions import override

from reid_lit.losses.criterion import Criterion
from reid_lit.models.schedules import warm_cosine
from reid_lit.records import Output


class ToyNetwork(nn.Module):
    """Stages of two 5 × 5 convolutions with PReLU and a 2 × 2 max-pool, a linear layer to a feature, a neck.

    Source: Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016, section 3.1:
        the network of its MNIST pictures, which Luo et al., TMM 2019, Fig. 9, do not describe.

    Args:
        neck: Called with ``features`` and ``persons``, as in :class:`~reid_lit.models.supervised.Supervised`.
        classes: Of the classifier.
        channels: Of each stage; (32, 64, 128) in the source.
        size: Height and width of the images in pixels.
        dim: Dimensions of the feature.
    """

    def __init__(
        self, *, neck: Callable[..., Any], classes: int, channels: Sequence[int], size: int = 28, dim: int = 2
    ) -> None:
        super().__init__()
        stages = [_stage(before, after) for before, after in itertools.pairwise([1, *channels])]
        side = size // 2 ** len(channels)
        self.stages = nn.Sequential(*stages, nn.Flatten(), nn.Linear(channels[-1] * side * side, dim))
        self.stages.apply(_initialise)
        self.neck = neck(features=dim, persons=classes)

    @override
    def forward(self, image: Float[Tensor, "batch 1 size size"]) -> Output:
        feature = self.stages(image)
        embedding = self.neck(feature)
        return Output(feature, embedding, self.neck.classify(embedding))


def _initialise(module: nn.Module) -> None:
    """Keep features as spread as images; torch's weights shrink them, and batch-hard triplets make them one point."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0.25 if isinstance(module, nn.Conv2d) else 1.0)  # PReLU starts at 0.25
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 5, padding=2),
        nn.PReLU(),
        nn.Conv2d(after, after, 5, padding=2),
        nn.PReLU(),
        nn.MaxPool2d(2),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyTraining:
    """How a toy network is trained.

    Attributes:
        iterations: Batches.
        images: Of each class in a batch, drawn without repetition where there are enough.
        lr: The highest learning rate.
        warm: The share of the iterations in which it rises, as in :func:`~reid_lit.models.schedules.warm_cosine`.
        seed: Of the draw.
    """

    iterations: int
    images: int
    lr: float
    warm: float
    seed: int


def train_toy(
    network: ToyNetwork,
    criterion: Criterion,
    image: Float[Tensor, "n 1 size size"],
    label: Int64[Tensor, " n"],
    *,
    training: ToyTraining,
    advance: Callable[[], None],
) -> list[float]:
    """Train with Adam, the rate rising, then falling along half a cosine; returns the loss of each iteration.

    Args:
        network: Trained in place.
        criterion: The sum of its losses is minimised.
        image: Training images.
        label: Their classes.
        training: How.
        advance: Called after each iteration.
    """
    generator = torch.Generator().manual_seed(training.seed)
    members = [torch.nonzero(label == number)[:, 0] for number in label.unique()]
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=training.lr)
    schedule = warm_cosine(optimizer, total_steps=training.iterations, warm=training.warm)
    history = []
    for _ in range(training.iterations):
        draws = [torch.randperm(len(rows), generator=generator)[: training.images] for rows in members]
        batch = torch.cat([rows[draw] for rows, draw in zip(members, draws, strict=True)])
        loss = torch.stack(list(criterion(network.train()(image[batch]), label[batch]).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        history.append(float(loss.detach()))
        advance()
    return history
