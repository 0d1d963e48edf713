"""The data sets that a run learnt from, by their terms."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

_TABLE = Path(__file__).with_name("terms.yaml")
_UNKNOWN = {
    "source": "not known to reid_lit",
    "page": None,
    "people": "not known to reid_lit",
    "terms": "not known to reid_lit; see its authors' page",
    "status": "unknown",
    "note": None,
}


@dataclass(frozen=True, slots=True)
class Used:
    """A data set and what it was used for.

    Attributes:
        name: As in ``dataset=``.
        role: ``trained on``, with what is to be said of it.
    """

    name: str
    role: str


def terms_of(name: str) -> dict[str, Any]:
    """The entry of ``terms.yaml`` for a data set; one that says that nothing is known for any other.

    >>> terms_of("viper_a_to_b")["title"], terms_of("mall")["title"], terms_of("mall")["status"]
    ('VIPeR', 'mall', 'unknown')

    Args:
        name: An option of ``dataset``, or the name of a row of results.
    """
    known = [key for key in _table() if name == key or name.startswith(f"{key}_")]
    return dict(_table()[max(known, key=len)]) if known else {"title": name} | _UNKNOWN


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    return cast(dict[str, dict[str, Any]], OmegaConf.to_container(OmegaConf.load(_TABLE)))


def trained_sets(dataset: Mapping[str, Any]) -> list[Used]:
    """The data sets of a training, and the role of each.

    >>> trained_sets({"source": ["cuhk03"], "target": {"dataset": "ward"}})
    [Used(name='cuhk03', role='trained on'), Used(name='ward', role='adapted to, without its persons')]

    Args:
        dataset: The config's ``dataset``.
    """
    if "source" in dataset and "target" in dataset:
        sources = [Used(name, "trained on") for name in _names(dataset["source"])]
        return [*sources, *(Used(name, "adapted to, without its persons") for name in _names(dataset["target"]))]
    if "members" in dataset:
        return [Used(name, "trained on") for name in _names(dataset["members"])]
    return [Used(name, "trained on") for name in _names(dataset)]


def _names(chosen: Any) -> Iterator[str]:
    """The options that a source, a target or the members of a data set name."""
    if isinstance(chosen, str):
        yield chosen
    elif isinstance(chosen, Mapping):
        name = str(chosen["dataset"]) if "dataset" in chosen else _of_target(str(chosen.get("_target_", "")))
        yield f"{name}_{chosen['world']}" if name == "synthetic" and "world" in chosen else name
    elif isinstance(chosen, Sequence):
        for each in chosen:
            yield from _names(each)


def _of_target(target: str) -> str:
    """What stands for a data set in the table, by its class: the name of its module."""
    module = target.rpartition(".")[0].rpartition(".")[2]
    return {"csv_list": "csv", "plain": "images"}.get(module, module) or "unknown"
