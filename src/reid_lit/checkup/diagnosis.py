"""The result of an examination: problems and facts."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_lit.data.problems import Problem
from reid_lit.kinds import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something worth knowing that is not a problem.

    Attributes:
        name: What it is about.
        value: What is known about it.
    """

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The state of one copy of a data set.

    Attributes:
        name: The data set's name.
        root: Its folder.
        findings: What is wrong, the graver first.
        facts: What else is known.
    """

    name: str
    root: Path
    findings: tuple[Problem, ...]
    facts: tuple[Fact, ...]

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        return {
            "name": self.name,
            "root": str(self.root.resolve()),
            "findings": [
                asdict(problem)
                | {"place": str(problem.place.resolve()), "kind": said(problem.kind)}
                | {"fact": said(problem.fact), "cure": said(problem.cure)}
                for problem in self.findings
            ],
            "facts": [{"name": said(fact.name), "value": said(fact.value)} for fact in self.facts],
        }


def below(path: Path, root: Path) -> str:
    """A path as it is shown: relative to the data set's folder if it is in that folder."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
