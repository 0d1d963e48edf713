"""What may come in: so many bytes, images of so many pixels, and requests of our own pages alone."""

import io
from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi import HTTPException
from PIL import Image
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reid_lit.errors import InputError
from reid_lit.files.image import FORMATS, open_image
from reid_lit.serve.listening import is_loopback

LEAST_SIDE = 8
"""Pixels of an image's width and height, below which it shows no person."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every answer."""


def size_check(max_pixels: int) -> Callable[[bytes], None]:
    """A function that refuses an image by its header, before anything is decoded.

    Args:
        max_pixels: Width × height, at most.
    """

    def check(content: bytes) -> None:
        try:
            with open_image(io.BytesIO(content)) as image:
                width, height = image.size
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(f"the image is refused: {error}") from None
        except (OSError, SyntaxError, ValueError, EOFError, IndexError):
            raise InputError(f"the upload is no image that can be read; give {', '.join(FORMATS)}") from None
        if width * height > max_pixels:
            raise InputError(
                f"the image has {width:,} × {height:,} pixels, and max_pixels={max_pixels:,}; give the crop of a person"
            )
        if min(width, height) < LEAST_SIDE:
            raise InputError(f"the image has {width} × {height} pixels; give one of {LEAST_SIDE} or more each way")

    return check


class Door:
    """What every request passes: limits of its size and its sender, and the headers of every answer.

    A page of another site could send requests to a service on this machine in the user's name. So a request that a
    browser says is another site's is refused. Where no token is needed, so is one by another name than the loopback's,
    which a foreign DNS server may have led here.

    Args:
        app: What answers.
        max_bytes: Of a request.
        is_local: Whether requests may come by the loopback's names alone.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, is_local: bool) -> None:
        self.app, self.max_bytes, self.is_local = app, max_bytes, is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or leave it to the app."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = self._refused(Headers(scope=scope))
        if refused is not None:
            await JSONResponse({"detail": refused[1]}, refused[0])(scope, receive, answer)
            return
        await self.app(scope, self._counted(receive), answer)

    def _refused(self, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self.is_local and not is_loopback(name_of(host)):
            return 421, f"host {host!r}: this service answers on its own machine alone, as localhost"
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != host:
            return 403, f"a page of {origin} asked; only this service's own page may"
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.max_bytes:
            return 413, self._too_large()
        return None

    def _too_large(self) -> str:
        return f"the request has more than max_upload_mb={self.max_bytes / 1e6:g}; send fewer or smaller images"

    def _counted(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.max_bytes:
                raise HTTPException(413, self._too_large())  # FastAPI lets this one through
            return message

        return counted


def name_of(host: str) -> str:
    """The name of a ``Host`` header, without its port.

    >>> name_of("localhost:8000"), name_of("[::1]:8000"), name_of("127.0.0.1"), name_of("[")
    ('localhost', '::1', '127.0.0.1', '')
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # no address of IPv6
        return ""


def _place_of(origin: str) -> str:
    """The host and port of an ``Origin`` header; empty where it has none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
