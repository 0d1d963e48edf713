"""What a service counts, for Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts of one service; none tells whom it was asked about."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "reid_requests", "Requests that were answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "reid_request_seconds", "From request to answer.", ["route"], buckets=SECONDS, registry=self.registry
        )
        self.waiting = Gauge("reid_requests_running", "Requests that are being answered.", registry=self.registry)
        self.images = Counter("reid_images", "Images that went through the model.", registry=self.registry)
        self.batches = Histogram(
            "reid_batch_images", "Images that went through it together.", buckets=BATCHES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "reid_batch_seconds", "How long that took.", buckets=SECONDS, registry=self.registry
        )
        self.refusals = Counter("reid_refusals", "Requests that were refused.", ["why"], registry=self.registry)

    def batch(self, images: int, seconds: float) -> None:
        """Count what went through the model."""
        self.images.inc(images)
        self.batches.observe(images)
        self.batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)


class Counted:
    """Counts requests.

    Args:
        app: What answers.
        metrics: Where they are counted.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            with self.metrics.waiting.track_inprogress():
                await self.app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(time.monotonic() - start)
