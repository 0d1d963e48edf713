"""One door to a gallery: each access is checked against the policy and written to the log, refused ones too."""

import getpass
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from reid_lit.errors import ExistingFileError, InputError
from reid_lit.paths import write_text
from reid_lit.safeguards.audit import AuditLog
from reid_lit.safeguards.keys import FILE as KEY
from reid_lit.safeguards.keys import make_key
from reid_lit.safeguards.moments import now
from reid_lit.safeguards.policy import FILE, ROLES, Policy, outside, read_policy
from reid_lit.safeguards.refusals import AccessError, PurposeError, RoleError, TokenError, TopError
from reid_lit.safeguards.tokens import Token, Tokens

if TYPE_CHECKING:
    from reid_lit.safeguards.limits import Limits

PURPOSED = ("query", "list", "export")
"""What shows who was enrolled, and so needs a purpose where one is required."""
CHANGING = ("enrol", "erase", "expire", "rotate", "export")
"""What leaves something behind when it is killed: the log says that it began."""
EACH = 60
"""Seconds between two looks for old rows."""
LONGEST = 1000
"""Characters of a purpose."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, and what for.

    Attributes:
        token: The token itself; it is never shown.
        purpose: Text, such as the number of a case.
    """

    token: str | None = field(default=None, repr=False)
    purpose: str | None = None


@dataclass(kw_only=True)
class Access:
    """An access that is allowed.

    Attributes:
        who: The token's name; the user of the operating system where no tokens are required.
        roles: The token's; all of them where no tokens are required.
        counts: What the log says of it when it is done, such as ``{"images": 3}``.
    """

    who: str
    roles: tuple[str, ...]
    counts: dict[str, Any] = field(default_factory=dict)


