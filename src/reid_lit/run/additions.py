"""Evaluation options that add to how a run is tested, such as thresholds, and keep its way of scoring."""

from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import OmegaConf

from reid_lit.overrides import assignment, key_of, value_of
from reid_lit.paths import options, packaged
from reid_lit.run.folder import SCORING


def with_additions(arguments: Sequence[str], own: Callable[[], str | None]) -> list[str]:
    """The arguments, a run's own evaluation option with the keys of an addition in place of the addition.

    ``evaluation=verification`` asks for thresholds. As an option of its own it stands on the Strong Baseline's scoring,
    by which a run of the softmax baseline would get another AP and lose its flip. An option that says how a ranking is
    scored (``standard``, ``softmax``, ``strong``) is left as it stands, and so is an addition to another addition.

    Args:
        arguments: Of a command line.
        own: Gives the run's evaluation option, None where it is not known; asked only for an addition.
    """
    name = next((value_of(argument) for argument in reversed(arguments) if key_of(argument) == "evaluation"), None)
    if name is None or name not in options("evaluation") or not is_addition(name):
        return list(arguments)
    option = own()
    if option not in options("evaluation") or is_addition(option):
        return list(arguments)
    usual = _file("standard")
    added = [
        assignment(f"{'' if key in usual else '++'}evaluation.{key}", value)  # a key that the usual ones lack is added
        for key, value in _keys_of(name).items()
    ]
    return [*added, *(argument for argument in arguments if key_of(argument) != "evaluation")]


def is_addition(name: str) -> bool:
    """Whether an option of ``evaluation`` leaves the scoring to the option that it extends.

    >>> is_addition("verification"), is_addition("strong")
    (True, False)
    """
    return not set(SCORING) & set(_file(name))


def _keys_of(name: str) -> dict[str, Any]:
    """What an addition says, with the additions that it extends."""
    file = _file(name)
    keys: Any = {}
    for parent in file.pop("defaults", ()):
        if isinstance(parent, str) and parent != "_self_" and is_addition(parent):
            keys = OmegaConf.merge(keys, _keys_of(parent))
    return OmegaConf.to_container(OmegaConf.merge(keys, file))  # type: ignore[return-value]


def _file(name: str) -> dict[str, Any]:
    return OmegaConf.to_container(OmegaConf.load(packaged("conf") / "evaluation" / f"{name}.yaml"))  # type: ignore[return-value]
