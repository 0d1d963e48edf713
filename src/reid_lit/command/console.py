"""The console command ``reid-lit``: ``reid-lit train …`` is ``python -m reid_lit.train …``."""

import ast
import runpy
import sys
from pathlib import Path

from reid_lit.wording import unknown


def commands() -> dict[str, str]:
    """The commands, and what each is for: the first lines of their modules, which are read and not imported.

    A command is a module, or the ``__main__`` of a package.
    """
    purposes, rooms = {}, Path(__file__).parents[1]
    for file in (*rooms.glob("[!_]*.py"), *rooms.glob("*/__main__.py")):
        source = file.read_text(encoding="utf-8")
        if '\nif __name__ == "__main__":\n' in source:
            docstring = ast.get_docstring(ast.parse(source)) or ""
            name = file.parent.name if file.stem == "__main__" else file.stem
            purposes[name] = docstring.partition("\n")[0].rpartition("``: ")[2].rstrip(".")
    return dict(sorted(purposes.items()))


def main() -> None:
    """Run the command that the first argument names, as ``python -m`` does; without an argument, list the commands.

    The module becomes ``__main__`` with its own name, by which ranks and jobs are started as processes of their own.

    Raises:
        SystemExit: there is no such command; or the command ends with one.
    """
    name, *arguments = sys.argv[1:] or ["--help"]
    purposes = commands()
    if name in ("-h", "--help"):
        sys.stdout.write(_usage(purposes))
        return
    if name not in purposes:
        sys.exit(unknown("command", name, purposes))
    sys.argv = [sys.argv[0], *arguments]
    runpy.run_module(f"reid_lit.{name}", run_name="__main__", alter_sys=True)


def _usage(purposes: dict[str, str]) -> str:
    width = max(map(len, purposes))
    lines = [f"  {name:<{width}}  {purpose}" for name, purpose in purposes.items()]
    head, foot = "reid-lit <command> …   is   python -m reid_lit.<command> …", "reid-lit <command> --help says more"
    return "\n".join([head, "", *lines, "", foot, ""])
