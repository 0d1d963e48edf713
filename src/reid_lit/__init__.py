"""Person re-identification experiments in PyTorch Lightning and Hydra; ``load`` takes up what a run has learnt."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_lit.export.runtime import load
    from reid_lit.memory import keep_freed_memory
    from reid_lit.testing.embedder import Embedder

__all__ = ["Embedder", "keep_freed_memory", "load"]


_PLACES = {"Embedder": "testing.embedder", "keep_freed_memory": "memory", "load": "export.runtime"}


def __getattr__(name: str) -> Any:
    """What ``__all__`` names, imported when it is asked for: every command imports this package, and torch is slow."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
