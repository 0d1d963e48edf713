"""What was meant by a word of the command line that Hydra does not know."""

from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from reid_lit.paths import options, packaged
from reid_lit.wording import near


def near_names(arguments: list[str], *, config_name: str) -> list[str]:
    """A line for each argument that names no group, option or key, with the names that are near.

    Args:
        arguments: The command line, without the program.
        config_name: The primary config in ``conf/``.
    """
    given = [a for a in arguments if "=" in a and not a.startswith(("-", "hydra"))]
    pairs = [a.lstrip("+~").partition("=")[::2] for a in given]
    added = {a.lstrip("+").partition("=")[0] for a in given if a.startswith("+")}  # a key of the user's own
    conf = packaged("conf")
    groups = [folder.relative_to(conf).as_posix() for folder in conf.glob("**/") if folder != conf]
    lines, choices = [], []
    for key, value in pairs:
        if key in groups:
            known = options(key)
            wrong = [v for v in value.strip("[]").split(",") if v not in (*known, "null")]
            lines += [_line(f"{key}={v}", v, known) for v in wrong]
            choices += [] if wrong or "," in value else [f"+{key}={value}" if key == "experiment" else f"{key}={value}"]
    config = _compose(config_name, choices)
    if config is not None:
        keys = [key for key, _ in pairs if key not in groups and key not in added]
        lines += [line for key in keys if (line := _misspelt(config, key, groups))]
    return lines


def _compose(config_name: str, choices: list[str]) -> DictConfig | None:
    try:
        with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
            return hydra.compose(config_name, overrides=choices)
    except HydraException:
        return None


def _misspelt(config: DictConfig, key: str, groups: list[str]) -> str:
    """The line for a key that the config lacks; empty when it has it."""
    node: Any = OmegaConf.to_container(config, resolve=False)
    for depth, part in enumerate(parts := key.split(".")):
        if not isinstance(node, dict):
            return ""
        if part not in node:
            known = sorted({str(k) for k in node} | set(groups if depth == 0 else []))
            return _line(key, part, known, ".".join(parts[:depth]))
        node = node[part]
    return ""


def _line(given: str, word: str, known: list[str], place: str = "") -> str:
    where = f" in {place}" if place else ""
    return f"{given}: no {word!r}{where}; {near(word, known)}"
