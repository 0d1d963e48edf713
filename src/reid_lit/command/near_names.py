"""What was meant by a word of the command line that Hydra does not know."""

from collections.abc import Iterable, Iterator
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import OmegaConf

from reid_lit.overrides import key_of, value_of
from reid_lit.paths import options, packaged
from reid_lit.wording import near


def near_names(arguments: list[str], *, config_name: str) -> list[str]:
    """A line for each argument that names no group, option or key, with the names that are near.

    Args:
        arguments: The command line, without the program.
        config_name: The primary config in ``conf/``.
    """
    overrides = [word for word in arguments if "=" in word and not word.startswith(("-", "hydra"))]
    added = {key_of(override) for override in overrides if override.startswith("+")}  # keys of the user's own
    groups = _groups()
    lines, choices, keys = [], [], []
    for override in overrides:
        key = key_of(override)
        if key in groups:
            wrong = _wrong_options(override)
            lines += [_line(f"{key}={word}", word, options(key)) for word in wrong]
            if not wrong and "," not in value_of(override):
                choices.append(_choice(override))
        elif key not in added:
            keys.append(key)
    config = _composed(config_name, choices)
    if config is not None:
        lines += [line for key in keys for line in _misspelt(config, key, groups)]
    return lines


def _groups() -> list[str]:
    """The groups of options, such as ``dataset`` and ``evaluation/search``."""
    conf = packaged("conf")
    return [folder.relative_to(conf).as_posix() for folder in conf.glob("**/") if folder != conf]


def _wrong_options(override: str) -> list[str]:
    """The words of an override that are none of the options of its group."""
    known = {*options(key_of(override)), "null"}
    return [word for word in value_of(override).strip("[]").split(",") if word not in known]


def _choice(override: str) -> str:
    """The override as Hydra takes it: an experiment is added, an option of another group replaces the default."""
    choice = f"{key_of(override)}={value_of(override)}"
    return f"+{choice}" if key_of(override) == "experiment" else choice


def _composed(config_name: str, choices: list[str]) -> Any:
    """The config of some choices, as plain mappings and lists; None where they cannot be composed."""
    try:
        with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
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


def _line(argument: str, word: str, known: list[str], place: str = "") -> str:
    where = f" in {place}" if place else ""
    return f"{argument}: no {word!r}{where}; {near(word, known)}"
