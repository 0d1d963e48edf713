"""The verbs of a gallery's safeguards: token, audit, verify, expire; and how a caller is read from the words."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reid_lit.errors import FailedError, InputError
from reid_lit.gallery.facts import gallery_folder
from reid_lit.gallery.guarded import GuardedGallery
from reid_lit.gallery.making import open_gallery
from reid_lit.gallery.rows import moment
from reid_lit.safeguards.guard import Caller, Guard, check_new, set_policy
from reid_lit.safeguards.moments import expiry
from reid_lit.safeguards.policy import OPEN, Policy, guarded
from reid_lit.safeguards.tokens import read_secret
from reid_lit.wording import counted

VARIABLE = "REID_TOKEN"
_NOT_SHOWN = ("n", "time", "who", "act", "state", "purpose", "why", "after", "policy")
"""Keys of a line that have a column of their own, or say nothing to a reader."""


def caller_of(config: DictConfig) -> Caller:
    """Who asks, by the words and the environment."""
    secret = read_secret(None if config.token is None else str(config.token), os.environ.get(VARIABLE))
    return Caller(token=secret, purpose=None if config.purpose is None else str(config.purpose))


def opened(config: DictConfig) -> GuardedGallery:
    """The gallery that the words name, for the caller that they name."""
    caller, key = caller_of(config), None if config.key is None else str(config.key)
    runtime = config.get("runtime", "torch")  # of the verbs that embed images
    gallery = open_gallery(config.gallery, run=config.run, trust=config.trust, key=key, runtime=runtime)
    return GuardedGallery(gallery, Guard(gallery.folder), caller)


def policy_of(config: DictConfig) -> Policy | None:
    """The policy that a new gallery gets; None for none. It is refused here if it cannot be written.

    Raises:
        ValueError: there is no such policy, or the folder of its log's key is missing.
        FileExistsError: there is a policy, or a key, already.
    """
    if config.policy == "none":
        return None
    if config.policy not in ("open", "guarded"):
        raise InputError(f"policy={config.policy}: give open, guarded or none")
    if config.policy == "guarded" and config.audit is None:
        raise InputError("policy=guarded needs audit=<folder> outside of the gallery, where the key of its log is made")
    if config.policy == "open" and config.audit is not None:
        raise InputError(f"audit={config.audit}: this is for policy=guarded; policy=open logs nothing")
    place = Path(config.gallery).expanduser()
    policy = OPEN if config.policy == "open" else guarded(Path(config.audit).expanduser().absolute())
    check_new(place, policy)
    return policy


def write_policy(folder: Path, policy: Policy) -> list[str]:
    """Write it; what there is to say of it."""
    set_policy(folder, policy)
    if policy == OPEN:
        return []
    return [
        f"{folder / 'policy.yaml'} says what is allowed; {policy.audit} has the log's key and head: keep a copy",
        f"python -m reid_lit.gallery token gallery={folder} make=<name> roles=[query] makes a token",
    ]


def token(config: DictConfig) -> None:
    """Make, revoke or list tokens: the owner of the gallery's folder may."""
    folder = gallery_folder(config.gallery)
    guard = Guard(folder)
    if config.make is not None and config.revoke is not None:
        raise InputError(f"make={config.make}: give make or revoke, not both")
    if config.make is not None:
        text = None if config.expires is None else str(config.expires)
        expires, roles = expiry(text, at=guard.clock()), [str(role) for role in config.roles]
        secret = guard.tokens.make(str(config.make), roles, expires=expires)
        guard.note("token", made=str(config.make), roles=roles, expires=expires and expires.isoformat())
        sys.stderr.write("shown once, and kept nowhere; it is given as REID_TOKEN or token=@<file>:\n")
        sys.stdout.write(f"{secret}\n")
        if guard.policy.tokens != "required":
            sys.stderr.write(f"tokens: off in {folder / 'policy.yaml'}: nobody is asked for one\n")
    elif config.revoke is not None:
        revoked = guard.tokens.revoke(str(config.revoke))
        guard.note("token", revoked=revoked.name)
        Console().print(f"{revoked.name} is refused from now on", markup=False)
    else:
        _show_tokens(guard)


def _show_tokens(guard: Guard) -> None:
    table = Table("name", "roles", "made", "expires", "state")
    for each in guard.tokens.all():
        cells = [each.name, ", ".join(each.roles), each.made[:16], (each.expires or "never")[:16]]
        table.add_row(*cells, each.state(guard.clock()))
    table.caption = counted(table.row_count, "token")
    Console().print(table)


def audit(config: DictConfig) -> None:
    """Show the log."""
    wanted = {key: str(config[key]) for key in ("who", "act", "state") if config[key] is not None}
    times = {key: moment(config[key], name=key) for key in ("since", "until")}
    wanted |= {key: time.isoformat() for key, time in times.items() if time}
    lines = Guard(gallery_folder(config.gallery)).audit(caller_of(config), **wanted)
    if config.json:
        sys.stdout.write("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
        return
    table = Table("n", "time", "who", "act", "state", "purpose", "what")
    for line in lines:
        what = [str(line["why"])] if "why" in line else []
        what += [f"{key} {_short(value)}" for key, value in line.items() if key not in _NOT_SHOWN]
        cells = [str(line["n"]), line["time"][:19], line["who"], line["act"], line["state"], line.get("purpose", "")]
        table.add_row(*(escape(cell) for cell in (*cells, ", ".join(what))))
    table.caption = f"{counted(len(lines), 'line', grouped=True)}; verify says whether the log is whole"
    Console().print(table)


def _short(value: object) -> str:
    return f"{len(value)} hashed" if isinstance(value, list) and len(value) > 1 else str(value)


def verify(config: DictConfig) -> None:
    """Say whether log and rows are whole.

    Raises:
        RuntimeError: they are not.
    """
    gallery = opened(config)
    faults = gallery.verify()
    if faults:
        raise FailedError("\n".join(faults))
    log = "nothing is logged" if gallery.guard.log is None else "the log is whole"
    Console().print(f"{counted(len(gallery), 'row is', 'rows are', grouped=True)} whole; {log}", markup=False)


def expire(config: DictConfig) -> None:
    """Erase what is older than the policy keeps."""
    gallery = opened(config)
    removed = gallery.expire()
    Console().print(f"{counted(removed, 'image is', 'images are')} erased; {len(gallery):,} are left", markup=False)


VERBS: dict[str, Callable[[DictConfig], None]] = {"token": token, "audit": audit, "verify": verify, "expire": expire}
