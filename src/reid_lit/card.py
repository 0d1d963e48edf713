"""``python -m reid_lit.card run=<folder>``: the model card of a run: data and their terms, scores, use and limits."""

from pathlib import Path

from omegaconf import DictConfig

from reid_lit.command.launch import launch
from reid_lit.errors import InputError, UserError
from reid_lit.run.folder import required_run


def card(config: DictConfig) -> None:
    """Write the model card of ``config.run``, as Markdown and as JSON, and print where, and what it does not say.

    Raises:
        ValueError: no run is named, or the attributes cannot be used.
        FileNotFoundError: the folder is no run's folder.
    """
    folder = required_run(config)
    # imported when work starts: a misspelt override is answered at once
    from rich.console import Console

    from reid_lit.cards.attributes import read_attributes
    from reid_lit.cards.card import SAID, make_card
    from reid_lit.cards.groups import Wanted
    from reid_lit.cards.model import measured

    if config.resamples < 1 or config.least_persons < 2:
        raise InputError(
            f"resamples={config.resamples} least_persons={config.least_persons}: give at least 1 and at least 2"
        )
    columns = list(config.columns) if config.columns else None
    tables = [read_attributes(Path(config.attributes).expanduser(), columns)] if config.attributes else []
    limits = {"least_persons": config.least_persons, "resamples": config.resamples}
    wanted = Wanted(attributes=tables, of=config.attributes_of or "", **limits)
    facts, why_not = None, "build=false"
    if config.build:
        try:
            facts, why_not = measured(folder, trust=config.trust), ""
        except UserError as error:
            why_not = str(error)
    said = {key: config[key] for key in SAID}
    made = make_card(folder, measured=facts, why_not=why_not, wanted=wanted, columns=columns, said=said)
    files = made.write(Path(config.output).expanduser() if config.output else folder / "card.md")
    console = Console()
    for sentence in made.content["missing"]:
        console.print(f"- {sentence}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"written: {', '.join(map(str, files))}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    launch(card, config_name="card", replay=False)
