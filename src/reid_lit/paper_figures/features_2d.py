"""Features of two dimensions under each neck (Strong Baseline, Fig. 9)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.utils import instantiate
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Tensor

from reid_lit.figures.embedding import features_figure
from reid_lit.paper_figures.digits import Digits, mnist, sklearn_digits
from reid_lit.paper_figures.paper_figure import PaperFigure
from reid_lit.paper_figures.toy import ToyNetwork, ToyTraining, train_toy
from reid_lit.progress import progress
from reid_lit.records import Output

Sizes = Mapping[str, Any]
CLASSES = 10


def features_2d(
    config: DictConfig,
    *,
    panels: Mapping[str, Mapping[str, str]],
    loss: str,
    digits: Sizes,
    mnist_digits: Sizes,
    images: int,
    lr: float,
    warm: float,
    shown: int,
) -> PaperFigure:
    """A toy network for each neck, trained with the neck's own losses, and the features of test images.

    Args:
        config: Its ``mnist`` names a folder with MNIST's files, else scikit-learn's digits are taken; its ``seed`` is
            that of weights and batches.
        panels: By letter: ``neck``, an option of ``conf/neck``; ``shows``, ``feature`` or ``embedding``; ``title``.
        loss: An option of ``conf/loss``.
        digits: ``channels`` and ``iterations`` with scikit-learn's digits.
        mnist_digits: The same with MNIST.
        images: Of each class in a batch.
        lr: The highest learning rate.
        warm: The share of the iterations in which it rises.
        shown: Test images that are drawn, at most.
    """
    data, sizes = (sklearn_digits(), digits) if config.mnist is None else (mnist(Path(config.mnist)), mnist_digits)
    necks = list(dict.fromkeys(panel["neck"] for panel in panels.values()))
    total, done = len(necks) * sizes["iterations"], 0
    outputs: dict[str, Output] = {}
    with progress("toy networks") as bar:

        def advance() -> None:
            nonlocal done
            done += 1
            bar(done, total)

        training = ToyTraining(iterations=sizes["iterations"], images=images, lr=lr, warm=warm, seed=int(config.seed))
        for neck in necks:
            outputs[neck] = outputs_of(neck, loss, data, channels=sizes["channels"], training=training, advance=advance)
    label = data.test_class[:shown]
    points = {letter: getattr(outputs[panel["neck"]], panel["shows"])[:shown] for letter, panel in panels.items()}
    right = {letter: nearest_mean(xy, label) for letter, xy in points.items()}
    title = f"Features of two dimensions: {len(label)} test images of {data.name}"
    named = {f"{letter}) {panels[letter]['title']}": xy for letter, xy in points.items()}
    numbers = {
        "digits": data.name,
        "class": label.tolist(),
        "panels": {
            letter: {**panels[letter], "nearest_mean": right[letter], "points": xy.tolist()}
            for letter, xy in points.items()
        },
    }
    lines = [
        f"{letter}) {panel['neck']}, {panel['shows']}: {right[letter]:.1%} are nearest to the mean of their own class"
        for letter, panel in panels.items()
    ]
    return PaperFigure(figure=features_figure(named, label, title=title), numbers=numbers, lines=lines)


def outputs_of(
    neck: str,
    loss: str,
    data: Digits,
    *,
    channels: list[int],
    training: ToyTraining,
    advance: Callable[[], None],
) -> Output:
    """Train a toy network with this neck; returns its outputs for the test images.

    Args:
        neck: An option of ``conf/neck``.
        loss: An option of ``conf/loss``; the neck says what it reads.
        data: The images.
        channels: See :class:`~reid_lit.paper_figures.toy.ToyNetwork`.
        training: See :func:`~reid_lit.paper_figures.toy.train_toy`; its seed is that of the weights too.
        advance: Called after each iteration.
    """
    config = hydra.compose("train", [f"neck={neck}", f"loss={loss}"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        build = instantiate(config.neck.build, _convert_="all")
        network = ToyNetwork(neck=build, classes=CLASSES, channels=channels, size=data.train.shape[-1])
        criterion = instantiate(config.loss, _convert_="all")
        criterion = criterion.behind(network.neck, persons=CLASSES, feature=2)
    train_toy(network, criterion, data.train, data.train_class, training=training, advance=advance)
    network.eval()
    with torch.inference_mode():
        parts = [network(image) for image in data.test.split(500)]
    return Output(torch.cat([p.feature for p in parts]), torch.cat([p.embedding for p in parts]), None)


def nearest_mean(points: Float[Tensor, "n 2"], label: Tensor) -> float:
    """The share of points that are nearest to the mean of their own class."""
    classes = label.unique()
    means = torch.stack([points[label == number].mean(0) for number in classes])
    return float((classes[torch.cdist(points, means).argmin(1)] == label).float().mean())
