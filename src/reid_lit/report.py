"""``python -m reid_lit.report strong/table1 [size=laptop]``: a table's published numbers next to ours.

``python -m reid_lit.report multirun/<name>/<time>`` groups the jobs of any multirun by what varies in them, and
``python -m reid_lit.report claims`` judges what the papers claim by our runs.
"""

import sys
from pathlib import Path

from reid_lit.errors import UserError
from reid_lit.wording import counted

_USAGE = """python -m reid_lit.report <paper>/<table> [size=laptop] [table_dir=tables]   a table of experiments/table
python -m reid_lit.report multirun/<name>/<time>                            the jobs of a multirun
python -m reid_lit.report claims [paper=strong] [size=paper,real] [table_dir=tables]
    the papers' claims, published and ours, each with a verdict by the rule that it prints; size=laptop has others;
    without table_dir= from tables/ and from the results that are kept with the source, experiments/measured
python -m reid_lit.report keep [size=paper,real] [table_dir=tables] [into=experiments/measured] [replace=true]
    keep the results of tables, without weights and images, where they can be committed; then the claims from there;
    a kept training that was made anew with fewer results stays, unless replace=true is given"""


def report(arguments: list[str]) -> None:
    """Write a report and print it.

    Args:
        arguments: A table and its words, the folder of a multirun, or ``claims`` or ``keep`` and its words.

    Raises:
        InputError: there is no such table, or nothing to report.
    """
    # imported when work starts: the usage is printed at once
    import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
    from reid_lit.sweeps.report import is_multirun, report_multirun
    from reid_lit.tables.command import read_request
    from reid_lit.tables.report import write_report
    from reid_lit.tables.report_text import show
    from reid_lit.tables.sweep import report_folder

    named, words = arguments[0], arguments[1:]
    if named == "claims":
        _report_claims(words)
        return
    if named == "keep":
        _keep(words)
        return
    if Path(named).is_dir() and is_multirun(Path(named)):
        report_multirun(Path(named))
        return
    if Path(named).is_dir() and (Path(named) / "plan.json").is_file():
        folder = Path(named)
    else:
        folder = report_folder(read_request([f"table={named.removeprefix('table=').removeprefix('+table=')}", *words]))
    show(write_report(folder))
    sys.stdout.write(f"{folder} has report.md, .csv, .tex, .html and .json\n")


def _report_claims(words: list[str]) -> None:
    """Write the ledger of claims and print it."""
    from reid_lit.tables.claims.command import report_claims
    from reid_lit.tables.claims.text import show

    folder, ledger = report_claims(words)
    show(ledger)
    sys.stdout.write(f"{folder} has claims.md, .csv, .tex, .html and .json\n")


def _keep(words: list[str]) -> None:
    """Keep results, and report them where they are kept."""
    from reid_lit.tables.claims.command import keep_results
    from reid_lit.tables.claims.text import summary

    tables, ledger = keep_results(words)
    for table in tables:
        left = f"; {counted(table.cut, 'result')} of a part of the test set left out" if table.cut else ""
        sys.stdout.write(f"{table.folder}: {counted(table.numbers, 'result')}, {table.new} of them new{left}\n")
    sys.stdout.write(f"Claims by all that is kept there: {summary(ledger['counts'])}\n")


def main() -> None:
    """The command."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(_USAGE)
    try:
        report(sys.argv[1:])
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
