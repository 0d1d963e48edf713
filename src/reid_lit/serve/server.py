"""The server of ASGI, which says where it answers once it does."""

import socket
import sys

import uvicorn
from typing_extensions import override


class Telling(uvicorn.Server):
    """A server that prints some words once it answers.

    Args:
        settings: Uvicorn's.
        words: A line.
    """

    def __init__(self, settings: uvicorn.Config, words: str) -> None:
        super().__init__(settings)
        self._words = words

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"{self._words}\n")
        sys.stdout.flush()
