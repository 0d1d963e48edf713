"""Tokens: who asks, and in which roles. A token is shown once; its SHA-256 is kept."""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from reid_lit.errors import ExistingFileError, InputError
from reid_lit.paths import write_whole
from reid_lit.safeguards.moments import now
from reid_lit.safeguards.policy import ROLES
from reid_lit.safeguards.refusals import TokenError
from reid_lit.wording import unknown

FILE = "tokens.json"
_START = "reid_"
_SHAPE = re.compile(rf"{_START}[A-Za-z0-9_-]{{43}}")  # 256 bit in base64url
_NAME = re.compile(r"[A-Za-z0-9][\w.@-]{0,63}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is kept of a token.

    Attributes:
        name: Who has it.
        roles: Some of :data:`~reid_lit.safeguards.policy.ROLES`.
        digest: The SHA-256 of the token, which is as random as its 256 bits: no salt, no slow hash is needed.
        made: When, ISO 8601 in UTC.
        expires: From when on it is refused; None: never.
        revoked: When it was revoked; None: it was not.
    """

    name: str
    roles: tuple[str, ...]
    digest: str
    made: str
    expires: str | None
    revoked: str | None

    def state(self, at: datetime) -> str:
        """``valid``, ``expired`` or ``revoked``."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and datetime.fromisoformat(self.expires) <= at else "valid"


class Tokens:
    """The tokens of a gallery, in its ``tokens.json``, which its owner alone may read.

    Args:
        folder: The gallery's folder.
        clock: Gives the time.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = now) -> None:
        self.file, self._clock = folder / FILE, clock
        self._lock = FileLock(folder / ".tokens.lock")

    def all(self) -> list[Token]:
        """All tokens, by the time that they were made.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            return [Token(**each | {"roles": tuple(each["roles"])}) for each in content["tokens"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.file} is damaged ({error}); restore it from a copy") from None

    def make(self, name: str, roles: Sequence[str], *, expires: datetime | None) -> str:
        """Make a token; it is returned, and kept nowhere.

        Args:
            name: Who gets it; letters, digits and ``. _ @ -``.
            roles: One role or several.
            expires: From when on it is refused; None: never.

        Raises:
            FileExistsError: one has this name, valid or not: the log knows tokens by their name.
            ValueError: the name or a role is none.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"make={name}: give a name of letters, digits, dots, dashes, _ and @, at most 64")
        for role in roles:
            if role not in ROLES:
                raise InputError(unknown("role", role, ROLES))
        if not roles:
            raise InputError(f"roles=[]: give one or several of {', '.join(ROLES)}")
        secret = _START + secrets.token_urlsafe(32)
        with self._lock:
            before = self.all()
            if name in {token.name for token in before}:
                raise ExistingFileError(f"make={name}: a token had this name already; give another, such as {name}.2")
            made = Token(
                name=name,
                roles=tuple(role for role in ROLES if role in roles),
                digest=_digest(secret),
                made=self._clock().isoformat(),
                expires=None if expires is None else expires.isoformat(),
                revoked=None,
            )
            self._write([*before, made])
        return secret

    def revoke(self, name: str) -> Token:
        """Refuse a token from now on; one that was revoked stays so.

        Raises:
            ValueError: none has this name.
        """
        with self._lock:
            tokens = self.all()
            names = [token.name for token in tokens]
            if name not in names:
                raise InputError(unknown("token", name, names) if names else f"no token {name!r}; there are none")
            at = self._clock().isoformat()
            revoked = {
                token.name: replace(token, revoked=token.revoked or at) for token in tokens if token.name == name
            }
            self._write([revoked.get(token.name, token) for token in tokens])
        return revoked[name]

    def check(self, secret: str | None) -> Token:
        """Whose token it is.

        Raises:
            PermissionError: it is missing, wrong, unknown, expired or revoked.
        """
        if not secret:
            raise TokenError("this gallery needs a token; give it as REID_TOKEN in the environment, or token=@<file>")
        if not _SHAPE.fullmatch(secret):
            raise TokenError(f"this is no token: one begins with {_START} and has 48 characters; it may be cut off")
        digest, found = _digest(secret), None
        for token in self.all():  # all of them, so that the time does not tell which
            found = token if hmac.compare_digest(token.digest, digest) else found
        if found is None:
            raise TokenError("the token is unknown to this gallery; ask its owner for one")
        if (state := found.state(self._clock())) != "valid":
            when = found.revoked if state == "revoked" else found.expires
            raise TokenError(f"the token {found.name} was {state} ({when}); ask the gallery's owner for a new one")
        return found

    def _write(self, tokens: Sequence[Token]) -> None:
        text = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=1) + "\n"

        def write(part: Path) -> None:
            part.touch(mode=0o600)
            part.write_text(text, encoding="utf-8")

        write_whole(self.file, write)


def read_secret(given: str | None, environment: str | None) -> str | None:
    """A token from ``@<file>``, or from the environment; None where neither has one.

    Raises:
        ValueError: a token itself was given, which the list of processes would show, or the file cannot be read.
    """
    if given is None:
        return environment
    if not given.startswith("@"):
        raise InputError("token: give token=@<file>, or REID_TOKEN in the environment; others see a command's words")
    file = Path(given[1:]).expanduser()
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"token=@{file}: cannot be read ({getattr(error, 'strerror', None) or 'no text'})") from None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
