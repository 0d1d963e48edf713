"""How long rows are kept: by the number that the rows had reached at known times."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock

from reid_lit.errors import InputError
from reid_lit.paths import write_text
from reid_lit.safeguards.moments import now

FILE = "retention.json"


class Retention:
    """When rows were enrolled: numbers rise, so a mark of time and number dates all rows up to it.

    Args:
        folder: The gallery's folder.
        clock: Gives the time.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = now) -> None:
        self.file, self._clock = folder / FILE, clock
        self._lock = FileLock(folder / ".retention.lock")

    def mark(self, last: int) -> None:
        """Note that rows up to this number are there by now."""
        with self._lock:
            marks = self._marks()
            if last >= 0 and (not marks or marks[-1][1] < last):
                self._write([*marks, (self._clock(), last)])

    def over(self, ttl: timedelta) -> int | None:
        """The greatest number of the rows that were enrolled so long ago; None without any."""
        limit = self._clock() - ttl
        return max((last for moment, last in self._marks() if moment <= limit), default=None)

    def forget(self, last: int) -> None:
        """Drop the marks up to a number, whose rows were erased."""
        with self._lock:
            self._write([(moment, each) for moment, each in self._marks() if each > last])

    def _marks(self) -> list[tuple[datetime, int]]:
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            return [(datetime.fromisoformat(moment), int(last)) for moment, last in content["marks"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.file} is damaged ({error}); restore it, or remove it: rows count as enrolled now"
            ) from None

    def _write(self, marks: list[tuple[datetime, int]]) -> None:
        content = {"marks": [(moment.isoformat(), last) for moment, last in marks]}
        write_text(self.file, json.dumps(content, indent=1) + "\n")
