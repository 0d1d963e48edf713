"""Keys that a part got after trainings had been made with it, and the value by which it learns as it did before.

``conf/keys.yaml`` lists them. A training of that value keeps its name, and the config of an older run gets the key. It
lists the interpolations that were worded anew too: a training keeps the name that it has by the words of before.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import OmegaConf

from reid_lit.run.key_lists import key_lists


@functools.cache
def _added() -> dict[str, dict[str, Any]]:
    """By the ``_target_`` of the part."""
    return OmegaConf.to_container(key_lists().added)  # type: ignore[return-value]


@functools.cache
def _reworded() -> dict[str, str]:
    """The words of before by those of today."""
    return OmegaConf.to_container(key_lists().reworded)  # type: ignore[return-value]


def without_added(config: Any) -> Any:
    """A config without the keys that were added, where they have the value of before, and in the words of before.

    >>> without_added({"_target_": "reid_lit.models.embae.EmbAE", "stage": 2, "frozen_norms": True})
    {'_target_': 'reid_lit.models.embae.EmbAE', 'stage': 2}
    """
    return _parts(
        config,
        lambda node, added: {k: v for k, v in node.items() if not (k in added and v == added[k])},
        _reworded(),
    )


def with_added(config: Any) -> Any:
    """A config with all keys that were added, those that it lacks with the value of before.

    >>> with_added({"_target_": "reid_lit.models.embae.EmbAE", "stage": 2})["frozen_norms"]
    True
    """
    return _parts(config, lambda node, added: added | node)


def _parts(
    node: Any, change: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]], words: Mapping[str, str] = {}
) -> Any:
    """A config with every part that has added keys changed, and its texts replaced by ``words``."""
    if isinstance(node, list):
        return [_parts(each, change, words) for each in node]
    if not isinstance(node, Mapping):
        return words.get(node, node) if isinstance(node, str) else node
    inner = {key: _parts(value, change, words) for key, value in node.items()}
    added = _added().get(str(inner.get("_target_")))
    return change(inner, added) if added else inner
