"""The modules of parts that have moved, so that the config of an older run is still read."""

from collections.abc import Mapping
from typing import Any

_BY_PACKAGE: dict[str, dict[str, tuple[str, ...]]] = {
    "reid_lit.data": {
        "reid_lit.data.feeding": ("loading", "samplers"),
        "reid_lit.data.sets": (
            *("csv_list", "cuhk03", "dukemtmc", "folder", "joint", "market1501", "msmt17", "plain", "synergy_sports"),
            *("synthetic", "transfer", "viper", "ward"),
        ),
        "reid_lit.data.transforms": ("color", "erasing", "geometry", "policy"),
    },
    "reid_lit.evaluation": {"reid_lit.evaluation.neighbours": ("expansion", "graph", "reciprocal", "search")},
}

MOVED = {
    "reid_lit.callbacks": "reid_lit.callbacks.training",
    "reid_lit.data.transforms": "reid_lit.data.transforms.transform",
    "reid_lit.loggers": "reid_lit.run.loggers",
    "reid_lit.pictures": "reid_lit.callbacks.pictures",
} | {
    f"{before}.{module}": f"{package}.{module}"
    for before, packages in _BY_PACKAGE.items()
    for package, modules in packages.items()
    for module in modules
}
"""The module of a ``_target_`` in configs that were written before it moved, and where it is now."""


_MODELS = "reid_lit.models."
_RECIPE = ("optimizer", "scheduler", "evaluation", "channels_last")
"""Keys of a model that are keys of its recipe now."""


def renamed(node: Any) -> Any:
    """A config with every ``_target_`` under its present name, and every key where it is now.

    >>> renamed({"model": {"_target_": "reid_lit.data.ward.Ward", "root": "/data"}})
    {'model': {'_target_': 'reid_lit.data.sets.ward.Ward', 'root': '/data'}}
    """
    if isinstance(node, Mapping):
        return _with_recipe(
            {key: _target(value) if key == "_target_" else renamed(value) for key, value in node.items()}
        )
    if isinstance(node, list):
        return [renamed(part) for part in node]
    return node


def _with_recipe(node: dict[str, Any]) -> dict[str, Any]:
    """A model's node whose recipe is one part; any other node as it is."""
    is_model = str(node.get("_target_", "")).startswith(_MODELS) and "backbone" in node
    if not is_model or "recipe" in node:
        return node
    recipe = {"_target_": f"{_MODELS}recipe.Recipe"} | {name: node[name] for name in _RECIPE}
    return {key: value for key, value in node.items() if key not in _RECIPE} | {"recipe": recipe}


def _target(name: Any) -> Any:
    module, _, part = str(name).rpartition(".")
    return f"{MOVED[module]}.{part}" if module in MOVED else name
