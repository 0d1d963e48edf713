"""``python -m reid_lit.doctor dataset=market1501 dataset.root=…``: what is wrong with a copy of a data set."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from reid_lit.checkup.diagnosis import Fact
from reid_lit.checkup.examine import examine
from reid_lit.checkup.machine import machine
from reid_lit.checkup.page import facts, show
from reid_lit.command.launch import launch
from reid_lit.data.base import ReidData
from reid_lit.data.sets.plain import PlainImages
from reid_lit.paths import packaged, write_text
from reid_lit.run.datasets import chosen, make_data, with_dataset
from reid_lit.run.environment import environment
from reid_lit.run.loggers import why_offline


def doctor(config: DictConfig) -> None:
    """Examine the data set of ``config`` and this machine, print what was found, and write it to ``config.json``.

    Raises:
        SystemExit: something is wrong with the data set; the exit code is 1.
    """
    data = make_data(config)
    protocol = instantiate(config.evaluation)
    members = getattr(data, "members", (data,))
    diagnoses = [examine(one, protocol=protocol, others=partial(_others, config, one.root)) for one in members]
    surroundings = _surroundings(config)
    console = Console()
    for diagnosis in diagnoses:
        show(console, diagnosis)
    facts(console, "this machine", surroundings)
    if config.json is not None:
        content = {
            "data_sets": [diagnosis.as_json() for diagnosis in diagnoses],
            "machine": {fact.name: fact.value for fact in surroundings},
        }
        write_text(Path(config.json), json.dumps(content, indent=2) + "\n")
    if any(diagnosis.findings for diagnosis in diagnoses):
        raise SystemExit(1)


def _surroundings(config: DictConfig) -> list[Fact]:
    now = environment()
    packages = [f"{name} {version}" for name, version in now["packages"].items()]
    versions = ", ".join([f"Python {now['python']}", *packages])
    name, weights = config.backbone.get("name", ""), str(config.backbone.get("weights"))
    return [Fact(name="versions", value=versions), *machine(name, weights, why_offline=why_offline())]


def _others(config: DictConfig, root: Path) -> Mapping[str, ReidData]:
    """Every other option of ``dataset``, pointed at ``root``."""
    found = {}
    for name in sorted(file.stem for file in (packaged("conf") / "dataset").glob("*.yaml")):
        if name != chosen():
            try:
                data = make_data(with_dataset(config, {"dataset": name, "root": str(root)}))
            except (HydraException, OmegaConfBaseException, OSError, ValueError, TypeError):
                continue  # it is not read from one folder
            if not isinstance(data, PlainImages):  # which any folder of images would be
                found[name] = data
    return found


if __name__ == "__main__":
    launch(doctor, config_name="doctor")
