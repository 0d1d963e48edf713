import ast
import builtins
from pathlib import Path

import pytest

from reid_lit import errors

SOURCE = Path(__file__).parents[1] / "src"
NO_ADVICE = {
    "hydra_plugins/reid_lit_optuna.py": {"RuntimeError"},  # Hydra calls a plugin in the wrong order
    "hydra_plugins/reid_lit_tables.py": {"RuntimeError"},
    "reid_lit/__init__.py": {"AttributeError"},  # a module's own way to say that it has no such name
    "reid_lit/files/access.py": {"FileNotFoundError", "OSError"},  # those of the system, for a file in a pack
    "reid_lit/files/pack.py": {"FileNotFoundError"},
    "reid_lit/gallery/__init__.py": {"AttributeError"},
    "reid_lit/gallery/command.py": {"SystemExit"},
    "reid_lit/command/signals.py": {"SystemExit"},  # ends with the exit code of a signal
    "reid_lit/doctor.py": {"SystemExit"},
    "reid_lit/jobs/runner.py": {"KeyboardInterrupt"},
    "reid_lit/layers/norm_statistics.py": {"TypeError"},
    "reid_lit/models/retrieval.py": {"RuntimeError", "TypeError"},  # a model, or a call of one, is written wrongly
    "reid_lit/paths.py": {"FileNotFoundError"},  # the installation lacks a folder, before any command starts
}
"""The files that raise an error of Python's own: a programming error keeps its traceback."""


def builtin_errors(file):
    """The names of Python's own errors that a file makes or raises, but for what a subclass has to write."""
    for node in ast.walk(ast.parse(file.read_text())):
        name = node.func if isinstance(node, ast.Call) else node.exc if isinstance(node, ast.Raise) else None
        kind = getattr(builtins, name.id, None) if isinstance(name, ast.Name) else None
        if isinstance(kind, type) and issubclass(kind, BaseException) and kind is not NotImplementedError:
            yield name.id


def test_what_a_user_can_act_on_is_a_user_error():
    names = {file.relative_to(SOURCE).as_posix(): set(builtin_errors(file)) for file in SOURCE.rglob("*.py")}
    assert {file: kinds for file, kinds in names.items() if kinds} == NO_ADVICE


def test_errors_of_python_are_found(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("raise InputError(1)\nraise ValueError\nerror = OSError(1)\nexcept_ = int(1)\nraise error.cause\n")
    assert sorted(builtin_errors(file)) == ["OSError", "ValueError"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("InputError", ValueError),
        ("MissingFileError", FileNotFoundError),
        ("FailedError", RuntimeError),
        ("MissingPackageError", ImportError),
        ("ExistingFileError", FileExistsError),
        ("WriteError", OSError),
        ("NotFiniteError", FloatingPointError),
    ],
)
def test_a_user_error_is_an_error_of_python_too(name, kind):
    error = getattr(errors, name)("x=1: give 2")
    assert isinstance(error, errors.UserError)
    assert isinstance(error, kind)
    assert str(error) == "x=1: give 2"
