"""The key that seals a gallery: read from a file or the environment, and written nowhere else."""

import hashlib
import hmac
import importlib.util
import os
import re
import secrets
import stat
from pathlib import Path

from reid_lit.errors import ExistingFileError, InputError, MissingFileError, MissingPackageError

VARIABLE = "REID_GALLERY_KEY"


class WrongKeyError(InputError):
    """A key that is not the gallery's."""


class Master:
    """A gallery's key of 256 bits; what is encrypted is encrypted with keys that are derived from it.

    Source: H. Krawczyk and P. Eronen, HMAC-based extract-and-expand key derivation (HKDF), RFC 5869.

    Args:
        key: 32 bytes.
        source: Where it was read, as a message names it.

    Raises:
        ModuleNotFoundError: the package that encrypts is not installed.
    """

    def __init__(self, key: bytes, *, source: str) -> None:
        if importlib.util.find_spec("cryptography") is None:
            raise MissingPackageError(
                "key: a sealed gallery needs the package cryptography; pip install 'reid-lit[gallery]' installs it"
            )
        self._key, self.source = key, source

    def derived(self, purpose: str, gallery: bytes) -> bytes:
        """A key of 32 bytes for one purpose in one gallery."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), 32, salt=gallery, info=f"reid_lit gallery {purpose}".encode()).derive(self._key)

    def check(self, gallery: bytes) -> bytes:
        """A value that is kept to know this key again, and says nothing of it."""
        return hmac.new(self.derived("check", gallery), gallery, hashlib.sha256).digest()


def read_master(key: str | None, *, name: str = "key") -> Master | None:
    """The key of ``@<file>``, else of ``REID_GALLERY_KEY`` in the environment; None where neither is given.

    Args:
        key: ``@`` and a file of 64 hexadecimal digits, which its owner alone may read; None: the environment.
        name: What the argument is called in messages, which never show the value of anything else.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no key, or others may read it.
    """
    if key is None:
        text = os.environ.get(VARIABLE)
        return None if text is None else Master(_parsed(text, VARIABLE), source=VARIABLE)
    return _from_file(_file_of(key, name), name)


def made_master(key: str, *, apart_from: Path, name: str = "key") -> Master:
    """The key of ``@<file>``, which is made where there is none.

    Args:
        key: ``@`` and a file.
        apart_from: The gallery's folder: a key in it would be copied and stolen with it.
        name: What the argument is called in messages.

    Raises:
        ValueError: the file would be in the gallery's folder, or is no key.
    """
    file = _file_of(key, name)
    if apart_from.resolve() in file.resolve().parents:
        raise InputError(f"{name}=@{file}: keep the key elsewhere; it is worth nothing beside what it seals")
    if not file.exists():
        _write_key(file, name)
    return _from_file(file, name)


def _from_file(file: Path, name: str) -> Master:
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="ascii")
    except FileNotFoundError:
        raise MissingFileError(f"{name}=@{file}: there is no such file; restore the key's file") from None
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "no text"
        raise InputError(f"{name}=@{file}: cannot be read ({said}); give a file of 64 hexadecimal digits") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise InputError(f"{name}=@{file}: others may read it; chmod 600 {file} leaves it to its owner")
    return Master(_parsed(text, f"{name}=@{file}"), source=f"{name}=@{file}")


def _write_key(file: Path, name: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ExistingFileError(f"{name}=@{file}: another process has just made it; try again") from None
    with os.fdopen(handle, "w") as text:
        text.write(f"{secrets.token_hex(32)}\n")
        text.flush()
        os.fsync(text.fileno())


def _file_of(key: str, name: str) -> Path:
    if not key.startswith("@") or len(key) == 1:  # what was given may be a key: it is not shown
        raise InputError(f"{name}: give @ and a file, or set {VARIABLE}; a key on a command line is read by others")
    return Path(key[1:]).expanduser()


def _parsed(text: str, where: str) -> bytes:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip(), re.ASCII):
        raise InputError(f"{where}: no key; a key has 64 hexadecimal digits, as openssl rand -hex 32 prints")
    return bytes.fromhex(text.strip())
