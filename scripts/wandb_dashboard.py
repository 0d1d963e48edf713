"""W&B workspaces and reports for the papers' tables: ``python scripts/wandb_dashboard.py --entity <you>``.

A workspace for each paper and a report for each table, in the project that ``logger=wandb`` logs to. Without an account
or a network, what would be sent is written to ``--output`` as JSON. Needs ``pip install wandb-workspaces``.
"""

import argparse
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_lit.evaluation import catalogue
from reid_lit.paths import write_text
from reid_lit.run.loggers import why_offline
from reid_lit.tables.spec import read_table, table_names

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it uses pydantic's first interface
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

LOSSES = ("train/loss", "train/id", "train/triplet", "train/center")
RATES = ("lr-Adam/head", "lr-Adam/backbone", "lr-SGD/head", "lr-SGD/backbone")
PICTURES = {"Ranked lists": "ranked_lists", "Failure cases": "failures", "CMC": "cmc"}
NORMS = "figures/norms"
SYSTEM = {
    "GPU in use, %": ("system/gpu.0.gpu",),
    "GPU memory in use, %": ("system/gpu.0.memoryAllocated",),
    "GPU power, W": ("system/gpu.0.powerWatts",),
    "Processors in use, %": ("system/cpu",),
    "Memory of the process, MB": ("system/proc.memory.rssMB",),
}
DATASETS = ("market1501", "dukemtmc", "synthetic_plaza")


