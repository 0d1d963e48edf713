"""Person re-identification experiments in PyTorch Lightning and Hydra; ``load`` takes up what a run has learnt."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_lit.export.runtime import load
    from reid_lit.memory import keep_freed_memory
    from reid_lit.testing.embedder import Embedder

__all__ = ["Embedder", "keep_freed_memory", "load"]


def __getattr__(name: str) -> Any:
    """What ``__all__`` names, imported when it is asked for: every command imports this package, and torch is slow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Embedder":
        from reid_lit.testing.embedder import Embedder

        return Embedder
    if name == "keep_freed_memory":
        from reid_lit.memory import keep_freed_memory

        return keep_freed_memory
    from reid_lit.export.runtime import load

    return load
