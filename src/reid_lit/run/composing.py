"""The configs of other trainings, composed in a command and outside of one."""

import copy
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reid_lit.overrides import key_of
from reid_lit.paths import packaged
from reid_lit.run.moved_keys import present


@contextmanager
def composing() -> Iterator[None]:
    """Configs can be composed inside, in a command and outside of one."""
    if GlobalHydra.instance().is_initialized():
        yield
    else:
        with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
            yield


@functools.cache
def composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    """The config of an evaluation, which has all that one of a training has; interpolations left as they stand.

    Hydra takes 0.1 s for each. Configs that choose the same options are composed once, and the values set in copies.
    """
    overrides = tuple(present(overrides))
    choices = tuple(override for override in overrides if not _sets_value(override))
    values = [override for override in overrides if _sets_value(override)]
    if any(_is_about_a_value(override) for override in choices):
        config = _evaluation(overrides)  # Hydra adds and removes keys in the order of the command line
    else:
        config = _with_values(choices, values) or _evaluation(overrides)
    return OmegaConf.to_container(config, resolve=False)  # type: ignore[return-value]


def training_config(overrides: Sequence[str]) -> DictConfig | None:
    """The config of a training, its options under ``hydra.runtime.choices``; None where it does not compose."""
    with composing():
        try:
            return hydra.compose("train", overrides=present(overrides), return_hydra_config=True)
        except (HydraException, OmegaConfBaseException):
            return None


def chosen_option(group: str, overrides: Sequence[str]) -> str | None:
    """The option of a group that a training's overrides or their experiment choose; None where they do not compose."""
    config = training_config(overrides)
    return None if config is None else OmegaConf.select(config, f"hydra.runtime.choices.{group}")


def explained(error: HydraException) -> str:
    """Why something cannot be composed, with the cause that Hydra leaves out."""
    return f"{error} ({error.__cause__})" if error.__cause__ else str(error)


@functools.cache
def _evaluation(overrides: tuple[str, ...]) -> DictConfig:
    with composing():
        return hydra.compose("evaluate", overrides=list(overrides))


def _with_values(choices: tuple[str, ...], values: Sequence[str]) -> DictConfig | None:
    """The config of ``choices`` with ``values``; None where Hydra refuses one, which it explains better."""
    config = copy.deepcopy(_evaluation(choices))
    try:
        for override in OverridesParser.create().parse_overrides(list(values)):
            if override.is_sweep_override():
                return None
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    except (HydraException, OmegaConfBaseException):
        return None
    return config


def _sets_value(override: str) -> bool:
    """Whether an override gives a value to a key of the config."""
    return override[:1] not in "+~" and "=" in override and _is_about_a_value(override)


def _is_about_a_value(override: str) -> bool:
    """Whether an override is about a key of the config, not about a group or Hydra itself."""
    key = key_of(override)
    return "/" not in key and "@" not in key and key.split(".")[0] != "hydra" and key not in _groups()


@functools.cache
def _groups() -> frozenset[str]:
    folders = [folder for name in ("conf", "experiments") for folder in packaged(name).iterdir() if folder.is_dir()]
    return frozenset(folder.name for folder in folders)
