"""How a run differs from the recipe of its table: data set, GPUs, batch, weights, and whatever else was set."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_lit.run.identity import training_part

_FIRST = ("dataset", "test_on", "backbone", "loader", "sampler", "trainer", "transform")
_SHOWN = 12
_ELSEWHERE = ("root", "workers", "cache")  # where the data are and how they are fed changes no result
_REPEATED = ("loader", "sampler", "transform")  # a data set repeats these parts of the config


def differences(recipe: Mapping[str, Any], config: Mapping[str, Any], gpus: Sequence[str] | None) -> list[str]:
    """A line for each setting in which a run differs from the recipe, the weightiest first.

    Args:
        recipe: The composed config of the table's row, interpolations unresolved.
        config: The run's own config, resolved.
        gpus: The GPUs of the machine; None where that is not known.
    """
    expected, actual = _flat(_compared(recipe)), _flat(_compared(config))
    keys = sorted(
        (key for key in expected.keys() | actual.keys() if _differs(expected.get(key), actual.get(key))), key=_weight
    )
    lines = [f"{key}: {expected.get(key, 'none')} → {actual.get(key, 'none')}" for key in keys[:_SHOWN]]
    if len(keys) > _SHOWN:
        lines.append(f"and {len(keys) - _SHOWN} more settings")
    return [*(["no GPU"] if gpus is not None and not gpus else []), *lines]


def same_data(recipe: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a run was trained and tested on the data sets of the recipe, without limits.

    Args:
        recipe: The composed config of the table's row.
        config: The run's own config.
    """
    keys = ("dataset", "test_on")
    expected, actual = (_flat({key: source.get(key) for key in keys}) for source in (recipe, config))
    alike = not any(_differs(expected.get(key), actual.get(key)) for key in expected.keys() | actual.keys())
    trainer = config.get("trainer", {})
    return alike and not any(key.startswith("limit_") and trainer[key] for key in trainer)


def cut(stamps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why tests may not be of the whole data set, by their stamps; empty where all of them are known to be whole."""
    whole = {answer for stamp in stamps for answer in _answers(stamp.get("whole"))}
    if False in whole:
        return ["not tested on the whole data set: it has other images than its authors counted"]
    return ["the test is not known to be of the whole data set"] if None in whole else []


def _answers(whole: Any) -> list[Any]:
    """One answer, or that of each split where they differ."""
    return whole if isinstance(whole, list) else [whole]


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    if "callbacks" not in config or "loader" not in config:
        return dict(config)
    kept = {key: value for key, value in training_part(config).items() if key not in ("seed", "callbacks", "before")}
    if isinstance(kept.get("dataset"), Mapping):
        kept["dataset"] = {key: value for key, value in kept["dataset"].items() if key not in _REPEATED}
    return kept | {key: config[key] for key in ("test_on", "evaluation") if key in config}


def _differs(expected: Any, actual: Any) -> bool:
    if "${" in str(expected):  # resolved in the run
        return False
    return expected != actual and not (expected in (None, "none") and actual in (None, "none"))


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
