"""Many threads, one model: the images that wait go through it together, on a CPU in several passes beside each other.

A forward pass of a small network does not keep several cores busy: two passes of one core each embed more images
than one pass of two cores. Only a pass of few images that is alone takes all cores, as nobody else wants them.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from typing_extensions import override

from reid_lit.errors import FailedError
from reid_lit.testing.embedder import AnImage, Embedder


class _Asked(NamedTuple):
    """Images that wait, where their embeddings go, and whether they go through the model without others."""

    images: Tensor
    answer: Future[Tensor]
    is_gathered: bool


SMALLEST = 8
"""Images of a pass that are not split further: fewer cost more each."""


def passes_of(embedder: Embedder) -> int:
    """Forward passes that may run beside each other: one for each of torch's threads on a CPU, else 1.

    A GPU, and the runtime of a graph, share their work out themselves.
    """
    on_cpu = embedder.device.type == "cpu" and embedder.model.runtime == "torch"
    return torch.get_num_threads() if on_cpu else 1


class SharedEmbedder(Embedder):
    """An embedder that many threads may call: what waits goes through the model together, up to the batch size.

    Each caller's images are decoded in its own thread.

    Args:
        embedder: It is used by no one else from now on.
        batch_size: Images that go through the model in one pass; None: as many as the embedder's.
        passes: How many passes may run beside each other; None: see :func:`passes_of`.
        wait: How long an image waits for others, in seconds.
        check: Called with each upload before it is decoded; raises where it is refused.
        tell: Called with the images of a batch, and the seconds that it took.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        batch_size: int | None,
        passes: int | None = None,
        wait: float,
        check: Callable[[bytes], None],
        tell: Callable[[int, float], None],
    ) -> None:
        super().__init__(
            model=embedder.model,
            transform=embedder.transform,
            batch_size=batch_size or embedder.batch_size,
            precision=embedder.precision,
            value_range=embedder.value_range,
        )
        self._wait, self._check, self._tell = wait, check, tell
        self._waiting: deque[_Asked] = deque()
        self._changed, self._turn = threading.Condition(), threading.Lock()
        self._is_stopped, self._running = False, 0
        self.passes = passes or passes_of(embedder)
        self._threads = [threading.Thread(target=self._work, name="model", daemon=True) for _ in range(self.passes)]
        self._cores = torch.get_num_threads()
        for thread in self._threads:
            thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether images can be embedded."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def free(self) -> int:
        """How many passes could begin now, with what does not wait yet."""
        return max(0, self.passes - self._running - len(self._waiting))

    def stop(self) -> None:
        """End the threads; what waits is embedded before."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    @override
    def forward(
        self, images: AnImage | Iterable[Any], *, color: str | None = None, normalize: bool = False
    ) -> Float[Tensor, "images dim"]:
        return super().forward(self._checked_uploads(images), color=color, normalize=normalize)

    @override
    def prepared(
        self, images: AnImage | Iterable[Any], *, color: str | None = None
    ) -> UInt8[Tensor, "images 3 height width"]:
        return super().prepared(self._checked_uploads(images), color=color)

    def _checked_uploads(self, images: AnImage | Iterable[Any]) -> AnImage | Iterable[Any]:
        for image in images if isinstance(images, list) else [images]:
            if isinstance(image, bytes):
                self._check(image)
        return images

    def embedded_together(
        self, asked: Sequence[tuple[list[Any], str | None]]
    ) -> list[Float[Tensor, "images dim"] | BaseException]:
        """The embeddings of several lists of images that were gathered, in one pass; or why a list has none.

        Args:
            asked: Images, and the colour order of arrays among them.
        """
        answers: list[Tensor | BaseException] = [FailedError("not embedded")] * len(asked)
        pixels: dict[int, list[np.ndarray]] = {}
        for place, (images, color) in enumerate(asked):
            try:
                pixels[place] = self._read(self._checked_uploads(images), color)
            except Exception as error:
                answers[place] = error
        if pixels:
            embedding = self._embedded_later(
                self._of_size(image for each in pixels.values() for image in each), is_gathered=True
            )
            rows = embedding.split([len(each) for each in pixels.values()])
            for place, embedding in zip(pixels, rows, strict=True):
                answers[place] = embedding
        return answers

    @override
    def embed_prepared(self, images: UInt8[Tensor, "images 3 height width"]) -> Float[Tensor, "images dim"]:
        return self._embedded_later(images, is_gathered=False)

    def _embedded_later(self, images: Tensor, *, is_gathered: bool) -> Tensor:
        parts = images.split(self.share(len(images), among=self.free))
        asked = [_Asked(part, Future(), is_gathered or len(parts) > 1) for part in parts]
        with self._changed:
            if self._is_stopped or not self.is_alive:
                raise FailedError("the service is ending; ask again when it is back")
            self._waiting.extend(asked)
            self._changed.notify()
        return torch.cat([each.answer.result() for each in asked])

    def share(self, images: int, *, among: int) -> int:
        """How many images go together, so that each of those ``among`` whom they are shared out has some."""
        return min(self.batch_size, max(SMALLEST, -(-images // max(1, among))))

    def _work(self) -> None:
        while batch := self._next():
            start = monotonic()
            images = torch.cat([asked.images for asked in batch])
            try:
                self._take_cores(len(images))
                embedding = super().embed_prepared(images)
            except Exception as error:  # whoever waits is told, whatever it is
                for asked in batch:
                    asked.answer.set_exception(error)
            else:
                for asked, rows in zip(batch, embedding.split([len(asked.images) for asked in batch]), strict=True):
                    asked.answer.set_result(rows)
                self._tell(len(embedding), monotonic() - start)
            with self._changed:
                self._running -= 1

    def _take_cores(self, images: int) -> None:
        """Share the cores out; torch keeps the number for each thread."""
        if self.passes > 1:
            alone = images < SMALLEST and self._running == 1 and not self._waiting
            torch.set_num_threads(self._cores if alone else max(1, self._cores // self.passes))

    def _next(self) -> list[_Asked]:
        """What goes through the model together; nothing when there will be no more. One thread at a time waits."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopped)
            self._changed.wait_for(self._is_whole, self._wait)
            batch: list[_Asked] = []
            room = self.batch_size
            while self._waiting and (not batch or len(self._waiting[0].images) <= room):
                batch.append(self._waiting.popleft())
                room -= len(batch[-1].images)
                if batch[-1].is_gathered:
                    break  # others have been waited for; what is behind it is for another pass
            self._running += bool(batch)
            return batch

    def _is_whole(self) -> bool:
        """Whether nothing more is waited for."""
        gathered = any(asked.is_gathered for asked in self._waiting)
        return gathered or self._images() >= self.batch_size or self._is_stopped

    def _images(self) -> int:
        return sum(len(asked.images) for asked in self._waiting)
