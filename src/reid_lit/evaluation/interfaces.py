"""What a query expansion and a re-ranking must be."""

from collections.abc import Callable
from typing import Any, runtime_checkable
from typing import Protocol as Interface


@runtime_checkable
class Expanding(Interface):
    """A query expansion: it replaces the embeddings of query and gallery by others; its ``stamp`` says how."""

    @property
    def stamp(self) -> str:
        """The expansion in words."""

    def needed(self, queries: int, gallery: int, dim: int) -> int:
        """The least number of bytes above the embeddings that it takes."""

    def __call__(self, query: Any, gallery: Any, *, memory_limit_gb: float | None, search: Any) -> tuple[Any, Any]:
        """The expanded query and gallery."""


@runtime_checkable
class Reranking(Interface):
    """A re-ranking: it compares query and gallery by their neighbours; its ``stamp`` says how."""

    @property
    def stamp(self) -> str:
        """The re-ranking in words."""

    def needed(self, images: int, dim: int, columns: int) -> int:
        """The most bytes above the embeddings that it takes for ``images``, ``columns`` of them in the gallery."""

    def blocks(
        self,
        query: Any,
        gallery: Any,
        *,
        neighbours: Callable[..., Any] | None,
        memory_limit_gb: float | None,
        held: int,
    ) -> Any:
        """An object whose ``block(start)`` gives the distances of 512 queries from ``start`` on."""
