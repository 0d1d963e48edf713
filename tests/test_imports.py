"""Imports go down: entries → models, data → losses, layers, backbones, evaluation, figures → records, paths."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "reid_lit"
BOTTOM = {"records", "paths", "network", "plurals", "progress", "resolvers"}
MIDDLE = {"losses", "layers", "backbones", "evaluation", "synthetic"}
ALLOWED = {
    **dict.fromkeys(BOTTOM, frozenset()),
    **dict.fromkeys(MIDDLE, BOTTOM),
    "figures": BOTTOM | {"evaluation"},
    "models": BOTTOM | MIDDLE | {"figures"},
    "data": BOTTOM | {"synthetic"},
    "checkup": BOTTOM | {"data", "evaluation", "backbones"},
    "pages": BOTTOM | {"figures", "results", "detail_tables"},
    "cross_domain": BOTTOM | {"data", "figures", "identity", "pages", "choices", "tables", "jobs", "results"},
    "tables": BOTTOM | {"identity", "pages", "jobs", "runner", "runs", "objective"},
    "health": BOTTOM | MIDDLE | {"data", "lineage", "models", "runs"},
    "paper_figures": BOTTOM | MIDDLE | {"figures", "models", "data", "choices", "runs", "testing"},
}
FREE_OF = {"evaluation": {"pytorch_lightning", "hydra"}, "synthetic": {"torch", "pytorch_lightning", "hydra"}}


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_no_arrow_goes_up(part):
    files = [SOURCE / f"{part}.py"] if part in BOTTOM else sorted((SOURCE / part).glob("*.py"))
    assert files
    for file in files:
        for module in imported(file):
            names = module.split(".")
            if names[0] == "reid_lit" and len(names) > 1:
                assert names[1] in ALLOWED[part] | {part}, f"{file} imports {module}"
            assert names[0] not in FREE_OF.get(part, set()), f"{file} imports {module}"
