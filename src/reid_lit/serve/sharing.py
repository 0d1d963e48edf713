"""Many threads, one gallery: searches that come together share a pass over the vectors, and rows one reading."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import numpy as np
from typing_extensions import override

from reid_lit.gallery.asking import LookedUp, LookUp, Nearest
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.rows import Where

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


KEPT = 10_000
"""Rows whose facts are kept for the next query."""


class SharedGallery(Gallery):
    """A gallery that many threads may use; nothing is read while rows are erased.

    The facts of rows that were found are kept until the gallery changes.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._kept: dict[int, dict[str, Any]] = {}
        self._kept_of: object = None  # the gallery's state
        self._together: Together[LookUp, LookedUp | BaseException] = Together(self._looked_up)
        self._use = threading.RLock()

    @override
    def look_up(self, steps: Sequence[LookUp]) -> list[LookedUp | BaseException]:
        return self._looked_up(steps) if len(steps) > 1 else [self._together(step) for step in steps]

    def _looked_up(self, steps: Sequence[LookUp]) -> list[LookedUp | BaseException]:
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, step in enumerate(steps):
            alike.setdefault((step.top, step.where, step.approximate), []).append(place)
        nearest: dict[int, Nearest] = {}
        with self._use:
            for (top, where, approximate), places in alike.items():
                vectors = np.concatenate([steps[place].vectors for place in places])
                found = iter(self.nearest(vectors, top=top, where=where, approximate=approximate))
                nearest |= {place: [next(found) for _ in steps[place].vectors] for place in places}
            numbers = {number for each in nearest.values() for found, _ in each for number in found}
            is_exact = not any(step.approximate for step in steps)
            rows = self._facts_of_found(numbers) if is_exact else self.facts_of(sorted(numbers))
        return [LookedUp(nearest[place], rows) for place in range(len(steps))]

    def _facts_of_found(self, numbers: set[int]) -> dict[int, dict[str, Any]]:
        """The facts of rows that an exact search has just found."""
        state = self.searched_state
        if state is None:
            return self.facts_of(sorted(numbers))
        if state != self._kept_of or len(self._kept) > KEPT:
            self._kept, self._kept_of = {}, state
        if missing := numbers - self._kept.keys():
            self._kept |= self.facts_of(sorted(missing))
        return {number: {**self._kept[number]} for number in numbers & self._kept.keys()}

    @override
    def nearest(self, *given: Any, **options: Any) -> Nearest:
        with self._use:
            return super().nearest(*given, **options)

    @override
    def facts_of(self, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        with self._use:
            return super().facts_of(numbers)

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
            self._kept, self._kept_of = {}, None
            return super().erase(where)
