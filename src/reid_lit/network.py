"""Whether something on the network can be reached, settled within a second."""

import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

SECONDS = float(os.environ.get("REID_NETWORK_SECONDS", "1"))
"""Seconds without an answer after which the machine counts as offline; give more behind a slow proxy."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Accepts a redirection as an answer, without following it."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def unreachable(url: str, *, seconds: float = SECONDS) -> str:
    """Why ``url`` cannot be fetched; empty if it can.

    Args:
        url: Only its head is asked for, through the proxies of the environment.
        seconds: The limit for everything, a name look-up that hangs included.
    """

    def ask() -> str:
        try:
            opener = urllib.request.build_opener(_Stay)
            opener.open(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError as error:
            return f"it answers {error.code}" if error.code >= 400 else ""
        except OSError as error:
            return str(getattr(error, "reason", error))
        return ""

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(ask).result(timeout=seconds)
    except FutureTimeoutError:
        return f"no answer within {seconds:g} s; REID_NETWORK_SECONDS sets another limit"
    finally:
        pool.shutdown(wait=False)
