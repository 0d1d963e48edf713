"""How a run is evaluated, as facts that a file of embeddings keeps; never as words of a command."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reid_lit.overrides import assignment, key_of, value_of
from reid_lit.paths import options
from reid_lit.run.composing import chosen_option
from reid_lit.run.folder import SCORING, Run
from reid_lit.run.moved_keys import present

_NAME = re.compile(r"[\w .+-]{1,200}")


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """How a run is evaluated.

    Attributes:
        name: Of the run; None where it is not known.
        dataset: The option of ``dataset`` that it is trained on.
        option: The option of ``evaluation``.
        scoring: Values of the keys of ``evaluation`` that say how a ranking is scored.
    """

    name: str | None = None
    dataset: str | None = None
    option: str | None = None
    scoring: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_run(cls, run: Run, config: DictConfig) -> "Evaluated":
        """The facts of a run, whose config is composed."""
        scoring = {key: OmegaConf.to_container(config.evaluation)[key] for key in SCORING}  # type: ignore[index,call-overload]
        facts = {"name": config.name, "dataset": run.option("dataset"), "option": run.option("evaluation")}
        return cls.checked(facts | {"scoring": scoring})

    @classmethod
    def checked(cls, facts: Mapping[str, Any]) -> "Evaluated":
        """What a file says, without anything that is no plain fact: names of our options, numbers, short words."""
        name = facts.get("name")
        given = facts.get("scoring")
        scoring = given if isinstance(given, Mapping) else {}
        return cls(
            name=name if isinstance(name, str) and _NAME.fullmatch(name) else None,
            dataset=_option("dataset", facts.get("dataset")),
            option=_option("evaluation", facts.get("option")),
            scoring={key: scoring[key] for key in SCORING if key in scoring and _is_plain(scoring[key])},
        )

    @classmethod
    def of_words(cls, words: Sequence[Any]) -> "Evaluated":
        """What the words of a run say of its evaluation; any other word is passed over."""
        known = present([word for word in words if isinstance(word, str)])
        values = {key_of(word): value_of(word) for word in known}
        experiment = _option("experiment", values.get("experiment"))
        started = [] if experiment is None else [f"+experiment={experiment}"]
        chosen = {group: values.get(group) or chosen_option(group, started) for group in ("dataset", "evaluation")}
        scoring = {key: _value(values[f"evaluation.{key}"]) for key in SCORING if f"evaluation.{key}" in values}
        return cls.checked(
            {
                "name": values.get("name", experiment),
                "dataset": chosen["dataset"],
                "option": chosen["evaluation"],
                "scoring": scoring,
            }
        )

    def words(self) -> list[str]:
        """The facts as words of this command line."""
        chosen = [
            f"{group}={option}" for group, option in (("dataset", self.dataset), ("evaluation", self.option)) if option
        ]
        named = [] if self.name is None else [assignment("name", self.name)]
        return [*chosen, *named, *(assignment(f"evaluation.{key}", value) for key, value in self.scoring.items())]


def _option(group: str, name: Any) -> str | None:
    return name if isinstance(name, str) and name in options(group) else None


def _value(text: str) -> Any:
    """The value of a word as YAML reads it; None where it does not."""
    made = OmegaConf.from_dotlist([f"value={text}"])
    return OmegaConf.to_container(made, resolve=False)["value"]  # type: ignore[call-overload,index]


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, (int, float)) for each in value)
    return (
        value is None
        or isinstance(value, (bool, int, float))
        or (isinstance(value, str) and _NAME.fullmatch(value) is not None)
    )
