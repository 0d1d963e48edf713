"""Keys and options of the command line that have moved: an override with an old name is read as one with the new name.

That holds for words that are typed, and for the overrides of earlier runs, tables and files of embeddings.
"""

import logging
from collections.abc import Iterator, Sequence

from reid_lit.overrides import key_of, value_of

_log = logging.getLogger(__name__)

KEYS = {
    "loader.cache": "machine.cache",
    "loader.test_batch_size": "machine.test_batch_size",
    "loader.workers": "machine.workers",
    "model.channels_last": "model.recipe.channels_last",
    "trainer.accelerator": "machine.accelerator",
    "trainer.devices": "machine.devices",
    "trainer.enable_model_summary": "machine.model_summary",
    "trainer.enable_progress_bar": "machine.progress_bar",
    "trainer.num_nodes": "machine.num_nodes",
    "trainer.strategy": "machine.strategy",
}
"""Old keys and new ones."""

OPTIONS = {
    "trainer=cpu": ("trainer=cpu", "machine=cpu"),
    "trainer=ddp": ("trainer=default", "machine=ddp"),
    "trainer=default": ("trainer=default", "machine=default"),
    "trainer=gpu": ("trainer=gpu", "machine=gpu"),
}
"""Options that said more than they do now, and what says it now; an override of the same group wins over the second."""


def present(overrides: Sequence[str]) -> list[str]:
    """Overrides under their present names.

    >>> present(["+experiment=duke_hrnet", "trainer=ddp", "+trainer.num_nodes=2", "loader.workers=8"])
    ['+experiment=duke_hrnet', 'trainer=default', 'machine=ddp', 'machine.num_nodes=2', 'machine.workers=8']
    >>> present(["trainer=gpu", "machine=ddp"])
    ['trainer=gpu', 'machine=ddp']
    """
    return [word for _, words in _pairs(overrides) for word in words]


def typed(overrides: Sequence[str]) -> list[str]:
    """As :func:`present`, with a logged line for each override that has moved."""
    for override, words in _pairs(overrides):
        if words != [override]:
            _log.warning("%s is now %s", override, " ".join(words))
    return present(overrides)


def _pairs(overrides: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each override, and those that it is read as."""
    keys = {key_of(override) for override in overrides}
    for override in overrides:
        first, *more = _present(override)
        yield override, [first, *(word for word in more if key_of(word) not in keys)]


def _present(override: str) -> tuple[str, ...]:
    key = KEYS.get(key_of(override))
    if key is None or override.startswith("~"):
        return OPTIONS.get(override, (override,))
    plus = "++" if override.startswith("++") else ""  # a key that is there cannot be added by a single one
    return (f"{plus}{key}={value_of(override)}",)
