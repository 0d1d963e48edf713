"""Many threads, one model: the images that wait go through it together."""

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
    """Images that wait, where their embeddings go, and whether they have waited for others already."""

    images: Tensor
    answer: Future[Tensor]
    is_gathered: bool


class SharedEmbedder(Embedder):
    """An embedder that many threads may call: one thread takes what waits, up to the batch size, through the model.

    Each caller's images are decoded in its own thread.

    Args:
        embedder: It is used by no one else from now on.
        batch_size: Images that go through the model at once; None: as many as the embedder's.
        wait: How long an image waits for others, in seconds.
        check: Called with each upload before it is decoded; raises where it is refused.
        tell: Called with the images of a batch, and the seconds that it took.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        batch_size: int | None,
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
        self._changed = threading.Condition()
        self._is_stopped = self._is_busy = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether images can be embedded."""
        return self._thread.is_alive()

    @property
    def is_idle(self) -> bool:
        """Whether nothing goes through the model now, or waits for it."""
        return not self._is_busy and not self._waiting

    def stop(self) -> None:
        """End the thread; what waits is embedded before."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        self._thread.join()

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
            prepared = self._of_size(image for each in pixels.values() for image in each).split(self.batch_size)
            embedding = torch.cat([self._embedded_later(part, is_gathered=True) for part in prepared])
            rows = embedding.split([len(each) for each in pixels.values()])
            for place, embedding in zip(pixels, rows, strict=True):
                answers[place] = embedding
        return answers

    @override
    def embed_prepared(self, images: UInt8[Tensor, "images 3 height width"]) -> Float[Tensor, "images dim"]:
        return self._embedded_later(images, is_gathered=False)

    def _embedded_later(self, images: Tensor, *, is_gathered: bool) -> Tensor:
        asked = _Asked(images, Future(), is_gathered)
        with self._changed:
            if self._is_stopped or not self.is_alive:
                raise FailedError("the service is ending; ask again when it is back")
            self._waiting.append(asked)
            self._changed.notify()
        return asked.answer.result()

    def _work(self) -> None:
        while batch := self._next():
            start = monotonic()
            try:
                embedding = super().embed_prepared(torch.cat([asked.images for asked in batch]))
            except Exception as error:  # whoever waits is told, whatever it is
                for asked in batch:
                    asked.answer.set_exception(error)
            else:
                for asked, rows in zip(batch, embedding.split([len(asked.images) for asked in batch]), strict=True):
                    asked.answer.set_result(rows)
                self._tell(len(embedding), monotonic() - start)
            self._is_busy = False

    def _next(self) -> list[_Asked]:
        """What goes through the model together; nothing when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopped)
            self._changed.wait_for(self._is_whole, self._wait)
            batch: list[_Asked] = []
            room = self.batch_size
            while self._waiting and (not batch or len(self._waiting[0].images) <= room):
                batch.append(self._waiting.popleft())
                room -= len(batch[-1].images)
            self._is_busy = bool(batch)
            return batch

    def _is_whole(self) -> bool:
        """Whether nothing more is waited for."""
        gathered = any(asked.is_gathered for asked in self._waiting)
        return gathered or self._images() >= self.batch_size or self._is_stopped

    def _images(self) -> int:
        return sum(len(asked.images) for asked in self._waiting)
