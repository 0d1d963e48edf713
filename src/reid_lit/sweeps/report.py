"""The jobs of a multirun, grouped by the overrides that vary: mean and deviation over seeds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from reid_lit.errors import InputError
from reid_lit.evaluation import catalogue
from reid_lit.jobs.job import Job, recorded
from reid_lit.overrides import key_of, value_of
from reid_lit.paths import write_text
from reid_lit.run.folder import GOES_ON, Run
from reid_lit.sweeps.plain_text import csv_text, markdown_table, print_table
from reid_lit.sweeps.seeds import over_seeds

_SEED = "seed"
_CHOOSE_NOTHING = (*GOES_ON, "trust")  # of a job that was taken up again


def is_multirun(folder: Path) -> bool:
    """Whether a folder holds the jobs of a multirun."""
    return bool(_jobs(folder))


def _jobs(folder: Path) -> list[Path]:
    """The folders of the jobs, by their numbers, those without one first."""
    jobs = {file.parent for file in folder.glob("*/job.json")}
    jobs |= {file.parents[1] for file in folder.glob("*/.hydra/overrides.yaml")}
    return sorted(jobs, key=_number)


def _number(folder: Path) -> tuple[int, str]:
    head = folder.name.split("_")[0]
    return int(head) if head.isdecimal() else -1, folder.name


def report_multirun(folder: Path) -> dict[str, Any]:
    """Group the jobs of a multirun, write ``report.{json,md,csv}`` into its folder, and print it.

    Raises:
        InputError: there is no job in it.
    """
    report = grouped(folder)
    write_text(folder / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    write_text(folder / "report.md", as_markdown(report))
    write_text(folder / "report.csv", as_csv(report))
    console, head = Console(), [*report["varies"], *_headers(report)]
    rows = [_line(report, group) for group in report["groups"]]
    print_table(console, head, rows, title=f"{folder}: mean ± standard deviation over seeds")
    for line in report["failed"]:
        console.print(escape(line), style="bold", highlight=False, soft_wrap=True)
    return report


def grouped(folder: Path) -> dict[str, Any]:
    """The jobs of a multirun by the overrides that vary, without the seed.

    Args:
        folder: The multirun's.

    Returns:
        ``varies``: the keys; ``metrics``; ``groups``: ``settings``, ``dataset``, ``seeds``, ``scores`` (metric → mean,
        sd, n; fractions), ``runs``; ``failed``: a line for each job without a result.

    Raises:
        InputError: there is no job in it.
    """
    folders = _jobs(folder)
    if not folders:
        raise InputError(f"no jobs in {folder.resolve()}; give the folder of a multirun, or <paper>/<table>")
    overrides = {path: _overrides(path) for path in folders}
    keys = dict.fromkeys(key for values in overrides.values() for key in values)
    varies = [key for key in keys if key != _SEED and len({values.get(key) for values in overrides.values()}) > 1]
    groups: dict[tuple[str, ...], list[tuple[Path, dict[str, Any]]]] = {}
    for path in folders:
        settings = [overrides[path].get(key, "–") for key in varies]
        for row in Run(path).metrics().get("results", []):
            groups.setdefault((*settings, row["dataset"]), []).append((path, row))
    measured = {metric for rows in groups.values() for _, row in rows for metric in row["scores"]}
    return {
        "folder": str(folder),
        "varies": varies,
        "metrics": [metric for metric in catalogue.columns(measured) if metric in measured],
        "groups": [_group(varies, overrides, settings, rows) for settings, rows in groups.items()],
        "failed": [_failure(path) for path in folders if not Run(path).metrics()],
    }


def _overrides(folder: Path) -> dict[str, str]:
    """The values of a job's overrides, by their keys."""
    begun = (folder / ".hydra" / "overrides.yaml").is_file()
    words = Run(folder).overrides() if begun else recorded(folder).get("facts", {}).get("overrides", [])
    return {key_of(word): value_of(word) for word in words if key_of(word) not in _CHOOSE_NOTHING}


def _group(
    varies: Sequence[str],
    overrides: Mapping[Path, Mapping[str, str]],
    settings: Sequence[str],
    rows: Sequence[tuple[Path, Mapping[str, Any]]],
) -> dict[str, Any]:
    *values, dataset = settings
    return {
        "settings": dict(zip(varies, values, strict=True)),
        "dataset": dataset,
        "seeds": [overrides[path].get(_SEED, "0") for path, _ in rows],
        "scores": over_seeds([row["scores"] for _, row in rows]),
        "stamp": rows[0][1]["stamp"],
        "runs": [str(path) for path, _ in rows],
    }


def _failure(folder: Path) -> str:
    record, job = recorded(folder), Job(name=folder.name, folder=folder, overrides=())
    reason = f": {record['reason']}" if record.get("reason") else ""
    return f"{folder.name}: {job.state()}{reason} (log: {job.log})"


def _header(metric: str) -> str:
    return catalogue.heading(metric) + ("" if catalogue.is_ratio(metric) else " %")


def _headers(report: Mapping[str, Any]) -> list[str]:
    return ["data set", "n", *map(_header, report["metrics"])]


def _line(report: Mapping[str, Any], group: Mapping[str, Any]) -> list[str]:
    scores = [group["scores"].get(metric) for metric in report["metrics"]]
    return [
        *(group["settings"][key] for key in report["varies"]),
        group["dataset"],
        str(len(group["runs"])),
        *("" if score is None else _percent(score) for score in scores),
    ]


def _percent(score: Mapping[str, Any]) -> str:
    spread = "" if score["sd"] is None else f" ± {100 * score['sd']:.2f}"
    return f"{100 * score['mean']:.2f}{spread}"


def as_markdown(report: Mapping[str, Any]) -> str:
    """The groups as a Markdown table, and the jobs that failed."""
    rows = [_line(report, group) for group in report["groups"]]
    table = markdown_table([*report["varies"], *_headers(report)], rows)
    return "\n".join([*table, "", *(f"- {line}" for line in report["failed"])]).rstrip() + "\n"


def as_csv(report: Mapping[str, Any]) -> str:
    """The groups as CSV, one line for each."""
    pairs = [(metric, part) for metric in report["metrics"] for part in ("mean", "sd")]
    head = [*report["varies"], "data set", "n", *(f"{metric} {part}" for metric, part in pairs)]
    rows = []
    for group in report["groups"]:
        scores = [group["scores"].get(metric, {}).get(part) for metric, part in pairs]
        rows.append([*group["settings"].values(), group["dataset"], len(group["runs"]), *scores])
    return csv_text(head, rows)
