"""``python -m reid_lit.page run=<folder>``: the page of a run, one HTML file that needs no network."""

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from reid_lit.entry import launch
from reid_lit.pages.run import run_page
from reid_lit.pages.thumbnails import Size


def page(config: DictConfig) -> None:
    """Write the page of ``config.run``; images that are not in it lie beside it."""
    if OmegaConf.is_missing(config, "run"):
        sys.exit("no run is named; give run=<folder of a finished run or evaluation>")
    folder = Path(config.run)
    output = Path(config.output).expanduser() if config.output else folder / "page.html"
    size = Size(width=config.image.width, height=config.image.height, quality=config.image.quality)
    try:
        file = run_page(folder, output, size, embed=config.embed)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    megabytes = file.stat().st_size / 1e6
    text = f"{file} ({megabytes:.1f} MB) opens in any browser, without a network"
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    launch(page, config_name="page", replay=False)
