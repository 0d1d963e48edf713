"""A card as Markdown."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml  # type: ignore[import-untyped]
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from omegaconf import OmegaConf

from reid_lit.evaluation.catalogue import heading
from reid_lit.kinds import PERSON, Kind, kind_of_stamps, said
from reid_lit.pages.facts import duration, in_words, scores_of
from reid_lit.wording import counted

STATUS = {
    "open": "open to whoever takes it",
    "request": "on request to its authors",
    "withdrawn": "**withdrawn**",
    "made": "made by a program",
    "own": "of whoever trained the model",
    "unknown": "not known to reid_lit",
}
"""What the status of a data set is called."""
MAIN = ("rank1", "mAP")


def written(content: Mapping[str, Any]) -> str:
    """The card in Markdown: a head in YAML as Hugging Face reads it, then the sections.

    Source: Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, figure 1.

    Args:
        content: Of ``card.json``.
    """
    kind = kind_of_stamps(test["stamp"] for test in content["tests"])
    text = _environment().get_template("card.md").render(
        card=content, use=_use(kind), status=STATUS, tests=_tests(content), head=_head(content)
    )  # fmt: skip
    return said(text.strip(), kind) + "\n"


@functools.cache
def _use(kind: Kind) -> dict[str, Any]:
    """What is said of use and misuse; of clothes, where a model tells persons apart."""
    use = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(Path(__file__).with_name("use.yaml"))))
    limits = [text for text in use["limits"] if kind == PERSON or not text.startswith("Clothes:")]
    return use | {"limits": limits}


def _head(content: Mapping[str, Any]) -> str:
    """The YAML between two lines of dashes."""
    results = [
        {
            "task": {"type": "image-feature-extraction", "name": "person re-identification"},
            "dataset": {"type": test["dataset"], "name": test["dataset"]},
            "metrics": [
                {"type": key, "name": heading(key), "value": round(100 * test["scores"][key], 2)}
                for key in MAIN
                if key in test["scores"]
            ],
        }
        for test in content["tests"]
        if test["folder"] == "."
    ]
    licence = content["said"]["licence"]
    head: dict[str, Any] = {
        "library_name": "reid_lit",
        "pipeline_tag": "image-feature-extraction",
        **({"license": licence} if licence else {"license": "other", "license_name": "terms-of-its-data-sets"}),
        "tags": ["person-re-identification", "image-retrieval"],
    }
    if results:
        head["model-index"] = [{"name": content["name"], "results": results}]
    return str(yaml.safe_dump(head, sort_keys=False, allow_unicode=True)).strip()


def _tests(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each test with its scores as they are printed."""
    shown = scores_of(content["tests"])
    return [
        dict(test) | {"rows": each["rows"], "level": each["level"], "protocol": in_words(test["stamp"])}
        for test, each in zip(content["tests"], shown, strict=True)
    ]


def cell(value: Any) -> str:
    r"""A value as the cell of a table in Markdown; it ends no cell and begins no tag.

    >>> cell("a|b <i>"), cell(None), cell(1234567)
    ('a\\|b &lt;i>', '–', '1,234,567')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return " ".join(str(value).split()).replace("<", "&lt;").replace("|", "\\|")


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent.

    >>> percent(0.12345), percent(None), percent(0.00012, 3)
    ('12.3 %', '–', '0.012 %')
    """
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def score(value: float | None) -> str:
    """A score, or an error that is none in percent.

    >>> score(0.5), score(None)
    ('0.5000', '–')
    """
    return "–" if value is None else f"{value:.4f}"


def ends(low: float | None, high: float | None) -> str:
    """Both ends of an interval of shares; one without width says nothing.

    >>> ends(0.1, 0.25), ends(None, None), ends(0.0, 0.0)
    ('10.0 to 25.0 %', '–', 'all alike')
    """
    if low is None or high is None:
        return "–"
    return "all alike" if low == high else f"{100 * low:.1f} to {100 * high:.1f} %"


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reid_lit.cards"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell, "percent": percent, "score": score, "duration": duration, "counted": counted}
    environment.globals["ends"] = ends
    return environment
