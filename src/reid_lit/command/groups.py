"""What ``--help`` lists as groups: those that a command line can choose from, read once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra._internal.hydra import Hydra
from hydra.core.object_type import ObjectType

_LIST = "format_config_groups"
CHOSEN_OTHERWISE = ("claims", "figure", "gallery_verb", "measured")
"""Folders that Hydra takes for groups: those of other commands, and results that are kept."""


@contextmanager
def listed() -> Iterator[None]:
    """Within it ``--help`` lists the options of each group as :func:`reid_lit.paths.options` does.

    Hydra copies all that it has read for each group, twice, which takes seconds, and lists every folder of YAML files.
    It has no public place where another list could be given.
    """
    before = getattr(Hydra, _LIST)
    setattr(Hydra, _LIST, _formatted)
    try:
        yield
    finally:
        setattr(Hydra, _LIST, before)


def _formatted(self: Any, predicate: Callable[[str], bool], compact: bool = True) -> str:
    """A line for each group that ``predicate`` asks for; a line for each of its options where not ``compact``."""
    _, known = self.config_loader._parse_overrides_and_create_caching_repo(None, [])
    between, start = (", ", " ") if compact else ("\n  ", "\n  ")
    return "".join(
        f"{group}:{start}{between.join(options)}\n" for group, options in sorted(_groups(known, predicate, ""))
    )


def _groups(known: Any, predicate: Callable[[str], bool], parent: str) -> Iterator[tuple[str, list[str]]]:
    for name in known.get_group_options(parent, ObjectType.GROUP):
        group = f"{parent}/{name}" if parent else name
        if group in CHOSEN_OTHERWISE or not predicate(group):
            continue
        options = [option for option in known.get_group_options(group, ObjectType.CONFIG) if option[0] != "_"]
        if options:
            yield group, sorted(options)
        yield from _groups(known, predicate, group)
