"""A matrix as a table: a row for each method and source, a label for each target."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import HydraException

from reid_lit.overrides import assignment, merged
from reid_lit.run.composing import composed
from reid_lit.tables.jobs import Place
from reid_lit.tables.matrix.words import MatrixError, Method, NamedDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRequest:
    """What the command line of a matrix asks for.

    Attributes:
        sources: Data sets with labels.
        targets: Data sets to test on.
        methods: Those shown, in order.
        known: All methods, by name.
        seeds: Of each training.
        overrides: Of every training and its test, after the method's own.
        missing: Why a data set cannot be had, by its name.
    """

    sources: Sequence[NamedDataset]
    targets: Sequence[NamedDataset]
    methods: Sequence[Method]
    known: Mapping[str, Method]
    seeds: Sequence[int]
    overrides: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    def pairs(self, method: Method) -> Iterator[tuple[NamedDataset, NamedDataset]]:
        """Every source with every target; a data set with itself only where the method sees the source alone."""
        for source in self.sources:
            for target in self.targets:
                if source != target or method.of_source:
                    yield source, target

    def reason(self, source: NamedDataset, target: NamedDataset) -> str:
        """Why there is no number from a source to a target; empty where there can be one."""
        return "; ".join(dict.fromkeys(self.missing[d.name] for d in (source, target) if d.name in self.missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """A number of the matrix: a method, from a source to a target.

    Attributes:
        method: The method.
        source: What it is trained on.
        target: What it is tested on.
        places: Where its scores come from, a place for each seed; none where a data set is missing.
        reason: Why there are none.
    """

    method: Method
    source: NamedDataset
    target: NamedDataset
    places: Sequence[Place]
    reason: str = ""

    @property
    def kind(self) -> str:
        """``supervised`` (it has the target's own labels), ``direct`` or ``adapted``."""
        if self.source == self.target:
            return "supervised"
        return "direct" if self.method.of_source else "adapted"


def table_of(request: MatrixRequest, title: str) -> dict[str, Any]:
    """The table that a matrix is run as; see :func:`reid_lit.tables.spec.cells`.

    Args:
        request: What is asked for.
        title: Of the table.

    Raises:
        MatrixError: a method's overrides cannot be composed.
    """
    shown = [method.name for method in request.methods]
    stages = [method for method in request.known.values() if method.name not in shown]
    labels = {target.name: {"evaluate": [_tested_on(target)]} for target in request.targets}
    return {
        "title": title,
        "base": [],
        "own_test": True,
        "across": {"target": labels, "seed": list(request.seeds)},
        "rows": [row for method in request.methods for row in _rows(request, method)],
        "stages": [row for method in stages if method.name in _started(request) for row in _rows(request, method)],
    }


def _started(request: MatrixRequest) -> set[str]:
    """The methods whose runs the shown ones start from, directly or through others."""
    names: set[str] = set()
    for method in request.methods:
        while method.start is not None:
            names.add(method.start)
            method = request.known[method.start]  # noqa: PLW2901 - the chain is walked to its end
    return names


def _rows(request: MatrixRequest, method: Method) -> Iterator[dict[str, Any]]:
    """A row for each source. A training tests itself on the first target that it serves, a stage on its own data."""
    stage = method not in request.methods
    for source in request.sources:
        targets = [
            target for start, target in request.pairs(method) if start == source and not request.reason(source, target)
        ]
        if targets:
            first = None if stage else targets[0]
            at = {
                target.name: {"set": _overrides(request, method, source, target, first if method.of_source else target)}
                for target in targets
            }
            start = {"start": _name(method.start, source), "gives": method.gives} if method.start else {}
            yield {"name": _name(method.name, source), "at": at, **start}


def _name(method: str, source: NamedDataset) -> str:
    return f"{method} from {source.name}"


def _tested_on(*datasets: NamedDataset) -> str:
    return assignment("test_on", [dataset.entry for dataset in datasets])


def _overrides(
    request: MatrixRequest, method: Method, source: NamedDataset, target: NamedDataset, tested: NamedDataset | None
) -> list[str]:
    """The overrides of a training, without keys that its experiment meant for another data set."""
    name = f"{method.name}_{source.name}" + ("" if method.of_source else f"_to_{target.name}")
    test = _tested_on(*([] if tested is None else [tested]))
    overrides = [*method.filled(source, target), f"name={name}", *request.overrides, test]
    try:
        return [*overrides, *_foreign(overrides)]
    except HydraException as error:
        raise MatrixError(f"method {method.name}: {str(error).splitlines()[0]}") from error


def _foreign(overrides: Sequence[str]) -> list[str]:
    """Overrides that remove the keys of ``dataset`` that its option does not have."""
    keys = composed(merged(overrides))["dataset"]
    option = next((override for override in overrides if override.startswith("dataset=")), None)
    known = composed((option,))["dataset"] if option else keys
    return [f"~dataset.{key}" for key in keys if key not in known]


def cells_of(request: MatrixRequest, table: Mapping[str, Any], places: Sequence[Place]) -> list[MatrixCell]:
    """The cells of the matrix, target by target."""
    by_row: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        by_row.setdefault((table["rows"][place.cell.row]["name"], place.cell.label), []).append(place)
    cells = []
    for goal in request.targets:
        for method in request.methods:
            for source, target in request.pairs(method):
                if target == goal:
                    found = by_row.get((_name(method.name, source), target.name), [])
                    reason = request.reason(source, target)
                    cells.append(MatrixCell(method=method, source=source, target=target, places=found, reason=reason))
    return cells
