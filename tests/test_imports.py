"""Rooms and arrows: what lies side by side in the package, and which room may import which; see docs/architecture.md."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "reid_lit"
GROUND = {"kinds", "records", "progress", "network", "paths", "wording", "errors", "memory"}
PARTS = {"losses", "layers", "backbones", "evaluation"}
COMMANDS = {
    "train",
    "evaluate",
    "embed",
    "describe",
    "doctor",
    "init",
    "pack",
    "page",
    "figure",
    "matrix",
    "report",
    "submission",
    "calibrate",
    "match",
    "card",
    "camstyle",
}
READ = GROUND | {"files"}
TRAINED = PARTS | {"files", "data", "models", "run", "testing"}
ALLOWED = {
    **dict.fromkeys(GROUND, frozenset()),
    **dict.fromkeys(("records", "errors"), frozenset({"kinds"})),
    **dict.fromkeys(PARTS | {"files", "overrides", "jobs"}, GROUND),
    "synthetic": READ,
    "safeguards": READ,
    "jobs": GROUND | {"overrides"},
    "data": READ | {"synthetic", "overrides"},
    "models": GROUND | PARTS,
    "figures": READ | {"evaluation"},
    "run": GROUND | {"files", "overrides", "jobs", "backbones", "data", "models", "evaluation"},
    "pages": READ | {"evaluation", "figures", "run"},
    "callbacks": GROUND | {"evaluation", "figures", "jobs", "pages"},
    "testing": READ | PARTS | {"data", "models", "run", "callbacks"},
    "calibration": READ | {"data", "models", "run", "testing", "figures"},
    "cards": READ | {"backbones", "data", "evaluation", "run", "pages", "testing"},
    "training": READ | {"overrides", "jobs", "data", "models", "run", "testing"},
    "health": READ | PARTS | {"data", "models", "run"},
    "checkup": READ | {"overrides", "data", "evaluation", "backbones", "command"},
    "paper_figures": GROUND | TRAINED | {"figures"},
    "command": GROUND | {"overrides", "data", "run", "testing"},
    "sweeps": GROUND | {"overrides", "jobs", "evaluation", "run", "pages"},
    "tables": READ | {"overrides", "jobs", "data", "evaluation", "figures", "run", "pages", "sweeps"},
    **dict.fromkeys(COMMANDS, TRAINED | GROUND | {"overrides", "jobs", "command", "sweeps", "tables", "checkup", "pages"}),
    "train": GROUND | {"command", "jobs", "run", "tables", "training"},
    "embed": GROUND | {"command", "export", "run", "testing"},
    "camstyle": GROUND | {"overrides", "command", "data", "figures", "training"},
    "calibrate": GROUND | {"command", "calibration", "run"},
    "gallery": GROUND
    | {"overrides", "files", "data", "evaluation", "run", "testing", "export", "calibration", "command", "pages"}
    | {"safeguards"},
    "serve": GROUND | {"files", "testing", "gallery", "safeguards", "cards", "pages", "command"},
    "export": GROUND | {"files", "backbones", "data", "evaluation", "models", "run", "testing", "cards", "command"},
    "match": GROUND | {"overrides", "command", "calibration", "testing"},
    "card": GROUND | {"command", "cards", "run"},
    "figure": GROUND | {"command", "paper_figures", "run"},
    "describe": GROUND | {"command", "data", "run", "figures"},
    "matrix": GROUND | {"overrides", "command", "jobs", "tables"},
    "__init__": {"memory", "testing", "export"},
    "__main__": {"command"},
}  # fmt: skip
FREE_OF = {
    **{room: {"pytorch_lightning", "hydra"} for room in READ | PARTS | {"overrides", "figures"}},
    **{room: {"torch", "pytorch_lightning", "hydra"} for room in ("files", "synthetic", "safeguards")},
}


def rooms():
    """The packages and modules that lie side by side in the package."""
    return {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}


def files_of(room):
    return [SOURCE / f"{room}.py"] if (SOURCE / f"{room}.py").is_file() else sorted((SOURCE / room).rglob("*.py"))


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_there_are_few_rooms_and_each_has_its_rule():
    assert rooms() == set(ALLOWED)
    assert len(rooms() - {"__main__"}) <= 53  # python -m reid_lit, the door of command


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_no_arrow_goes_up(room):
    for file in files_of(room):
        for module in imported(file):
            names = module.split(".")
            if names[0] == "reid_lit":
                assert names[1] in ALLOWED[room] | {room}, f"{file} imports {module}"
            assert names[0] not in FREE_OF.get(room, set()), f"{file} imports {module}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_is_short(command):
    assert len((SOURCE / f"{command}.py").read_text().splitlines()) < 100


def test_no_circle():
    """The rules themselves allow none: every room stands above all that it may import."""
    left = {room: set(allowed) - {room} for room, allowed in ALLOWED.items()}
    while left:
        free = [room for room, allowed in left.items() if not allowed & set(left)]
        assert free, f"a circle among {sorted(left)}"
        left = {room: allowed for room, allowed in left.items() if room not in free}


def test_shapes_are_checked_in_every_module_that_writes_them():
    """``--jaxtyping-packages`` lists modules by name; one that has moved, or is new, would be left out in silence."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    (listed,) = (word.partition("=")[2].split(",")[:-1] for word in options.split() if "jaxtyping-packages" in word)
    places = [Path("src", *name.split(".")) for name in listed]
    assert not [place for place in places if not (ROOT / place).is_dir() and not (ROOT / f"{place}.py").is_file()]
    shaped = [file for file in SOURCE.rglob("*.py") if any(name.startswith("jaxtyping") for name in imported(file))]
    module = [".".join(file.relative_to(ROOT / "src").with_suffix("").parts) for file in shaped]
    assert not [name for name in module if not any(f"{name}.".startswith(f"{each}.") for each in listed)]
