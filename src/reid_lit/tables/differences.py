"""How a run differs from the recipe of its table: data set, GPUs, batch, weights, and whatever else was set."""

from collections.abc import Mapping, Sequence
from typing import Any

from reid_lit.run.identity import keys, training_part

_FIRST = ("dataset", "test_on", "backbone", "loader", "sampler", "trainer", "transform")
_SHOWN = 12
_NOTHING = {"None", "none"}
_PLACE = "root"  # where data are changes no result


def differences(recipe: Mapping[str, Any], config: Mapping[str, Any], gpus: Sequence[str] | None) -> list[str]:
    """A line for each setting in which a run differs from the recipe, the weightiest first.

    Args:
        recipe: The composed config of the table's row, interpolations unresolved.
        config: The run's own config, resolved.
        gpus: The GPUs of the machine; None where that is not known.
    """
    apart = _apart(_compared(recipe), _compared(config))
    lines = [f"{key}: {expected} → {actual}" for key, (expected, actual) in list(apart.items())[:_SHOWN]]
    if len(apart) > _SHOWN:
        lines.append(f"and {len(apart) - _SHOWN} more settings")
    return [*(["no GPU"] if gpus is not None and not gpus else []), *lines]


def same_data(recipe: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a run was trained and tested on the data sets of the recipe, without limits.

    Args:
        recipe: The composed config of the table's row.
        config: The run's own config.
    """
    expected, actual = ({key: source.get(key) for key in ("dataset", "test_on")} for source in (recipe, config))
    trainer = config.get("trainer", {})
    return not _apart(expected, actual) and not any(key.startswith("limit_") and trainer[key] for key in trainer)


def by_seed(values: Mapping[int, str]) -> str:
    """A value that all seeds share, or each with its seeds.

    >>> by_seed({0: "H100", 1: "H100"}), by_seed({0: "H100", 1: "no GPU", 2: "H100"})
    ('H100', 'H100 (seeds 0, 2); no GPU (seed 1)')
    """
    groups: dict[str, list[int]] = {}
    for seed, value in values.items():
        groups.setdefault(value, []).append(seed)
    if len(groups) < 2:
        return next(iter(groups), "")
    return "; ".join(
        f"{value or 'not known'} ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))})"
        for value, seeds in groups.items()
    )


def cut(stamps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why tests may not be of the whole data set, by their stamps; empty where all of them are known to be whole."""
    whole = {answer for stamp in stamps for answer in _answers(stamp.get("whole"))}
    if False in whole:
        return ["not tested on the whole data set: it has other images than its authors counted"]
    return ["the test is not known to be of the whole data set"] if None in whole else []


def tested_whole(stamp: Mapping[str, Any]) -> bool:
    """Whether a test is of the whole data set, in each of its splits; so it is where the stamp does not say."""
    return all(_answers(stamp.get("whole", True)))


def _answers(whole: Any) -> list[Any]:
    """One answer, or that of each split where they differ."""
    return whole if isinstance(whole, list) else [whole]


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    if "callbacks" not in config or "loader" not in config:
        return dict(config)
    kept = {key: value for key, value in training_part(config).items() if key not in ("seed", "callbacks", "before")}
    tested = {key: config[key] for key in ("test_on", "evaluation") if key in config}
    return kept | tested | {"machine": _machine(config)}


def _machine(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the machine that a report shows; none of a run that was made before there was this group."""
    names = [name.removeprefix("machine.") for name in keys("reported")]
    return {name: config["machine"][name] for name in names if name in config.get("machine", {})}


def _apart(recipe: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The leaves that differ, with both values, the weightiest first.

    An interpolation of the recipe is resolved in the run. It repeats another key, which is compared there.
    """
    expected, actual = _flat(recipe), _flat(config)
    resolved = tuple(key for key, value in expected.items() if "${" in str(value))
    below = tuple(f"{key}." for key in resolved)
    names = [key for key in expected.keys() | actual.keys() if key not in resolved and not key.startswith(below)]
    pairs = {key: (expected.get(key, "none"), actual.get(key, "none")) for key in sorted(names, key=_weight)}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1] and not set(map(str, pair)) <= _NOTHING}


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves by their dotted keys."""
    if isinstance(node, Mapping) and node:
        return {
            key: value
            for name, child in node.items()
            if name != _PLACE
            for key, value in _flat(child, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: node}


def _weight(key: str) -> tuple[int, str]:
    group = key.split(".")[0]
    return (_FIRST.index(group) if group in _FIRST else len(_FIRST), key)
