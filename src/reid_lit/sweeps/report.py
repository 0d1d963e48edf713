"""The jobs of a multirun, grouped by what varies in them: mean and deviation over seeds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.errors import InputError
from reid_lit.evaluation import catalogue
from reid_lit.jobs.job import Job, recorded
from reid_lit.overrides import key_of
from reid_lit.paths import write_text
from reid_lit.sweeps.seeds import over_seeds

_SEED = "seed"


def is_multirun(folder: Path) -> bool:
    """Whether a folder holds the jobs of a multirun."""
    return bool(_jobs(folder))


def _jobs(folder: Path) -> list[Path]:
    """The folders of the jobs, in their order."""
    found = {file.parent for file in folder.glob("*/job.json")}
    found |= {file.parents[1] for file in folder.glob("*/.hydra/overrides.yaml")}
    return sorted(
        found, key=lambda path: (int(head) if (head := path.name.split("_")[0]).isdecimal() else -1, path.name)
    )


def report_multirun(folder: Path) -> dict[str, Any]:
    """Group the jobs of a multirun, write ``report.{json,md,csv}`` into its folder, and print it.

    Raises:
        InputError: there is no job in it.
    """
    report = grouped(folder)
    write_text(folder / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    write_text(folder / "report.md", as_markdown(report))
    write_text(folder / "report.csv", as_csv(report))
    table = Table(*report["varies"], *_headers(report), title=escape(f"{folder}: mean ± standard deviation over seeds"))
    for group in report["groups"]:
        table.add_row(*map(escape, _line(report, group)))
    console = Console()
    console.print(table)
    for line in report["failed"]:
        console.print(escape(line), style="bold", highlight=False, soft_wrap=True)
    return report


def grouped(folder: Path) -> dict[str, Any]:
    """The jobs of a multirun by what varies, but the seed.

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
    told = {path: _overrides(path) for path in folders}
    keys = list(dict.fromkeys(key for pairs in told.values() for key in pairs))
    varies = [key for key in keys if key != _SEED and len({pairs.get(key) for pairs in told.values()}) > 1]
    groups: dict[tuple[str, ...], list[tuple[Path, dict[str, Any]]]] = {}
    for path in folders:
        settings = tuple(told[path].get(key, "–") for key in varies)
        for row in _results(path):
            groups.setdefault((*settings, row["dataset"]), []).append((path, row))
    measured = {metric for rows in groups.values() for _, row in rows for metric in row["scores"]}
    return {
        "folder": str(folder),
        "varies": varies,
        "metrics": [metric for metric in catalogue.columns(measured) if metric in measured],
        "groups": [_group(varies, told, key, rows) for key, rows in groups.items()],
        "failed": [_failure(path) for path in folders if not (path / "metrics.json").is_file()],
    }


def _overrides(folder: Path) -> dict[str, str]:
    file = folder / ".hydra" / "overrides.yaml"
    told = OmegaConf.load(file) if file.is_file() else recorded(folder).get("facts", {}).get("overrides", [])
    return {key_of(str(each)): str(each).partition("=")[2] for each in told}


def _results(folder: Path) -> list[dict[str, Any]]:
    file = folder / "metrics.json"
    return json.loads(file.read_text())["results"] if file.is_file() else []


def _group(
    varies: Sequence[str],
    told: Mapping[Path, Mapping[str, str]],
    key: Sequence[str],
    rows: Sequence[tuple[Path, Mapping[str, Any]]],
) -> dict[str, Any]:
    return {
        "settings": dict(zip(varies, key[:-1], strict=True)),
        "dataset": key[-1],
        "seeds": [told[path].get(_SEED, "0") for path, _ in rows],
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
    """The groups as a Markdown table, and what failed."""
    lines = [[*report["varies"], *_headers(report)], *(_line(report, group) for group in report["groups"])]
    lines.insert(1, ["---"] * len(lines[0]))
    text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n".join([text, "", *(f"- {line}" for line in report["failed"])]).rstrip() + "\n"


def as_csv(report: Mapping[str, Any]) -> str:
    """The groups as CSV, a line a group."""
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    parts = [f"{metric} {part}" for metric in report["metrics"] for part in ("mean", "sd")]
    writer.writerow([*report["varies"], "data set", "n", *parts])
    for group in report["groups"]:
        scores = [group["scores"].get(metric, {}).get(part) for metric in report["metrics"] for part in ("mean", "sd")]
        writer.writerow([*group["settings"].values(), group["dataset"], len(group["runs"]), *scores])
    return stream.getvalue()
