"""What went wrong, as an answer: a status and a line that says what helps."""

import errno

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from reid_lit.errors import FailedError, MissingFileError, UserError
from reid_lit.safeguards.refusals import AccessError, PurposeError, RateError, TokenError
from reid_lit.serve.metrics import Metrics

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DISK_FULL = "the disk is full; what was not acknowledged is not enrolled; make room, then go on"
_CURES = {
    TokenError: "; over HTTP it is the header Authorization: Bearer <token>",
    PurposeError: "; over HTTP it is the header X-Purpose",
}


def answer_failures(app: FastAPI, metrics: Metrics) -> None:
    """Give every error its answer.

    Args:
        app: Which raises them.
        metrics: Where refusals are counted.
    """

    def answer(error: Exception, status: int, line: str, headers: dict[str, str] | None = None) -> JSONResponse:
        metrics.refusals.labels(type(error).__name__).inc()
        return JSONResponse({"detail": line}, status, headers)

    @app.exception_handler(UserError)
    async def refused(_: Request, error: Exception) -> JSONResponse:
        return answer(error, _status(error), _line(error), _headers(error))

    @app.exception_handler(RequestValidationError)
    async def misread(_: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        lines = [f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}" for fault in faults]
        return answer(error, 422, "; ".join(lines) or str(error))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        status = getattr(error, "status_code", 500)
        words = {404: f"no {request.url.path}; /docs lists what there is", 405: f"not by {request.method}; see /docs"}
        return answer(error, status, words.get(status, str(getattr(error, "detail", error))))

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        if is_full(error):
            return answer(error, 507, _DISK_FULL)
        return answer(error, 500, "the service failed; its own output says where")


def is_full(error: BaseException) -> bool:
    """Whether a disk has no room: the operating system's number, or what an engine says of it."""
    return getattr(error, "errno", None) in _FULL or "No space left on device" in str(error)


def _status(error: Exception) -> int:
    if isinstance(error, AccessError):
        return error.status
    kinds = ((MissingFileError, 404), (FailedError, 503))
    return next((status for kind, status in kinds if isinstance(error, kind)), 422)


def _line(error: Exception) -> str:
    return str(error) + next((cure for kind, cure in _CURES.items() if isinstance(error, kind)), "")


def _headers(error: Exception) -> dict[str, str] | None:
    if isinstance(error, TokenError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RateError) and error.seconds < float("inf"):
        return {"Retry-After": str(int(error.seconds) + 1)}
    return None
