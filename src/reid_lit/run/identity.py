"""Whether two trainings are the same one: the composed config, without what changes no weight."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from reid_lit.overrides import key_of
from reid_lit.run.added_keys import without_added
from reid_lit.run.composing import composed
from reid_lit.run.key_lists import key_lists


@functools.cache
def keys(kind: str) -> tuple[str, ...]:
    """The keys of one list of ``conf/keys.yaml``, such as ``learnt`` or ``stages.takes``."""
    return tuple(OmegaConf.select(key_lists(), kind))


def training_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a composed config decides the weights: all but the keys that ``conf/keys.yaml`` names for something else.

    Keys that were added are left out where they have the value of before.

    >>> training_part({"seed": 1, "machine": {"workers": 0}, "callbacks": {"pictures": {}, "health": {}}})
    {'seed': 1, 'callbacks': {'health': {}}}
    """
    others = {*keys("tested"), *keys("around"), *keys("own")}
    kept = {key: without_added(value) for key, value in config.items() if key not in others}
    for group, _, key in (name.partition(".") for name in others if "." in name):
        if isinstance(kept.get(group), Mapping):
            kept[group] = {name: value for name, value in kept[group].items() if name != key}
    return kept


def training_hash(config: Mapping[str, Any], seed: int) -> str:
    """The name of a training: the same for all rows and tables that it serves."""
    return _hash(training_part(config) | {"seed": seed} | _starts(config))


def _starts(config: Mapping[str, Any]) -> dict[str, Any]:
    """The stages before a training, without the overrides that it passes to them."""
    entries = {name: dict(entry) for name, entry in (config.get("before") or {}).items() if isinstance(entry, Mapping)}
    for entry in entries.values():
        stage = composed((f"+experiment={entry.get('experiment')}", *(entry.get("overrides") or [])))
        entry["config"] = training_part(stage) | _starts(stage)
    return {"before": entries} if entries else {}


def evaluation_hash(config: Mapping[str, Any]) -> str:
    """The name of an evaluation of some weights."""
    content = {key: config[key] for key in (*keys("tested"), "dataset", "transform") if key in config}
    content |= {"evaluation": without_added(config["evaluation"])} if "evaluation" in config else {}
    return _hash(content | {"dataset": training_part(config)["dataset"]} if "dataset" in config else content)


def is_of(kind: str, override: str) -> bool:
    """Whether an override is for a key of this list of ``conf/keys.yaml``, or for one below.

    >>> is_of("around", "machine.workers=0"), is_of("tested", "evaluation/search=flat"), is_of("around", "seed=1")
    (True, True, False)
    """
    key = key_of(override).replace("/", ".")
    return any(key == name or key.startswith(f"{name}.") for name in keys(kind))


def without_evaluation(overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that a training is started with: what it is tested by is left to its experiment."""
    return tuple(override for override in overrides if not is_of("tested", override))


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
