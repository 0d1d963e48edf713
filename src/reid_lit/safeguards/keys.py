"""The key of an audit log: outside of the gallery, in a file or in the environment."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from reid_lit.errors import ExistingFileError, InputError, MissingFileError

FILE = "audit.key"
VARIABLE = "REID_AUDIT_KEY"


def make_key(folder: Path) -> Path | None:
    """Write a new key into a folder, for its owner alone; None where the environment has one.

    Raises:
        FileExistsError: there is one: it may be that of another gallery's log.
    """
    if VARIABLE in os.environ:
        read_key(folder)
        return None
    file = folder / FILE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ExistingFileError(f"audit={folder}: {FILE} is there already; give a folder of its own") from None
    with os.fdopen(handle, "w") as text:
        text.write(secrets.token_hex(32) + "\n")
        text.flush()
        os.fsync(text.fileno())
    return file


def read_key(folder: Path) -> bytes:
    """The key: ``REID_AUDIT_KEY`` of the environment, or the file ``audit.key`` of a folder.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: it is no key of 64 hexadecimal digits, or cannot be read.
    """
    file, text = folder / FILE, os.environ.get(VARIABLE)
    where = f"{VARIABLE} in the environment" if text is not None else str(file)
    try:
        text = file.read_text(encoding="ascii") if text is None else text
    except FileNotFoundError:
        raise MissingFileError(f"no key of the audit log: {file} is not there; restore it, or set {VARIABLE}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'no text'})") from None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip(), re.ASCII):
        raise InputError(f"{where} is no key: it has 64 hexadecimal digits, as of openssl rand -hex 32")
    return bytes.fromhex(text.strip())


def sealed(key: bytes, content: bytes) -> str:
    """The HMAC-SHA256 of some bytes, in hexadecimal digits."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def is_sealed(key: bytes, content: bytes, seal: str) -> bool:
    """Whether a seal is that of some bytes."""
    return hmac.compare_digest(sealed(key, content).encode(), seal.encode())
