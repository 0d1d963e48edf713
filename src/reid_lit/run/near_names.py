"""What was meant by a word of the command line that Hydra does not know."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import OmegaConf

from reid_lit.overrides import key_of, value_of
from reid_lit.paths import options, packaged
from reid_lit.run.composing import composing
from reid_lit.wording import near


def near_names(arguments: list[str], *, config_name: str) -> list[str]:
    """A line for each argument that names no group, option or key, with the names that are near.

    Args:
        arguments: The command line, without the program.
        config_name: The primary config in ``conf/``.
    """
    overrides = [word for word in arguments if "=" in word and not word.startswith(("-", "hydra"))]
    overrides += [f"{word}=" for word in arguments if word.startswith("~") and "=" not in word]
    added = {key_of(override) for override in overrides if override.startswith("+")}  # keys of the user's own
    groups = _groups()
    lines = [
        _line(f"{key_of(override)}={word}", word, options(key_of(override)))
        for override in overrides
        if key_of(override) in groups and not override.startswith("~")
        for word in _wrong_options(override)
    ]
    keys = {key_of(override): override for override in overrides if key_of(override) not in {*groups, *added}}
    config = _composed(config_name, _choices(overrides, groups))
    if config is not None:
        lines += [line for key in keys for line in _misspelt(config, key, groups)]
        lines += [line for key, override in keys.items() for line in _merged(config, key, value_of(override))]
    return lines


def default_of(key: str, arguments: list[str], *, config_name: str) -> Any:
    """The value that a key has by the options of a command line; None where there is no such key."""
    return _at(_composed(config_name, _choices(arguments, _groups())), key)


def _at(config: Any, key: str) -> Any:
    """What a config has under a dotted key; None where it has nothing."""
    for name in key.split("."):
        config = config.get(name) if isinstance(config, dict) else None
    return config


def _choices(overrides: Iterable[str], groups: Collection[str]) -> list[str]:
    """Those of some overrides that choose an option that there is, as Hydra takes them."""
    chosen = [override for override in overrides if "=" in override and key_of(override) in groups]
    return [_choice(each) for each in chosen if each[0] != "~" and not _wrong_options(each) and "," not in each]


def _groups() -> list[str]:
    """The groups of options, such as ``dataset`` and ``evaluation/search``."""
    conf = packaged("conf")
    return [folder.relative_to(conf).as_posix() for folder in conf.glob("**/") if folder != conf]


def _wrong_options(override: str) -> list[str]:
    """The words of an override that are none of the options of its group."""
    known = options(key_of(override))
    return [word for word in value_of(override).strip("[]").split(",") if word not in known]


def _choice(override: str) -> str:
    """The override as Hydra takes it: an experiment is added, an option of another group replaces the default."""
    choice = f"{key_of(override)}={value_of(override)}"
    return f"+{choice}" if key_of(override) == "experiment" else choice


def _composed(config_name: str, choices: list[str]) -> Any:
    """The config of some choices, as plain mappings and lists; None where they cannot be composed."""
    try:
        with composing():
            return OmegaConf.to_container(hydra.compose(config_name, overrides=choices), resolve=False)
    except HydraException:
        return None


def _misspelt(config: Any, key: str, groups: Iterable[str]) -> Iterator[str]:
    """The line for a key that the config lacks."""
    words = key.split(".")
    node = config
    for depth, word in enumerate(words):
        if not isinstance(node, dict):
            return
        if word not in node:
            known = {str(name) for name in node} | set(groups if depth == 0 else ())
            yield _line(key, word, sorted(known), ".".join(words[:depth]))
            return
        node = node[word]


def _merged(config: Any, key: str, value: str) -> Iterator[str]:
    """The line for a mapping that is to replace another one: Hydra puts its keys among those that are there."""
    node = _at(config, key)
    if isinstance(node, dict) and value.startswith("{"):
        given = re.findall(r"[{,]\s*(\w+)\s*:", value)
        if foreign := [name for name in given if name not in node]:
            yield (
                f"{key}={value}: {key} has no {', '.join(foreign)} but {', '.join(map(str, node))}; to put this in its"
                f" place write '~{key}' {shlex.quote(f'+{key}={value}')}"
            )


def _line(argument: str, word: str, known: list[str], place: str = "") -> str:
    where = f" in {place}" if place else ""
    return f"{argument}: no {word!r}{where}; {near(word, known)}"