class Guard:
    """The policy of a gallery, with its tokens, its rates and its log.

    Args:
        folder: The gallery's folder.
        clock: Gives the time.

    Raises:
        FileNotFoundError: the key of the log is not there.
        ValueError: the policy or the key cannot be used.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = now) -> None:
        self.folder, self.clock = folder, clock
        self.policy = read_policy(folder)
        self.tokens = Tokens(folder, clock=clock)
        audit = self.policy.audit
        self.log = None if audit is None else AuditLog(folder, audit, clock=clock)
        self._looked = -math.inf
        self._gathering = threading.local()
        self._digest = sha256(self.policy.as_yaml().encode()).hexdigest()[:12]

    @cached_property
    def _limits(self) -> "Limits":
        from reid_lit.safeguards.limits import Limits  # its package is needed for rates alone

        return Limits(self.folder)

    @contextmanager
    def access(
        self,
        act: str,
        caller: Caller,
        *,
        amount: int = 1,
        top: int | None = None,
        facts: Callable[[], dict[str, Any]] | None = None,
    ) -> Iterator[Access]:
        """An access, within which the work is done; its line is on the disk before the answer leaves.

        Args:
            act: One of :data:`~reid_lit.safeguards.policy.ACTS`.
            caller: Who asks.
            amount: How many queries or images, as rates count them.
            top: How many nearest images are asked for.
            facts: What the log says of what is asked; called where there is a log alone.

        Raises:
            PermissionError: it is refused; the log says so too.
        """
        who, record = self._name(None), {"act": act, "policy": self._digest, **_purpose(caller)}
        try:
            token = self._token(caller)
            who = self._name(token)
            roles = ROLES if token is None else token.roles
            self._check(act, caller, who=who, roles=roles, amount=amount, top=top)
        except AccessError as error:
            who = "unknown" if isinstance(error, TokenError) else who
            self._write({"who": who, **record, "state": "refused", "why": str(error)})
            raise
        said = facts() if facts and self.log else {}
        with self._logged({"who": who, **record, **said}, Access(who=who, roles=roles)) as access:
            yield access

    @contextmanager
    def own(self, act: str) -> Iterator[Access]:
        """What the policy itself asks for, such as the erasure of old rows."""
        access = Access(who="policy", roles=ROLES)
        with self._logged({"who": access.who, "act": act, "policy": self._digest}, access):
            yield access

    @contextmanager
    def _logged(self, record: dict[str, Any], access: Access) -> Iterator[Access]:
        act = record["act"]
        if act in CHANGING:
            self._write({**record, "state": "begun"})
        try:
            yield access
        except BaseException as error:
            self._write({**record, "state": "failed", "why": type(error).__name__, **access.counts})
            raise
        self._write({**record, "state": "done", **access.counts})

    def is_due(self) -> bool:
        """Whether old rows were not looked for in the last minute of this process."""
        since = monotonic() - self._looked
        if since < EACH:
            return False
        self._looked = monotonic()
        return True

    def audit(self, caller: Caller, **wanted: str) -> list[dict[str, Any]]:
        """The lines of the log, oldest first; no key of a sealed gallery is needed.

        Args:
            caller: Who asks.
            wanted: What a line has under these keys, such as ``who`` and ``act``; ``since`` and ``until`` are times.

        Raises:
            PermissionError: it is refused.
            ValueError: nothing is logged.
        """
        with self.access("audit", caller) as access:
            if self.log is None:
                raise InputError("audit=off: this gallery's policy has no log")
            found = [line for line in self.log.lines() if _is_wanted(line, wanted)]
            access.counts |= {"shown": len(found)}
        return found

    def note(self, act: str, **facts: Any) -> None:
        """Log what the owner of the gallery's folder does, who needs no token."""
        self._write({"who": self._name(None), "act": act, "policy": self._digest, "state": "done", **facts})

    def sees_all(self, access: Access) -> bool:
        """Whether images whose score is no match may be shown."""
        return self.policy.below_threshold == "shown" or self.policy.allows("below_threshold", access.roles)

    def top(self, asked: int | None, *, usual: int = 10) -> int:
        """How many nearest images to show where perhaps no number was asked for."""
        return asked if asked is not None else min(usual, self.policy.top or usual)

    def hashed(self, texts: Sequence[str]) -> list[str]:
        """Texts as the log may hold them, such as persons; nothing without a log."""
        return [] if self.log is None else [self.log.hashed(text) for text in texts]

    def _token(self, caller: Caller) -> Token | None:
        return self.tokens.check(caller.token) if self.policy.tokens == "required" else None

    def _name(self, token: Token | None) -> str:
        if token is not None:
            return token.name
        try:
            return f"os:{getpass.getuser()}"
        except (OSError, KeyError, ImportError):  # a container may know no name
            return "os:unknown"

    def _check(
        self, act: str, caller: Caller, *, who: str, roles: tuple[str, ...], amount: int, top: int | None
    ) -> None:
        policy = self.policy
        if not policy.allows(act, roles):
            able = [role for role in ROLES if act in policy.roles[role]]
            cure = f"{act} needs {' or '.join(able)}" if able else f"the policy allows {act} to no role"
            raise RoleError(f"{who} may not {act}: its roles are {', '.join(roles)}; {cure}")
        if policy.purpose == "required" and act in PURPOSED and not (caller.purpose or "").strip():
            raise PurposeError(f"{act} needs a purpose: purpose='…' says what for, such as the number of a case")
        if len(caller.purpose or "") > LONGEST:
            raise PurposeError(f"the purpose has {len(caller.purpose or ''):,} characters; give at most {LONGEST:,}")
        if top is not None and policy.top is not None and top > policy.top:
            raise TopError(f"top={top}: the policy of this gallery shows {policy.top} at most")
        if rates := policy.rates(act, who):
            self._limits.spend(rates, act, who, amount=amount)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Within it the lines of accesses of this thread wait, and are on the disk together at its end.

        Answers may leave after it alone. What says that something begins is written at once, with what waits.

        Raises:
            Exception: the log cannot be written; none of the accesses may be answered.
        """
        waiting: list[dict[str, Any]] = []
        self._gathering.waiting = waiting
        try:
            yield
        finally:
            self._gathering.waiting = None
            if waiting and self.log is not None:
                self.log.add(*waiting)

    def _write(self, record: dict[str, Any]) -> None:
        if self.log is None:
            return
        waiting: list[dict[str, Any]] | None = getattr(self._gathering, "waiting", None)
        if waiting is None:
            self.log.add(record)
        elif record["state"] == "begun":
            before = [*waiting, record]
            waiting.clear()
            self.log.add(*before)
        else:
            waiting.append(record)


def check_new(folder: Path, policy: Policy) -> None:
    """Refuse what :func:`set_policy` would, before anything is made.

    Raises:
        FileExistsError: there is a policy, or a key.
        ValueError: the folder of the log's key is inside the gallery, or a relative path.
    """
    if (folder / FILE).exists():
        raise ExistingFileError(f"{folder / FILE} is there already; change it by hand")
    if policy.audit is not None:
        outside(str(policy.audit), folder)
        if (policy.audit / KEY).exists():
            raise ExistingFileError(f"audit={policy.audit}: {KEY} is there already; give a folder of its own")


def set_policy(folder: Path, policy: Policy) -> None:
    """Write the policy of a new gallery, and make the key of its log.

    Raises:
        FileExistsError: there is a policy, or a key.
    """
    check_new(folder, policy)
    if policy.audit is not None:
        make_key(policy.audit)
    write_text(folder / FILE, policy.as_yaml())


def _purpose(caller: Caller) -> dict[str, str]:
    return {"purpose": caller.purpose.strip()[:LONGEST]} if caller.purpose and caller.purpose.strip() else {}


def _is_wanted(line: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    time = datetime.fromisoformat(line["time"])
    return all(
        time >= datetime.fromisoformat(value)
        if key == "since"
        else time < datetime.fromisoformat(value)
        if key == "until"
        else line.get(key) == value
        for key, value in wanted.items()
    )
