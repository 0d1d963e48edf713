"""``python -m reid_lit.figure figure=<name>``: a figure of the papers, drawn from a config or from finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.errors import InputError
from reid_lit.paths import packaged, write_text, write_whole

if TYPE_CHECKING:
    from reid_lit.paper_figures.paper_figure import PaperFigure

_EXAMPLES = (
    "python -m reid_lit.figure figure=learning_rate +experiment=market_strong",
    "python -m reid_lit.figure figure=norms run=runs/market_strong/<time>",
)


def figure(config: DictConfig) -> None:
    """Draw ``config.figure`` into ``config.output``, write its numbers next to it, and log it where more than CSV logs.

    Without an override, list the figures.

    Raises:
        ValueError: no figure is chosen, but something else.
    """
    if config.get("figure") is None:
        figures = _figures()
        if HydraConfig.get().overrides.task:
            raise InputError(f"no figure is chosen; give figure=<name>, of {', '.join(figures)}")
        _say("figure=<name> draws one of", *(f"  {name:<15} {line}" for name, line in figures.items()), "", *_EXAMPLES)
        return
    # these import torch; the list of figures needs none
    from reid_lit.command.arithmetic import set_arithmetic
    from reid_lit.run.logged import check_loggers, log_figure

    set_arithmetic()
    check_loggers(config)
    name = HydraConfig.get().runtime.choices["figure"]
    drawing: PaperFigure = instantiate(config.figure, _convert_="all")(config)
    folder = Path(config.output).expanduser()
    picture = write_whole(folder / f"{name}.png", drawing.figure.savefig)
    numbers = json.dumps(drawing.numbers, indent=2, allow_nan=False)
    write_text(folder / f"{name}.json", numbers + "\n")
    log_figure(config, name, picture)
    _say(*drawing.lines, f"{folder} has {name}.png and {name}.json")


def _figures() -> dict[str, str]:
    """The options of ``figure``, and the first line of each file."""
    files = sorted((packaged("conf") / "figure").glob("*.yaml"))
    return {file.stem: file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for file in files}


def _say(*lines: str) -> None:
    from rich.console import Console

    for line in lines:
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    launch(figure, config_name="figure")
