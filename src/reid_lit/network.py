"""Whether something on the network can be reached, settled within a second."""

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

SECONDS = 1.0
"""How long a look may take before the machine counts as offline."""


def unreachable(url: str, *, seconds: float = SECONDS) -> str:
    """Why ``url`` cannot be fetched; empty when it can.

    Args:
        url: Asked for its head only; proxies of the environment are honoured.
        seconds: The limit of the whole look, a hanging name look-up included.
    """

    def ask() -> str:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError as error:
            return f"it answers {error.code}"
        except OSError as error:
            return str(getattr(error, "reason", error))
        return ""

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(ask).result(timeout=seconds)
    except FutureTimeoutError:
        return f"no answer within {seconds:.0f} s"
    finally:
        pool.shutdown(wait=False)
