"""The words of a matrix: data sets and methods, as overrides of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reid_lit.errors import InputError
from reid_lit.overrides import literal
from reid_lit.wording import unknown

_KEYS = ("says", "set", "start", "gives", "beside")
_COUNTED = {"cameras": 6, "clusters": 750, "iterations": 200}  # with an example of each


class MatrixError(InputError):
    """What is asked of a matrix cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDataset:
    """A data set under its name in a matrix.

    Attributes:
        name: Its name in the matrix.
        option: The option of ``dataset``.
        changes: The keys that differ from that option.
        counts: The number of its ``cameras``, of the ``clusters`` of its training images, and of a round's
            ``iterations``, as far as they are known.
    """

    name: str
    option: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def entry(self) -> Any:
        """Its entry in ``test_on`` or ``dataset.source``."""
        return {"dataset": self.option, **self.changes} if self.changes else self.option

    def chosen(self) -> list[str]:
        """The overrides that choose it as the data set of a run."""
        return [f"dataset={self.option}", *(f"dataset.{key}={literal(value)}" for key, value in self.changes.items())]

    def assigned(self, key: str) -> list[str]:
        """The overrides that put it in the place of a key, whose value may be a mapping."""
        return [f"~{key}", f"+{key}={literal(self.entry)}"] if self.changes else [f"{key}={self.option}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way from a source to a target.

    Attributes:
        name: Its name in the matrix.
        says: A description.
        overrides: The training's, with ``<source>`` and ``<target>``, and ``<target.cameras>`` or any other of their
            :attr:`NamedDataset.counts`.
        start: The method whose run it starts from.
        gives: The key that gets that run's folder.
        beside: The method that it is compared with.
    """

    name: str
    says: str
    overrides: tuple[str, ...]
    start: str | None = None
    gives: str | None = None
    beside: str | None = None

    @property
    def of_source(self) -> bool:
        """Whether it sees the source alone, so that one training serves all targets."""
        return not any("<target" in override for override in self.overrides)

    def filled(self, source: NamedDataset, target: NamedDataset) -> list[str]:
        """The overrides for a source and a target.

        Raises:
            MatrixError: a number of cameras, clusters or iterations is needed that is not known.
        """
        roles = {"source": source, "target": target}
        return [part for override in self.overrides for part in _filled(override, roles)]


def _filled(override: str, roles: Mapping[str, NamedDataset]) -> list[str]:
    key, _, value = override.partition("=")
    for role, dataset in roles.items():
        if value == f"<{role}>":
            return dataset.chosen() if key == "dataset" else dataset.assigned(key)
        for counted in _COUNTED:
            if f"<{role}.{counted}>" in value:
                override = override.replace(f"<{role}.{counted}>", str(_count(dataset, counted, override)))
    return [override]


def _count(dataset: NamedDataset, counted: str, override: str) -> int:
    if counted not in dataset.counts:
        raise MatrixError(
            f"{override}: how many {counted} has {dataset.name}? say so in conf/matrix.yaml, or on the command line:"
            f" '++sizes.<size>.datasets.{dataset.name}.{counted}={_COUNTED[counted]}'"
        )
    return dataset.counts[counted]


def read_datasets(
    words: Sequence[str], known: Mapping[str, Mapping[str, Any]], options: Sequence[str]
) -> list[NamedDataset]:
    """The data sets that words stand for.

    Args:
        words: Of the command line.
        known: The config's entries of some, by word.
        options: The options of ``dataset``, which are words too.

    Raises:
        MatrixError: there is no such data set, or it is named twice.
    """
    datasets = []
    for word in words:
        if word not in known and word not in options:
            raise MatrixError(unknown("data set", word, [*known, *options]))
        entry = dict(known.get(word) or {})
        counts = {counted: entry.pop(counted) for counted in _COUNTED if counted in entry}
        datasets.append(NamedDataset(name=word, option=entry.pop("dataset", word), changes=entry, counts=counts))
    if twice := [word for word in dict.fromkeys(words) if words.count(word) > 1]:
        raise MatrixError(f"{', '.join(twice)} stands twice in {', '.join(words)}; name each data set once")
    return datasets


def read_methods(known: Mapping[str, Mapping[str, Any]]) -> dict[str, Method]:
    """All methods, by name.

    Raises:
        MatrixError: one has no overrides, or starts from or is compared with one that does not stand before it.
    """
    methods: dict[str, Method] = {}
    for name, entry in known.items():
        methods[name] = _read_method(name, entry, methods)
    return methods


def _read_method(name: str, entry: Mapping[str, Any], earlier: Mapping[str, Method]) -> Method:
    if unread := set(entry) - set(_KEYS):
        raise MatrixError(f"method {name}: no key {', '.join(sorted(unread))}; it has {', '.join(_KEYS)}")
    start, gives, beside = (entry.get(key) for key in ("start", "gives", "beside"))
    if not entry.get("set") or (start is None) != (gives is None):
        raise MatrixError(f"method {name}: it needs set (overrides), and gives (a key) where it has a start")
    for other in (start, beside):
        if other is not None and other not in earlier:
            raise MatrixError(unknown(f"method before {name}", other, list(earlier)))
    if beside is None and start is not None:
        beside = earlier[start].beside or start
    says, overrides = entry.get("says", name), tuple(entry["set"])
    method = Method(name=name, says=says, overrides=overrides, start=start, gives=gives, beside=beside)
    if start is not None and method.of_source and not earlier[start].of_source:
        raise MatrixError(f"method {name}: it names no <target>, but {start}, which it starts from, does")
    return method


def chosen_methods(names: Sequence[str], known: Mapping[str, Method]) -> list[Method]:
    """The methods that are shown, each with the one that it is compared with before it.

    Raises:
        MatrixError: there is no such method.
    """
    shown: dict[str, Method] = {}
    for name in names:
        if name not in known:
            raise MatrixError(unknown("method", name, list(known)))
        method = known[name]
        if method.beside:
            shown.setdefault(method.beside, known[method.beside])
        shown.setdefault(name, method)
    return list(shown.values())
