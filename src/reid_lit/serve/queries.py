"""Queries that wait are answered together: one decoding, one forward pass, one search, one write of the log.

A thread for each request would cost more than its query: threads that wait for one another and for Python's lock take
processor time at every hand-over. So a request waits in the event loop, and its query is one of many in a few threads.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import FailedError
from reid_lit.gallery.answers import Found
from reid_lit.gallery.asking import Embed, Steps, answered
from reid_lit.gallery.gallery import Gallery
from reid_lit.safeguards.guard import Guard
from reid_lit.serve.batching import SharedEmbedder


class _Waiting(NamedTuple):
    """A query that waits, and where its answer goes."""

    steps: Steps[list[Found]]
    images: int
    answer: "asyncio.Future[list[Found]]"
    loop: asyncio.AbstractEventLoop


class Queries:
    """Answers the queries of requests, those that wait together.

    Args:
        gallery: It is asked by several threads.
        embedder: The model.
        guard: The log that the queries write.
        wait: How long a query waits for others while the model is idle, in seconds.
    """

    def __init__(self, gallery: Gallery, embedder: SharedEmbedder, guard: Guard, *, wait: float) -> None:
        self._gallery, self._embedder, self._guard, self._wait = gallery, embedder, guard, wait
        self._waiting: deque[_Waiting] = deque()
        self._changed, self._turn = threading.Condition(), threading.Lock()
        self._is_stopped, self._under_way = False, 0
        self._embedding = set[int]()
        # while the images of some threads go through the model, another one decodes, searches and writes
        count = embedder.passes + 2
        self._threads = [threading.Thread(target=self._work, name="queries", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    async def answer(self, query: Steps[list[Found]], *, images: int) -> list[Found]:
        """The answer to a query.

        Args:
            query: It has not begun.
            images: How many it has.

        Raises:
            RuntimeError: the service is ending.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(query, images, loop.create_future(), loop)
        with self._changed:
            if self._is_stopped:
                raise FailedError("the service is ending; ask again when it is back")
            self._waiting.append(waiting)
            self._changed.notify_all()
        return await waiting.answer

    def stop(self) -> None:
        """End the threads; what waits is answered before."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while taken := self._next():
            answers: Sequence[list[Found] | BaseException]
            try:
                with self._guard.gathered():
                    answers = answered([each.steps for each in taken], self._embedded, self._gallery.look_up)
            except Exception as error:
                answers = [error] * len(taken)
            self._leave_model(is_done=True)
            taken[0].loop.call_soon_threadsafe(_hand_over, taken, answers)

    def _next(self) -> list[_Waiting]:
        """What is answered together; nothing when there will be no more. One thread at a time waits for others."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopped)
            until = monotonic() + self._wait
            while self._images() < self._embedder.batch_size and not self._is_stopped:
                left = until - monotonic()
                if left <= 0 and len(self._embedding) <= self._embedder.passes:
                    break
                self._changed.wait(left if left > 0 else None)
            taken: list[_Waiting] = []
            room = self._embedder.share(self._images(), among=len(self._threads) - self._under_way)  # who does nothing
            while self._waiting and (not taken or self._waiting[0].images <= room):
                taken.append(self._waiting.popleft())
                room -= taken[-1].images
            if taken:
                self._under_way += 1
                self._embedding.add(threading.get_ident())
            return taken

    def _leave_model(self, *, is_done: bool = False) -> None:
        """Let another thread's images go through the model."""
        with self._changed:
            self._embedding.discard(threading.get_ident())
            self._under_way -= is_done
            self._changed.notify_all()

    def _images(self) -> int:
        return sum(each.images for each in self._waiting)

    def _embedded(self, steps: Sequence[Embed]) -> list[Float[Tensor, "images dim"] | BaseException]:
        try:
            return self._embedder.embedded_together([(step.images, step.color) for step in steps])
        finally:
            self._leave_model()


def _hand_over(taken: Sequence[_Waiting], answers: Sequence[list[Found] | BaseException]) -> None:
    """Give each request its answer, in the event loop; one whose sender has gone takes none."""
    for waiting, answer in zip(taken, answers, strict=True):
        if waiting.answer.done():
            continue
        if isinstance(answer, BaseException):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
