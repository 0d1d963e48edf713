"""Learning rate by epoch, with and without warm-up (Strong Baseline, Fig. 3)."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch.optim import Optimizer

from reid_lit.errors import InputError
from reid_lit.figures.series import Panel, Scale, series_figure
from reid_lit.paper_figures.paper_figure import PaperFigure

COLD = {"warm_epochs": 0, "warm_start": None, "warm": 0.0}
"""What the arguments of a schedule are without its warm-up."""


def learning_rate(config: DictConfig, *, steps: int, scale: Scale) -> PaperFigure:
    """The rate of the configured scheduler, and of the same without its warm-up, over ``trainer.max_epochs``.

    Args:
        config: Its ``scheduler``, ``optimizer`` and ``trainer.max_epochs`` are looked at.
        steps: Steps of an epoch, for a schedule that goes by steps.
        scale: Of the y axis.

    Raises:
        ValueError: the scheduler knows no warm-up.
    """
    schedule = instantiate(config.scheduler, _convert_="all")
    build, epochs = schedule["build"], int(config.trainer.max_epochs)
    cold = {name: value for name, value in COLD.items() if name in build.keywords}
    if not cold:
        raise InputError(
            f"scheduler.build={config.scheduler.build['_target_']} has no warm-up; choose +experiment=market_strong or"
            f" scheduler=warm_multistep"
        )
    drawn = functools.partial(rates, instantiate(config.optimizer), count=epochs)
    if schedule["interval"] == "step":
        drawn = functools.partial(drawn, count=steps * epochs, total_steps=steps * epochs)
    curves = {"with warm-up": drawn(build), "without warm-up": drawn(functools.partial(build, **cold))}
    part = len(curves["with warm-up"]) / epochs
    epoch = [1 + place / part for place in range(round(part * epochs))]
    panel = Panel(
        x="epoch",
        y="learning rate",
        curves={name: (epoch, values) for name, values in curves.items()},
        scale=scale,
        steps=schedule["interval"] == "epoch",
    )
    title = f"Learning rate of {config.name}: scheduler {HydraConfig.get().runtime.choices['scheduler']}"
    return PaperFigure(figure=series_figure([panel], title=title), numbers={"epoch": epoch, "learning_rate": curves})


def rates(optimizer: Callable[..., Optimizer], build: Callable[..., Any], *, count: int, **known: int) -> list[float]:
    """The first ``count`` learning rates of a schedule.

    Args:
        optimizer: Called with parameters.
        build: Called with the optimizer and with ``known``.
        count: Epochs, or steps of a schedule that goes by steps.
        known: More arguments of the schedule.
    """
    made = optimizer([torch.nn.Parameter(torch.zeros(1))])
    scheduler, values = build(made, **known), []
    for _ in range(count):
        values.append(float(made.param_groups[0]["lr"]))
        made.step()
        scheduler.step()
    return values
