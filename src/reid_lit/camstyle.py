"""``python -m reid_lit.camstyle dataset=<option>``: a data set's images in the styles of its other cameras."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from reid_lit.command.launch import launch
from reid_lit.overrides import assignment
from reid_lit.wording import counted

if TYPE_CHECKING:
    from reid_lit.training.style_work import Work


def camstyle(config: DictConfig) -> None:
    """Train a translation between each pair of cameras of ``config.dataset``, write its images, and draw examples."""
    # imported when work starts: torch and Lightning take seconds
    from reid_lit.command.arithmetic import set_arithmetic
    from reid_lit.training.camera_styles import make_all
    from reid_lit.training.style_work import find_work

    set_arithmetic()
    work = find_work(config)
    if config.plan:
        _show_plan(work)
        return
    elsewhere = make_all(work)
    picture = _draw(work)
    console = Console()
    images, pairs = len(work.shots) * (len(work.cameras) - 1), len(work.pairs)
    if elsewhere:
        console.print(f"other processes train {', '.join(elsewhere)}", markup=False, soft_wrap=True)
    if left := [pair.name for pair in work.pairs if pair.name not in {*elsewhere} and pair in work.unfinished]:
        console.print(f"not done: {', '.join(left)}; pairs=all makes them", markup=False, soft_wrap=True)
    if not elsewhere and not left:
        fact = f"{work.folder}: {images:,} images by {counted(pairs, 'pair')} of cameras"
        words = f"model=camstyle {assignment('dataset.fakes', work.folder)}"
        console.print(f"{fact}; trained on by {words}", markup=False, soft_wrap=True)
    console.print(f"examples: {picture}", markup=False, soft_wrap=True)


def _show_plan(work: "Work") -> None:
    """Say what there is to do, in how many hours, and what it takes on the disk."""
    from reid_lit.training.style_plan import hours

    table = Table("cameras", "images", "epochs left", "hours", title=f"{work.name}: {work.folder}")
    for column in table.columns[1:]:
        column.justify = "right"
    total = 0.0
    for pair, epochs, each in hours(work):
        total += each
        table.add_row(pair.name, " + ".join(str(len(shots)) for shots in pair.shots), str(epochs), f"{each:.2f}")
    console = Console()
    console.print(table)
    images = len(work.shots) * (len(work.cameras) - 1)
    fact = (
        f"all pairs: about {total:.2f} hours on this machine, by one training step; {images:,} images of about"
        f" {work.needed_bytes() / 1e6:,.1f} MB"
    )
    console.print(fact, markup=False, soft_wrap=True)


def _draw(work: "Work") -> str:
    from reid_lit.data.fake_folder import GENERATORS
    from reid_lit.data.fakes import example_styles
    from reid_lit.figures.camera_styles import styles_sheet
    from reid_lit.figures.tiles import write_picture

    columns = example_styles(work.shots, work.folder, number=work.config.examples)
    sheet = styles_sheet(columns, cameras=work.cameras, title=f"{work.name}: images in the styles of its cameras")
    return str(write_picture(work.folder / GENERATORS / "examples.png", sheet))


if __name__ == "__main__":
    launch(camstyle, config_name="camstyle")
