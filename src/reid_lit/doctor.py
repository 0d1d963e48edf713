"""``python -m reid_lit.doctor dataset=market1501 dataset.root=…``: what is wrong with a copy of a data set."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from reid_lit.checkup.diagnosis import Fact
from reid_lit.checkup.page import facts, show
from reid_lit.command.launch import launch
from reid_lit.paths import options, write_text

if TYPE_CHECKING:
    from reid_lit.data.base import ReidData


def doctor(config: DictConfig) -> None:
    """Examine the data set of ``config`` and this machine; print the result and write it to ``config.json``.

    Raises:
        SystemExit: something is wrong with the data set; the exit code is 1.
    """
    from hydra.utils import instantiate  # here, as below: --help does not wait for torch

    from reid_lit.checkup.examine import examine
    from reid_lit.run.datasets import make_data

    data = make_data(config)
    protocol = instantiate(config.evaluation)
    members = getattr(data, "members", (data,))
    diagnoses = [examine(member, protocol=protocol, others=partial(_others, config, member.root)) for member in members]
    machine_facts = _machine_facts(config, data)
    console = Console()
    for diagnosis in diagnoses:
        show(console, diagnosis)
    facts(console, "this machine", machine_facts)
    if config.json is not None:
        content = {
            "data_sets": [diagnosis.as_json() for diagnosis in diagnoses],
            "machine": {fact.name: fact.value for fact in machine_facts},
        }
        write_text(Path(config.json), json.dumps(content, indent=2) + "\n")
    if any(diagnosis.findings for diagnosis in diagnoses):
        raise SystemExit(1)


def _machine_facts(config: DictConfig, data: "ReidData") -> list[Fact]:
    from reid_lit.checkup.machine import machine, shared_memory
    from reid_lit.run.environment import environment
    from reid_lit.run.loggers import why_offline

    installed = environment()
    packages = [f"{name} {version}" for name, version in installed["packages"].items()]
    versions = ", ".join([f"Python {installed['python']}", *packages])
    name, weights = config.backbone.get("name", ""), str(config.backbone.get("weights"))
    facts = [*machine(name, weights, why_offline=why_offline()), shared_memory(data.loader, data.transform)]
    return [Fact(name="versions", value=versions), *facts]


def _others(config: DictConfig, root: Path) -> "Mapping[str, ReidData]":
    """Every other option of ``dataset``, pointed at ``root``."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from reid_lit.data.sets.plain import PlainImages
    from reid_lit.run.datasets import chosen, make_data, with_dataset

    readers: dict[str, ReidData] = {}
    for name in options("dataset"):
        if name != chosen():
            try:
                data = make_data(with_dataset(config, {"dataset": name, "root": str(root)}))
            except (HydraException, OmegaConfBaseException, OSError, ValueError, TypeError):
                continue  # it cannot be read from one folder
            if not isinstance(data, PlainImages):  # any folder of images can be read as these
                readers[name] = data
    return readers


if __name__ == "__main__":
    launch(doctor, config_name="doctor")
