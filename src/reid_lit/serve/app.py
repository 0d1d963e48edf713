"""The requests that a service answers; each goes through the gallery's guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

import anyio.to_thread
from fastapi import Depends, FastAPI, Header
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.formparsers import MultiPartParser

from reid_lit.cards.card import card_of
from reid_lit.gallery.facts import folder_of
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.guarded import GuardedGallery
from reid_lit.kinds import said
from reid_lit.safeguards.guard import Caller, Guard
from reid_lit.serve.about import about, session_of
from reid_lit.serve.batching import SharedEmbedder
from reid_lit.serve.failures import answer_failures
from reid_lit.serve.metrics import Counted, Metrics
from reid_lit.serve.pages import add_pages
from reid_lit.serve.queries import Queries
from reid_lit.serve.routes import add_routes
from reid_lit.serve.uploads import Door, size_check

THREADS = 128
"""Requests that wait for the model or the disk at the same time; the event loop waits for none of them."""
_BEARER = HTTPBearer(auto_error=False, description="A token of python -m reid_lit.gallery token.")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What is taken at once.

    Attributes:
        batch_size: Images that go through the model together; None: the run's.
        wait: How long an image waits for others, in seconds.
        max_bytes: Of a request.
        max_pixels: Of an image.
        max_images: Of a request.
    """

    batch_size: int | None
    wait: float
    max_bytes: int
    max_pixels: int
    max_images: int


def make_app(gallery: Gallery, guard: Guard, *, sizes: Sizes) -> FastAPI:
    """The service of a gallery, for any server of ASGI; it must run in one process.

    Args:
        gallery: Its model is read now, and used by this service alone from now on.
        guard: Its policy.
        sizes: What is taken at once.
    """
    metrics = Metrics()
    shared = SharedEmbedder(
        gallery.embedder,
        batch_size=sizes.batch_size,
        wait=sizes.wait,
        check=size_check(sizes.max_pixels),
        tell=metrics.batch,
    )
    gallery.embedder = shared
    queries = Queries(gallery, shared, guard, wait=sizes.wait)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield
        queries.stop()
        shared.stop()

    MultiPartParser.spool_max_size = sizes.max_bytes + 1  # an upload stays in memory: none of it gets to the disk
    app = FastAPI(
        title=f"The gallery {gallery.folder.resolve().name}",
        description=said(
            "Images of persons, looked up by a trained model. Each request goes by the gallery's policy.",
            gallery.facts.kind,
        ),
        docs_url=None,  # FastAPI's own pages load scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )

    async def guarded(  # it waits for nothing, and so needs no thread
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        purpose: Annotated[
            str | None, Header(alias="X-Purpose", description="What for; percent-encoded where it is not ASCII.")
        ] = None,
    ) -> GuardedGallery:
        """The gallery as this caller may use it."""
        token = None if bearer is None else bearer.credentials
        return GuardedGallery(gallery, guard, Caller(token=token, purpose=unquote(purpose) if purpose else None))

    add_routes(app, guarded, queries, max_images=sizes.max_images)
    add_pages(app, gallery.facts.kind)

    @app.get("/about", tags=["service"])
    def what_it_is() -> JSONResponse:
        """What this gallery is, and what its policy asks for."""
        return JSONResponse(about(gallery, guard))

    @app.get("/card", tags=["service"], response_class=Response)
    def model_card() -> Response:
        """The card of the model, Markdown: what it learnt from, its scores, what it may be used for, and its limits."""
        return Response(
            card_of(folder_of(gallery.facts.run)).text(),
            media_type="text/markdown; charset=utf-8",
        )

    @app.get("/session", tags=["service"])
    def who_i_am(asked: Annotated[GuardedGallery, Depends(guarded)]) -> JSONResponse:
        """Whose token it is, and what it may be used for."""
        return JSONResponse(session_of(guard, asked.caller))

    @app.get("/health", tags=["service"])
    async def health() -> JSONResponse:
        """Whether images can be embedded."""
        return JSONResponse({"status": "ok" if shared.is_alive else "ending"}, 200 if shared.is_alive else 503)

    @app.get("/metrics", tags=["service"], response_class=Response)
    async def counts() -> Response:
        """Counts for Prometheus; they tell of nobody."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    answer_failures(app, metrics)
    app.add_middleware(Door, max_bytes=sizes.max_bytes, is_local=guard.policy.tokens != "required")
    app.add_middleware(Counted, metrics=metrics)
    return app
