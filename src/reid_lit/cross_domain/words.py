"""What the words of a matrix stand for: data sets and methods, as overrides of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reid_lit.errors import InputError
from reid_lit.overrides import literal
from reid_lit.wording import unknown

_KEYS = ("says", "set", "start", "gives", "beside")
_COUNTED = {"cameras": 6, "clusters": 750}  # with an example of each


class MatrixError(InputError):
    """What is asked of a matrix cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A data set.

    Attributes:
        name: What the matrix calls it.
        option: The option of ``dataset``.
        changes: The keys that differ from that option.
        counts: Of its ``cameras``, and of the ``clusters`` that its training images are taken for; what nobody said is
            not in it.
    """

    name: str
    option: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def entry(self) -> Any:
        """It, as an entry of ``test_on`` or ``dataset.source``."""
        return {"dataset": self.option, **self.changes} if self.changes else self.option

    def chosen(self) -> list[str]:
        """The overrides that choose it as the data set of a run."""
        return [f"dataset={self.option}", *(f"dataset.{key}={literal(value)}" for key, value in self.changes.items())]

    def given(self, key: str) -> list[str]:
        """The overrides that give it to a key, in whose place a mapping may stand."""
        return [f"~{key}", f"+{key}={literal(self.entry)}"] if self.changes else [f"{key}={self.option}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way from a source to a target.

    Attributes:
        name: What the matrix calls it.
        says: What it is, in words.
        overrides: The training's, with ``<source>`` and ``<target>``, and ``<target.cameras>`` or any other of their
            :attr:`Domain.counts`.
        start: The method whose run it goes on from.
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

    def filled(self, domains: Mapping[str, Domain]) -> list[str]:
        """The overrides for a ``source`` and a ``target``.

        Raises:
            MatrixError: a number of cameras or clusters is needed that nobody said.
        """
        return [part for override in self.overrides for part in _filled(override, domains)]


def _filled(override: str, domains: Mapping[str, Domain]) -> list[str]:
    key, _, value = override.partition("=")
    for role, domain in domains.items():
        if value == f"<{role}>":
            return domain.chosen() if key == "dataset" else domain.given(key)
        for counted in _COUNTED:
            if f"<{role}.{counted}>" in value:
                override = override.replace(f"<{role}.{counted}>", str(_count(domain, counted, override)))
    return [override]


def _count(domain: Domain, counted: str, override: str) -> int:
    if counted not in domain.counts:
        raise MatrixError(
            f"{override}: how many {counted} has {domain.name}? say so in conf/matrix.yaml, or on the command line:"
            f" '++sizes.<size>.datasets.{domain.name}.{counted}={_COUNTED[counted]}'"
        )
    return domain.counts[counted]


def domains(words: Sequence[str], known: Mapping[str, Mapping[str, Any]], options: Sequence[str]) -> list[Domain]:
    """The data sets that words stand for.

    Args:
        words: Of the command line.
        known: What the config says of some, by word.
        options: The options of ``dataset``, which are words of their own.

    Raises:
        MatrixError: there is no such data set, or it is named twice.
    """
    found = []
    for word in words:
        if word not in known and word not in options:
            raise MatrixError(unknown("data set", word, [*known, *options]))
        said = dict(known.get(word) or {})
        counts = {counted: said.pop(counted) for counted in _COUNTED if counted in said}
        found.append(Domain(name=word, option=said.pop("dataset", word), changes=said, counts=counts))
    if twice := [word for word in dict.fromkeys(words) if words.count(word) > 1]:
        raise MatrixError(f"{', '.join(twice)} stands twice in {', '.join(words)}; name each data set once")
    return found


def read_methods(known: Mapping[str, Mapping[str, Any]]) -> dict[str, Method]:
    """All methods, by name.

    Raises:
        MatrixError: one lacks its overrides, goes on from none or from one that does not come before it.
    """
    methods: dict[str, Method] = {}
    for name, said in known.items():
        if unread := set(said) - set(_KEYS):
            raise MatrixError(f"method {name}: no key {', '.join(sorted(unread))}; it has {', '.join(_KEYS)}")
        start, beside = said.get("start"), said.get("beside")
        if not said.get("set") or (start is None) != (said.get("gives") is None):
            raise MatrixError(f"method {name}: it needs set (overrides), and gives (a key) where it has a start")
        for other in (start, beside):
            if other is not None and other not in methods:
                raise MatrixError(unknown(f"method before {name}", other, list(methods)))
        if beside is None and start is not None:
            beside = methods[start].beside or start
        method = Method(
            name=name, says=said.get("says", name), overrides=tuple(said["set"]), start=start, gives=said.get("gives"),
            beside=beside,
        )  # fmt: skip
        if start is not None and method.of_source and not methods[start].of_source:
            raise MatrixError(f"method {name}: it names no <target>, but {start}, which it goes on from, does")
        methods[name] = method
    return methods


def chosen_methods(names: Sequence[str], known: Mapping[str, Method]) -> list[Method]:
    """The methods that are asked for, each with the one that it is compared with before it.

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
