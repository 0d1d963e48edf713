"""Lines that follow one another: each holds its number and the seal of the line before, under a seal of its own."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reid_lit.errors import InputError
from reid_lit.safeguards.keys import is_sealed, sealed
from reid_lit.wording import counted

BEGINNING = "0" * 64
"""What the first line has in place of the seal of the line before it."""
_SEAL = b',"seal":"'
_END = b'"}\n'
_SEALED = len(_SEAL) + 64 + len(_END)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the log.

    Attributes:
        number: From 1.
        after: The seal of the line before.
        seal: The HMAC-SHA256 of all bytes before it.
        fields: What it says.
        text: Its bytes.
    """

    number: int
    after: str
    seal: str
    fields: dict[str, Any]
    text: bytes


def made_line(key: bytes, record: Mapping[str, Any], *, after: Line | None) -> Line:
    """A new line."""
    number, before = (1, BEGINNING) if after is None else (after.number + 1, after.seal)
    fields = {"n": number, **record, "after": before}
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    body = text.encode(errors="backslashreplace")[:-1]  # half a surrogate pair becomes its escape in JSON
    seal = sealed(key, body)
    return Line(number=number, after=before, seal=seal, fields=fields, text=body + _SEAL + seal.encode() + _END)


def line_of(key: bytes | None, text: bytes) -> Line | None:
    """A line of the log; None where it is none, or its seal is not the key's.

    Args:
        key: None: any seal will do.
        text: The bytes of the line, its end included.
    """
    body, end = text[:-_SEALED], text[-_SEALED:]
    if not (end.startswith(_SEAL) and end.endswith(_END)):
        return None
    try:
        seal = end[len(_SEAL) : -len(_END)].decode("ascii")
        if key is not None and not is_sealed(key, body, seal):
            return None
        fields = json.loads(body + b"}")
        return Line(number=int(fields["n"]), after=str(fields["after"]), seal=seal, fields=fields, text=text)
    except (ValueError, KeyError, TypeError):
        return None


def whole_and_torn(text: bytes) -> tuple[list[bytes], bytes]:
    """The lines of a text, and what stands behind its last line's end."""
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]], parts[-1]


@dataclass(frozen=True, kw_only=True)
class Head:
    """How many lines a log has, and the seal of the last."""

    lines: int
    seal: str

    def as_text(self, key: bytes) -> str:
        """JSON, under a seal of its own."""
        seal = sealed(key, f"head {self.lines} {self.seal}".encode())
        return json.dumps({"lines": self.lines, "head": self.seal, "seal": seal}, indent=1) + "\n"

    @classmethod
    def of_text(cls, key: bytes, text: str) -> "Head":
        """What :meth:`as_text` wrote.

        Raises:
            ValueError: it was changed, or written with another key.
        """
        try:
            content = json.loads(text)
            lines, head, seal = int(content["lines"]), str(content["head"]), str(content["seal"])
        except (KeyError, TypeError):
            lines, head, seal = 0, "", ""
        if not is_sealed(key, f"head {lines} {head}".encode(), seal):
            raise InputError("the head's seal is not that of the key")
        return cls(lines=lines, seal=head)


class Reading:
    """A log that is read through, line by line.

    Args:
        key: The log's.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._place, self._number, self._seal = 0, 0, BEGINNING
        self._bad: list[int] = []

    def read(self, text: bytes) -> Iterator[str]:
        """What is wrong before the next line, now that it is known."""
        self._place += 1
        line = line_of(self._key, text)
        if line is None:
            self._bad.append(self._place)
            return
        follows = self._bad or line.number != self._number + 1 or line.after == self._seal
        yield from self._unexplained(max(0, line.number - self._number - 1), upto=line.number - 1)
        if line.number <= self._number:
            yield f"line {self._place} is number {line.number}, which belongs before it: repeated or out of order"
            return
        if not follows:
            yield f"line {self._place} does not follow the line before it"
        self._number, self._seal = line.number, line.seal

    def end(self, head: Head | None) -> Iterator[str]:
        """What is wrong with the end, beside what the head says."""
        if head is None:
            yield from self._unexplained(len(self._bad), upto=self._number + len(self._bad))
        elif head.lines > self._number:
            yield from self._unexplained(head.lines - self._number, upto=head.lines, at_end=True)
        else:
            yield from self._unexplained(0, upto=self._number)
            if head.lines == self._number and head.seal != self._seal:
                yield f"line {self._place} is another one than the head says"

    def _unexplained(self, missing: int, *, upto: int, at_end: bool = False) -> Iterator[str]:
        """Lines with a wrong seal, beside the numbers that are missing where they stand."""
        bad, self._bad = self._bad, []
        if bad and missing:
            yield f"{_places(bad)} changed, or not written with this key"
        elif bad:
            yield f"{_places(bad)} inserted, or not written with this key"
        if missing > len(bad):
            gone = missing - len(bad)
            first, what = upto - gone + 1, "cut off at its end" if at_end else "missing"
            numbers = f"number {upto} is" if gone == 1 else f"numbers {first} to {upto} are"
            yield f"{numbers} {what} ({counted(gone, 'line')})" if not bad else f"{counted(gone, 'line')} {what} there"


def _places(places: list[int]) -> str:
    return f"line {places[0]} was" if len(places) == 1 else f"lines {places[0]} to {places[-1]} were"
