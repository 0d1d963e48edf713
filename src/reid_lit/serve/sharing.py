"""Many threads, one gallery: searches that come together share a pass over the vectors, and rows one reading."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float32
from typing_extensions import override

from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.rows import Where
from reid_lit.progress import Progress, untold

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Together(Generic[Item, Answer]):
    """A function of several items that threads call with one each: who comes while it runs goes with the next.

    Args:
        answer: Gives an answer to each item. Where it fails for several, each is tried alone.
    """

    def __init__(self, answer: Callable[[list[Item]], list[Answer]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Item, Future[Answer]]] = []
        self._change, self._turn = threading.Lock(), threading.Lock()

    def __call__(self, item: Item) -> Answer:
        """The answer to one item."""
        future: Future[Answer] = Future()
        with self._change:
            self._waiting.append((item, future))
        with self._turn:
            if not future.done():
                with self._change:
                    taken, self._waiting = self._waiting, []
                self._run(taken)
        return future.result()

    def _run(self, taken: Sequence[tuple[Item, Future[Answer]]]) -> None:
        try:
            answers = self._answer([item for item, _ in taken])
        except Exception as error:
            if len(taken) == 1:
                taken[0][1].set_exception(error)
            else:
                for one in taken:
                    self._run([one])
            return
        for (_, future), answer in zip(taken, answers, strict=True):
            future.set_result(answer)


class _Search(NamedTuple):
    vectors: np.ndarray
    top: int
    where: Where
    approximate: bool


_Nearest = list[tuple[list[int], list[float]]]


class SharedGallery(Gallery):
    """A gallery that many threads may use; nothing is read while rows are erased."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._search: Together[_Search, _Nearest] = Together(self._searched)
        self._reading: Together[Sequence[int], dict[int, dict[str, Any]]] = Together(self._read)
        self._use = threading.Lock()

    @override
    def nearest(
        self,
        vectors: Float32[np.ndarray, "queries dim"],
        *,
        top: int,
        where: Where,
        approximate: bool = False,
        tell: Progress = untold,
    ) -> _Nearest:
        return self._search(_Search(vectors, top, where, approximate))

    def _searched(self, asked: list[_Search]) -> list[_Nearest]:
        answers: dict[int, _Nearest] = {}
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, each in enumerate(asked):
            alike.setdefault(each[1:], []).append(place)
        for (top, where, approximate), places in alike.items():
            vectors = np.concatenate([asked[place].vectors for place in places])
            with self._use:
                found = iter(super().nearest(vectors, top=top, where=where, approximate=approximate))
            answers |= {place: [next(found) for _ in asked[place].vectors] for place in places}
        return [answers[place] for place in range(len(asked))]

    @override
    def facts_of(self, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        return self._reading(numbers)

    def _read(self, asked: list[Sequence[int]]) -> list[dict[int, dict[str, Any]]]:
        with self._use:
            found = super().facts_of(sorted({number for numbers in asked for number in numbers}))
        return [{number: found[number] for number in numbers if number in found} for numbers in asked]

    @override
    def thumbnails(self, numbers: Sequence[int]) -> dict[int, bytes]:
        with self._use:
            return super().thumbnails(numbers)

    @override
    def rows(self, where: Where | None = None) -> Iterator[dict[str, Any]]:
        with self._use:
            return iter(list(super().rows(where)))

    @override
    def erase(self, where: Where) -> int:
        with self._use:
            return super().erase(where)
