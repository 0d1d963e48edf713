"""``python -m reid_lit.page run=<folder>``: the page of a run, one HTML file that needs no network."""

from pathlib import Path

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.run.folder import required_run


def page(config: DictConfig) -> None:
    """Write the page of ``config.run``; images that are not in it are in a folder next to it.

    Raises:
        ValueError: no run is named.
        FileNotFoundError: the folder holds no results.
    """
    folder = required_run(config)
    # imported when work starts: a misspelt override is answered at once
    from rich.console import Console

    from reid_lit.pages.run import run_page
    from reid_lit.pages.thumbnails import ThumbnailSize

    output = Path(config.output).expanduser() if config.output else folder / "page.html"
    size = ThumbnailSize(width=config.image.width, height=config.image.height, quality=config.image.quality)
    file = run_page(folder, output, size, embed=config.embed)
    megabytes = file.stat().st_size / 1e6
    text = f"{file} ({megabytes:.1f} MB) opens in any browser, without a network"
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    launch(page, config_name="page", replay=False)
