"""How a run differs from the recipe of its table: data set, GPUs, batch, weights, and whatever else was set."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from reid_lit.run.identity import training_part

_FIRST = ("dataset", "test_on", "backbone", "loader", "sampler", "trainer", "transform")
_SHOWN = 12
_ELSEWHERE = ("root", "workers", "cache")  # where the data lie and how they are fed changes no result
_REPEATED = ("loader", "sampler", "transform")  # a data set holds what stands beside it already


def differences(recipe: Mapping[str, Any], config: Mapping[str, Any], gpus: Sequence[str] | None) -> list[str]:
    """A line for each thing in which a run differs from the recipe, the weightiest first.

    Args:
        recipe: The composed config of the table's row, interpolations left as they stand.
        config: The run's own config, resolved.
        gpus: The GPUs of the machine; None where that is not known.
    """
    wanted, found = _flat(_compared(recipe)), _flat(_compared(config))
    keys = sorted(
        (key for key in wanted.keys() | found.keys() if _differs(wanted.get(key), found.get(key))), key=_weight
    )
    lines = [f"{key}: {wanted.get(key, 'none')} → {found.get(key, 'none')}" for key in keys[:_SHOWN]]
    if len(keys) > _SHOWN:
        lines.append(f"and {len(keys) - _SHOWN} more settings")
    return [*(["no GPU"] if gpus is not None and not gpus else []), *lines]


def same_data(recipe: Mapping[str, Any], config: Mapping[str, Any], tested: str, stamp: Mapping[str, Any]) -> bool:
    """Whether a run was trained and tested on the data of the recipe, all of them.

    Args:
        recipe: The composed config of the table's row.
        config: The run's own config.
        tested: The data set of the row of results.
        stamp: How that was measured.
    """
    keys = ("dataset", "test_on")
    wanted, found = (_flat({key: source.get(key) for key in keys}) for source in (recipe, config))
    alike = not any(_differs(wanted.get(key), found.get(key)) for key in wanted.keys() | found.keys())
    limited = [key for key in config.get("trainer", {}) if key.startswith("limit_") and config["trainer"][key]]
    return alike and not limited and _is_whole(tested, stamp)


def _is_whole(tested: str, stamp: Mapping[str, Any]) -> bool:
    """Whether what was tested on has as many images as its authors counted, where they did."""
    module = f"reid_lit.data.sets.{tested}"
    official = getattr(import_module(module), "OFFICIAL", {}) if find_spec(module) else {}
    images = stamp.get("images", {})
    return not isinstance(images, Mapping) or all(
        images.get(part, official[part].images) == official[part].images
        for part in ("query", "gallery")
        if part in official
    )


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    if "callbacks" not in config or "loader" not in config:
        return dict(config)
    kept = {key: value for key, value in training_part(config).items() if key not in ("seed", "callbacks", "before")}
    if isinstance(kept.get("dataset"), Mapping):
        kept["dataset"] = {key: value for key, value in kept["dataset"].items() if key not in _REPEATED}
    return kept | {key: config[key] for key in ("test_on", "evaluation") if key in config}


def _differs(wanted: Any, found: Any) -> bool:
    if "${" in str(wanted):  # resolved in the run
        return False
    return wanted != found and not (wanted in (None, "none") and found in (None, "none"))


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves by their dotted keys."""
    if isinstance(node, Mapping) and node:
        return {
            key: value
            for name, child in node.items()
            if name not in _ELSEWHERE
            for key, value in _flat(child, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: node}


def _weight(key: str) -> tuple[int, str]:
    group = key.split(".")[0]
    return (_FIRST.index(group) if group in _FIRST else len(_FIRST), key)
