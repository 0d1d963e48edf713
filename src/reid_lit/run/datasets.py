"""Data sets from the config: the one that is trained on, those of ``test_on``, and those that another is made of."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from reid_lit.errors import InputError

if TYPE_CHECKING:  # a config is read without importing torch and Lightning
    from reid_lit.data.base import ReidData

ALL = "all"
"""The ``split_id`` that stands for every numbered split of a data set."""


def chosen() -> str:
    """The option of ``dataset`` that the run trains on; empty in a command that chooses none."""
    return HydraConfig.get().runtime.choices.get("dataset", "")


def make_data(config: DictConfig) -> ReidData:
    """The datamodule of ``config.dataset``, of its first split where it asks for several.

    Raises:
        ValueError: the data set has not such a split, or not all of these keys.
    """
    if (ids := split_ids(config)) is not None:
        config = with_split(config, ids[0])
    if "members" in config.dataset:
        config = _with_members(config)
    if "source" in config.dataset:
        config = _with_domains(config)
    return instantiate(config.dataset, _convert_="all")


def with_dataset(config: DictConfig, entry: str | Mapping[str, Any], *, own: bool = True) -> DictConfig:
    """The config with another data set, and everything else as this run chose.

    Args:
        config: The run's config.
        entry: An option of ``dataset``, or a mapping with ``dataset`` (without it: the run's own) and keys that differ
            from that option, such as ``{dataset: ward, root: /data/WARD}``.
        own: Whether the run's own option means the run's own data set, with all of its overrides.

    Raises:
        ValueError: the option has no such key.
    """
    choice = {"dataset": entry} if isinstance(entry, str) else dict(entry)
    name = choice.pop("dataset", chosen())
    base = config.dataset if own and name == chosen() else hydra.compose("train", [f"dataset={name}"]).dataset
    unknown = [key for key in choice if key not in base]
    if unknown:
        raise InputError(f"{entry}: dataset={name} has no {', '.join(unknown)} but {', '.join(map(str, base))}")
    return _changed(config, OmegaConf.merge(base, choice))


def split_ids(config: DictConfig) -> list[int] | None:
    """The numbered splits that ``config.dataset`` asks for; None when it asks for a single one.

    Raises:
        ValueError: the data set has no such split, or not all of these keys.
    """
    _check_keys(config)
    split_id = config.dataset.get("split_id")
    count = get_class(config.dataset["_target_"]).SPLITS  # type: ignore[attr-defined]
    if split_id == ALL:
        return list(range(count))
    ids = list(split_id) if isinstance(split_id, ListConfig) else [0 if split_id is None else split_id]
    if not ids or len(set(ids)) < len(ids) or any(not isinstance(k, int) or not 0 <= k < count for k in ids):
        raise InputError(
            f"dataset.split_id={split_id}: this data set has splits 0 to {count - 1}; give one, a list of"
            f" different ones such as [0,1,2], or all"
        )
    return ids if isinstance(split_id, ListConfig) else None


def _check_keys(config: DictConfig) -> None:
    """Refuse keys that an experiment meant for its own data set, where another one was chosen."""
    known = inspect.signature(get_class(config.dataset["_target_"])).parameters
    foreign = [str(key) for key in config.dataset if key not in known and key != "_target_"]
    if foreign:
        cure = " ".join(f"~dataset.{key}" for key in foreign)
        raise InputError(f"dataset={chosen()} has no {', '.join(foreign)}; add {cure}")


def with_split(config: DictConfig, split_id: int) -> DictConfig:
    """The config with one split chosen."""
    return _changed(config, OmegaConf.merge(config.dataset, {"split_id": split_id}))


def with_root(config: DictConfig, root: Path) -> DictConfig:
    """The config with the data set in another folder."""
    return _changed(config, OmegaConf.merge(config.dataset, {"root": str(root)}))


def members_of(config: DictConfig) -> list[DictConfig]:
    """The configs of the data sets that ``config.dataset`` is made of, each folder once; its own where it is one.

    Raises:
        ValueError: a member has not all of its keys.
    """
    dataset = config.dataset
    if "source" in dataset:
        source = dataset.source if isinstance(dataset.source, ListConfig) else [dataset.source]
        listed = [*source, dataset.target]
    elif "members" in dataset:
        listed = list(dataset.members)
    else:
        return [config]
    configs = (member for entry in listed for member in members_of(with_dataset(config, entry, own=False)))
    return list({_folder(member): member for member in configs}.values())


def _folder(config: DictConfig) -> tuple[str, ...]:
    """What a data set's folder depends on."""
    return tuple(str(config.dataset.get(key)) for key in ("root", "world", "size", "draw_seed"))


def _with_members(config: DictConfig) -> DictConfig:
    """The config with the configs of a joint data set's members in place of their names.

    Raises:
        ValueError: a member stands for several splits.
    """
    members = [_own(config, entry, "dataset.members") for entry in config.dataset.members]
    return _changed(config, OmegaConf.merge(config.dataset, {"members": members}))


def _with_domains(config: DictConfig) -> DictConfig:
    """The config with the configs of a transfer's source and target for their names; several sources are joined.

    Raises:
        ValueError: there is no source, more than one target, or one of them is a transfer or stands for several splits.
    """
    source, target = config.dataset.source, config.dataset.target
    if not source or not target or isinstance(target, ListConfig):
        raise InputError(
            f"dataset.source={source} dataset.target={target}: an adaptation has one source or more with labels, and"
            f" one target; give an option of dataset each, such as dataset.source=[dukemtmc,cuhk03]"
            f" dataset.target=market1501"
        )
    if isinstance(source, ListConfig):
        source = {"dataset": "joint", "members": source} if len(source) > 1 else source[0]
    dataset = copy.deepcopy(config.dataset)
    with open_dict(dataset):
        dataset.source = _own(config, source, "dataset.source")
        dataset.target = _own(config, target, "dataset.target")
    return _changed(config, dataset)


def _own(config: DictConfig, entry: str | Mapping[str, Any], key: str) -> Any:
    """The whole config of a data set that another one is made of.

    Raises:
        ValueError: it stands for several splits.
    """
    part = with_dataset(config, entry, own=False)
    if "source" in part.dataset:
        raise InputError(f"{key}: {entry} is a source and a target itself; name the data sets that it is made of")
    if split_ids(part) is not None:
        name = entry if isinstance(entry, str) else entry.get("dataset")
        raise InputError(f"{key}: {entry} stands for several splits; choose one: {{dataset: {name}, split_id: 0}}")
    return OmegaConf.to_container((_with_members(part) if "members" in part.dataset else part).dataset, resolve=True)


def _changed(config: DictConfig, dataset: Any) -> DictConfig:
    changed = copy.deepcopy(config)
    with open_dict(changed):
        changed.dataset = dataset
    return changed
