"""Tiles of stripes, each worked on by one core."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch
from threadpoolctl import threadpool_limits

from reid_lit.evaluation.stripes import Tiles

AT_MOST = 8
"""Threads: each holds a tile of some megabytes."""


class TileWorkers:
    """Threads of one core each, with a tile of their own; on a GPU the calling thread alone.

    The steps of a tile take microseconds. Cores that share each of them wait longer for each other than they work.

    Args:
        stripes: Of an image.
        device: Of the embeddings.
        matching: As in :class:`.local_distance.LocalDistance`.

    Attributes:
        one: A tile for the calling thread.
    """

    def __init__(self, stripes: int, device: torch.device, matching: str) -> None:
        self.one = Tiles(stripes, device, matching)
        own = threading.local()

        def begin() -> None:
            threadpool_limits(1, user_api="openmp")  # of this thread; others keep theirs
            own.tiles = Tiles(stripes, device, matching)

        threads = min(torch.get_num_threads(), AT_MOST) if device.type == "cpu" else 1
        self._own = own
        self._pool = ThreadPoolExecutor(threads, initializer=begin) if threads > 1 else None

    def each(self, task: Callable[[Tiles, int], None], items: Iterable[int]) -> None:
        """Do the task for every item, in no order."""
        if self._pool is None:
            for item in items:
                task(self.one, item)
            return

        @torch.no_grad()  # a thread has its own
        def apart(item: int) -> None:
            task(self._own.tiles, item)

        for _ in self._pool.map(apart, items):
            pass
