"""Where a network looks: its activation laid over images."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Tensor

from reid_lit.data.transforms.transform import as_float
from reid_lit.errors import InputError
from reid_lit.figures.contact_sheet import evenly
from reid_lit.figures.overlay import overlaid
from reid_lit.figures.pairs import pairs_figure
from reid_lit.paper_figures.paper_figure import PaperFigure
from reid_lit.run.datasets import make_data
from reid_lit.run.split_rounds import in_one_split, trained_run
from reid_lit.testing.load import load
from reid_lit.testing.tests import find_tests


def activation(config: DictConfig, *, images: Sequence[str] | None, shown: int, share: float) -> PaperFigure:
    """Images and, below each, where the network of a run looks: the sum of squares over the channels of its map.

    The sum is shown from its least to its largest value in the image; of a model with stripes or parts in a row of its
    own, each part from its own least to its own largest.

    Args:
        config: That of the run; ``test_on`` names another data set whose queries are looked at.
        images: Files; None: queries of the run's test.
        shown: How many of the queries, evenly over all.
        share: Of the colours over the image, in (0, 1].

    Raises:
        ValueError: no run is given, no image, or the share is none.
        FileNotFoundError: there is no such run, or it has no weights of this split.
    """
    if config.run is None:
        raise InputError("run=null: give the folder of a finished run, run=runs/market_strong/<time>")
    if not 0 < share <= 1:
        raise InputError(f"share={share}: give a number above 0, at most 1")
    config = in_one_split(config)
    run = trained_run(config).folder
    embedder = load(run, trust=bool(config.get("trust", False)))
    files = [Path(file) for file in images] if images is not None else _queries(config, shown)
    prepared = embedder.prepared(files)
    with torch.inference_mode():
        seen = embedder.model.activation(embedder.transform.testing(prepared.to(embedder.device)))
    maps = {name: over_range(parts.float().cpu()) for name, parts in seen.items()}
    image = as_float(prepared)
    rows = {name: overlaid(image, parts.amax(1), share=share) for name, parts in maps.items()}
    height, width = next(iter(maps.values())).shape[2:]
    numbers = {
        "run": str(run),
        "map": [height, width],
        "files": [file.name for file in files],
        "peaks": {name: [peaks(parts) for parts in each] for name, each in maps.items()},
    }
    name = config.get("name", "the network")
    figure = pairs_figure({"image": image} | rows, title=f"Where {name} looks: maps of {height} × {width}")
    return PaperFigure(figure=figure, numbers=numbers)


def over_range(parts: Float[Tensor, "b parts rows columns"]) -> Float[Tensor, "b parts rows columns"]:
    """Each part of each image, its least value at 0 and its largest at 1; 0 where the part sees nothing."""
    high = parts.amax((2, 3), keepdim=True)
    low = parts.masked_fill(parts <= 0, torch.inf).amin((2, 3), keepdim=True).minimum(high)
    flat = (parts > 0).to(parts.dtype)  # where all that is seen is the same
    return torch.where(high > low, ((parts - low) / (high - low)).clamp_min(0), flat)


def peaks(parts: Float[Tensor, "parts rows columns"]) -> list[list[float]]:
    """Where each part looks most: the middle of the position, down and to the right, as shares of the image."""
    rows, columns = parts.shape[1:]
    places = parts.flatten(1).argmax(1).tolist()
    return [[round((at // columns + 0.5) / rows, 4), round((at % columns + 0.5) / columns, 4)] for at in places]


def _queries(config: DictConfig, shown: int) -> list[Path]:
    """Some queries of the first test, evenly over all."""
    split = find_tests(config, make_data(config))[0].data.split
    return [split.query[place].path for place in evenly(range(len(split.query)), shown)]