def main() -> None:
    arguments = _arguments()
    papers = sorted({name.partition("/")[0] for name in arguments.tables})
    place = {"entity": arguments.entity, "project": arguments.project}
    made: dict[str, Any] = {f"workspace_{paper}": workspace(paper, arguments.datasets, **place) for paper in papers} | {
        f"report_{name.replace('/', '_')}": report(name, arguments.datasets, tables=arguments.results, **place)
        for name in arguments.tables
    }
    reason = why_offline() or ("" if arguments.entity else "no --entity is given")
    for name, dashboard in made.items():
        if reason:
            text = json.dumps(specification(dashboard), indent=2)
            write_text(arguments.output / f"{name}.json", text + "\n")
        else:
            print(dashboard.save().url)
    if reason:
        print(f"Nothing was sent: {reason}. {len(made)} specifications are in {arguments.output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=table_names(), help="such as strong/table1; default: all")
    parser.add_argument("--entity", default="", help="the user or team that owns the project")
    parser.add_argument("--project", default="reid_lit")
    parser.add_argument("--datasets", nargs="+", default=DATASETS, help="names of tests, as the log has them")
    parser.add_argument("--results", type=Path, default=Path("tables"), help="table_dir of the sweeps")
    parser.add_argument("--output", type=Path, default=Path("dashboards"), help="for what cannot be sent")
    return parser.parse_args()


def specification(made: Any) -> dict[str, Any]:
    """What ``save()`` sends, in JSON's types."""
    model = made._to_model()
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def workspace(paper: str, datasets: Sequence[str], *, entity: str, project: str) -> ws.Workspace:
    """Runs of a paper's tables, grouped by table, row and data set.

    Args:
        paper: As ``labels.paper`` has it.
        datasets: Names of tests.
        entity: The project's owner.
        project: Where the runs are.
    """
    sections = [
        ws.Section(name=name, panels=panels, is_open=True)
        for name, panels in panels_of(datasets).items()
        if name != "System"
    ]
    system = ws.Section(name="System", panels=panels_of(datasets)["System"])
    runs = ws.RunsetSettings(
        filters=expr.And(expr.Config("paper") == paper),
        groupby=[expr.Config(key) for key in ("table", "row", "trained_on")],
        pinned_columns=["config:trained_on", "config:seed", *(f"summary:{key}" for key in score_keys(datasets[:2]))],
    )
    return ws.Workspace(
        entity=entity, project=project, name=f"Tables of {paper}", sections=[*sections, system], runset_settings=runs
    )


def of_table(name: str) -> Any:
    """Chooses the runs of a table at the paper's size, which job labels call by paper and table."""
    paper, _, table = name.partition("/")
    return expr.And(expr.Config("paper") == paper, expr.Config("table") == table)


def report(name: str, datasets: Sequence[str], *, tables: Path, entity: str, project: str) -> wr.Report:
    """A table of a paper: published and ours in words, and the panels of its runs.

    Args:
        name: ``<paper>/<table>``.
        datasets: Names of tests.
        tables: Where the sweeps' results are.
        entity: The project's owner.
        project: Where the runs are.
    """
    table = read_table(name)
    file = tables / name / "report.json"
    results = json.loads(file.read_text()) if file.is_file() else None
    notes = "\n".join(f"- {note}" for note in table.get("notes", ()))
    blocks: list[Any] = [
        wr.MarkdownBlock(text=f"{table['source']}. `python -m reid_lit.train +table={name} logger=wandb`"),
        wr.H2(text="Published and ours"),
        wr.MarkdownBlock(text=markdown(table, results)),
        wr.MarkdownBlock(text=notes or "No notes."),
    ]
    for title, panels in panels_of(datasets).items():
        # a run set without a project is that of the report; naming one asks the server
        runs = wr.Runset(name=name, filters=of_table(name), groupby=["config.row", "config.trained_on"])
        blocks += [wr.H2(text=title), wr.PanelGrid(runsets=[runs], panels=panels)]
    title = f"{name}: {table['title']}"
    return wr.Report(entity=entity, project=project, title=title[:128], blocks=blocks, width="fluid")


def panels_of(datasets: Sequence[str]) -> dict[str, list[Any]]:
    """The panels by section; curves are means over the runs of a row, with their standard deviation."""

    def curve(title: str, keys: Iterable[str], **more: Any) -> wr.LinePlot:
        means = {"groupby": wr.Config("row"), "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
        return wr.LinePlot(title=title, y=list(keys), **means, **more)

    def media(title: str, keys: Iterable[str]) -> wr.MediaBrowser:
        return wr.MediaBrowser(title=title, media_keys=list(keys), num_columns=1)

    bars = [
        wr.BarPlot(title=f"{data}: {score}, share of 1", metrics=[f"test/{data}/{score}"], groupby=wr.Config("row"))
        for data in datasets
        for score in catalogue.main_scores()
    ]
    return {
        "Results": [*bars, wr.RunComparer(diff_only="split")],
        "Training": [
            *(curve(f"{key.partition('/')[2]}: loss, weighted", [key]) for key in LOSSES),
            curve("Training accuracy, share of 1", ["train/accuracy"]),
            curve("Learning rate", RATES, log_y=True),
        ],
        "Held-out persons": [curve(f"{key}, share of 1", [f"val/{key}"]) for key in catalogue.charted_scores()],
        **{
            title: [media(f"{title}: {data}", [f"{data}/{key}"]) for data in datasets]
            for title, key in PICTURES.items()
        },
        "Norms of the features": [media("Norms of f_t and f_i: reid_lit.figure figure=norms", [NORMS])],
        "System": [curve(title, keys) for title, keys in SYSTEM.items()],
    }


def score_keys(datasets: Sequence[str]) -> list[str]:
    """The main scores of each data set, as the log has them."""
    return [f"test/{data}/{score}" for data in datasets for score in catalogue.main_scores()]


def markdown(table: Mapping[str, Any], results: Mapping[str, Any] | None) -> str:
    """Published → ours ± standard deviation, in the paper's unit; a row for each row of the paper.

    Args:
        table: The table's file.
        results: Its ``report.json``; None before anything was run.
    """
    metrics = table["metrics"]
    labels = list(dict.fromkeys(label for row in table["rows"] for label in row.get("published", {})))
    columns = [f"{label} {metric}" for label in labels for metric in metrics]
    done = {row["name"]: row["cells"] for row in results["rows"]} if results else {}
    lines = [f"| {' | '.join(['row', *columns])} |", f"|{'---|' * (1 + len(columns))}"]
    for row in table["rows"]:
        cells = [
            _cell(row.get("published", {}).get(label) or {}, done.get(row["name"], {}).get(label) or {}, metric)
            for label in labels
            for metric in metrics
        ]
        lines.append(f"| {' | '.join([row['name'] + _status(row), *cells])} |".replace("\n", " "))
    return "\n".join(lines)


def _status(row: Mapping[str, Any]) -> str:
    return " (quoted)" if row.get("quoted") else f" (waiting: {row['waiting']})" if row.get("waiting") else ""


def _cell(published: Mapping[str, Any], cell: Mapping[str, Any], metric: str) -> str:
    ours = (cell.get("ours") or {}).get(metric)
    text = str(published.get(metric, "–"))
    if not ours or not cell.get("reproduction"):  # other data than the paper's is no reproduction
        return text
    spread = f" ± {ours['sd']:.4g}" if ours.get("sd") is not None else ""
    return f"{text} → {ours['mean']:.4g}{spread}"


if __name__ == "__main__":
    main()
