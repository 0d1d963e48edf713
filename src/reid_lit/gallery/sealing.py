"""A row of a sealed gallery: what is known of an image, encrypted by a data key and bound to its place."""

import json
import os
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jaxtyping import Float32

from reid_lit.errors import InputError

_HEAD = struct.Struct("<II")  # bytes of the facts; bytes of the thumbnail and one, 0 without a thumbnail
_STEP = 256
"""A row takes a multiple of so many bytes, so that its length says little of its path and person."""
_NONCE = 12
_FACTS = 5
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Place(NamedTuple):
    """What a row's ciphertext is bound to: moved to another place, it cannot be opened.

    Attributes:
        gallery: 16 random bytes.
        number: Of the row.
        owner: Of its data key, hexadecimal.
        id: Of the row, hexadecimal.
    """

    gallery: bytes
    number: int
    owner: str
    id: str

    def as_bytes(self) -> bytes:
        """The associated data of AES-GCM."""
        return b"reid_lit row 1 %b%b%b%b" % (
            self.gallery,
            self.number.to_bytes(8, "big"),
            bytes.fromhex(self.owner),
            bytes.fromhex(self.id),
        )


def sealed(plain: bytes, key: bytes, place: Place) -> bytes:
    """Nonce, ciphertext and tag of AES-256-GCM.

    Source: NIST SP 800-38D; the nonce is random (8.2.2), and a key seals far fewer than 2³² rows.
    """
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, place.as_bytes())


def opened(content: bytes, cipher: AESGCM, place: Place) -> bytes:
    """What was sealed.

    Raises:
        ValueError: it is damaged, or was sealed for another place.
    """
    try:
        return cipher.decrypt(content[:_NONCE], content[_NONCE:], place.as_bytes())
    except (InvalidTag, ValueError):
        raise InputError(
            f"row {place.number} cannot be opened: it is damaged, or was put in another's place; restore the store from"
            f" a copy, or give such rows up: python -m reid_lit.gallery erase gallery=<folder> damaged=true"
        ) from None


def packed(row: dict[str, Any], vector: Float32[np.ndarray, " dim"]) -> bytes:
    """A row as bytes: its vector, its facts, its thumbnail."""
    time, small = row["time"], row["thumbnail"]
    moment = None if time is None else (time - _START) // _MICROSECOND
    facts = json.dumps([row["id"], row["path"], row["person"], row["camera"], moment])[1:-1].encode()
    head = _HEAD.pack(len(facts), 0 if small is None else len(small) + 1)
    content = b"".join([head, vector.astype("<f4").tobytes(), facts, small or b""])
    return content + bytes(-len(content) % _STEP)


def facts_of(plain: Sequence[bytes], dim: int) -> list[list[Any]]:
    """Ids, paths, persons, cameras and times (microseconds since 1970) of rows."""
    start = _HEAD.size + 4 * dim
    facts = [row[start : start + _HEAD.unpack_from(row)[0]] for row in plain]
    flat = json.loads(b"[%b]" % b",".join(facts))  # a list for each row would have Python look for garbage all the time
    return [flat[column::_FACTS] for column in range(_FACTS)]


def vectors_of(plain: Sequence[bytes], dim: int) -> Float32[np.ndarray, "rows dim"]:
    """The vectors of rows."""
    end = _HEAD.size + 4 * dim
    return np.frombuffer(b"".join([row[_HEAD.size : end] for row in plain]), "<f4").reshape(-1, dim)


def thumbnail_of(plain: bytes, dim: int) -> bytes | None:
    """The thumbnail of a row."""
    facts, small = _HEAD.unpack_from(plain)
    start = _HEAD.size + 4 * dim + facts
    return plain[start : start + small - 1] if small else None
