"""The scripts as modules, which are in no package."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).parents[1] / "scripts"


@contextmanager
def script(name: str) -> Iterator[ModuleType]:
    """The module ``scripts/<name>.py``, and the scripts that it imports; none of them stays imported."""
    before = set(sys.modules)
    sys.path.insert(0, str(SCRIPTS))
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(SCRIPTS))
        for other in {path.stem for path in SCRIPTS.glob("*.py")} & (set(sys.modules) - before):
            del sys.modules[other]
