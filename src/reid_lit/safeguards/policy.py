"""What may be done with a gallery: one YAML file, all of whose keys are written and explained in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reid_lit.errors import InputError, MissingPackageError
from reid_lit.safeguards.moments import duration, spelt
from reid_lit.wording import unknown

FILE = "policy.yaml"
ROLES = ("enrol", "query", "audit", "erase")
ACTS = ("enrol", "query", "below_threshold", "list", "export", "erase", "expire", "rotate", "audit", "verify")
"""What a role may allow; ``below_threshold``: to see images whose score is no match."""
RATED = ("enrol", "query", "list", "export", "erase", "audit", "verify")

_HEAD = """\
# Who may do what with this gallery, and what is logged. Every key stands here; an unknown or a missing one is refused.
# docs/gallery.md says what this protects from, and what it does not.
"""
_COMMENTS = {
    "tokens": "off | required: each access needs a token, python -m reid_lit.gallery token makes them",
    "audit": "off | a folder outside of the gallery, absolute: each access is written to audit.jsonl; the folder holds"
    "\n# the head of this log and its key, unless REID_AUDIT_KEY in the environment does",
    "purpose": "optional | required: query, list and export say what for",
    "top": "the most images that a query shows; null: any number",
    "below_threshold": "shown | withheld: images whose score is no match are neither shown nor named, but to roles"
    "\n# that may below_threshold; needs a calibrated run",
    "ttl": "30d, 12h …: images that were taken or enrolled longer ago are erased; null: none is",
    "limits": "rates of each token by what is done, over all processes: {query: 60/minute, enrol: 5000/hour;20000/day};"
    "\n# each query and each enrolled image counts; without tokens, of each user of the machine",
    "limits_by_token": "rates of single tokens by their name, in place of those above: {kiosk: {query: 600/hour}}",
    "roles": f"what each role may do; a token has one role or several.\n# There are {', '.join(ACTS)}",
}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a policy says.

    Attributes:
        tokens: ``off`` or ``required``.
        audit: The folder of the log's key and head, outside of the gallery; None: nothing is logged.
        purpose: ``optional`` or ``required``.
        top: The most rows of a query; None: any number.
        below_threshold: ``shown`` or ``withheld``.
        ttl: How long rows are kept; None: for ever.
        limits: Rates by act, such as ``{"query": "60/minute"}``.
        limits_by_token: The same for single tokens by name.
        roles: The acts that each role allows.
    """

    tokens: str
    audit: Path | None
    purpose: str
    top: int | None
    below_threshold: str
    ttl: timedelta | None
    limits: Mapping[str, str]
    limits_by_token: Mapping[str, Mapping[str, str]]
    roles: Mapping[str, tuple[str, ...]]

    def allows(self, act: str, roles: tuple[str, ...]) -> bool:
        """Whether one of the roles may do it."""
        return any(act in self.roles[role] for role in roles)

    def rates(self, act: str, name: str) -> str | None:
        """The rates of a token for an act; None where there are none."""
        return {**self.limits, **self.limits_by_token.get(name, {})}.get(act)

    def as_yaml(self) -> str:
        """The file, with a comment above each key; :func:`read_policy` reads it back."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        values["audit"] = "off" if self.audit is None else str(self.audit)
        values["ttl"] = None if self.ttl is None else spelt(self.ttl)
        parts = [f"\n# {_COMMENTS[name]}\n{name}: {_as_yaml(value)}\n" for name, value in values.items()]
        return _HEAD + "".join(parts)


_ROLES = {
    "enrol": ("enrol",),
    "query": ("query",),
    "audit": ("audit", "verify", "list"),
    "erase": ("erase", "expire", "rotate"),
}
OPEN = Policy(
    tokens="off",
    audit=None,
    purpose="optional",
    top=None,
    below_threshold="shown",
    ttl=None,
    limits={},
    limits_by_token={},
    roles=_ROLES,
)
"""Nothing is limited and nothing logged."""


def guarded(audit: Path) -> Policy:
    """Everything is required: tokens, a purpose, a log; what is no match is withheld."""
    return Policy(
        tokens="required",
        audit=audit,
        purpose="required",
        top=10,
        below_threshold="withheld",
        ttl=timedelta(days=30),
        limits={"query": "60/minute"},
        limits_by_token={},
        roles=_ROLES,
    )


def read_policy(folder: Path) -> Policy:
    """The policy of a gallery; :data:`OPEN` where its folder never had one.

    Raises:
        ValueError: the file is damaged or lost, a key is unknown or missing, or a value cannot be used.
        ModuleNotFoundError: it has rates, and the package ``limits`` is not installed.
    """
    file = folder / FILE
    if not file.is_file():
        left = [name for name in ("tokens.json", "audit.jsonl") if (folder / name).exists()]
        if left:
            raise InputError(f"{file} is missing, and {left[0]} is there; restore the policy from a copy")
        return OPEN
    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {' '.join(str(error).split())}; restore it from a copy") from None
    try:
        return _policy(content, folder)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _policy(content: Any, folder: Path) -> Policy:
    names = [each.name for each in fields(Policy)]
    _known(content, names, what="key of a policy", where="the file")
    for name in names:
        if name not in content:
            raise InputError(f"no key {name}; write it: {_COMMENTS[name].partition(chr(10))[0]}")
    return Policy(
        tokens=_choice("tokens", content["tokens"], "off", "required"),
        audit=outside(content["audit"], folder),
        purpose=_choice("purpose", content["purpose"], "optional", "required"),
        top=_top(content["top"]),
        below_threshold=_choice("below_threshold", content["below_threshold"], "shown", "withheld"),
        ttl=None if content["ttl"] is None else duration(str(content["ttl"]), name="ttl"),
        limits=_rates(content["limits"], "limits"),
        limits_by_token=_rates_by_token(content["limits_by_token"]),
        roles=_roles(content["roles"]),
    )


def _known(content: Any, names: Any, *, what: str, where: str) -> None:
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: give keys with values, such as {{{next(iter(names))}: …}}")
    for key in content:
        if key not in names:
            raise InputError(unknown(what, str(key), names))


def _choice(name: str, value: Any, *words: str) -> str:
    found = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value  # YAML's own off
    if found not in words:
        raise InputError(f"{name}={found}: give {' or '.join(words)}")
    return str(found)


def outside(value: Any, folder: Path) -> Path | None:
    """The folder of a log's key, which is not in the gallery; None for ``off``.

    Raises:
        ValueError: it is, or its path is relative.
    """
    if value is False or value == "off":
        return None
    place = Path(str(value)).expanduser() if isinstance(value, str) else None
    if place is None or not place.is_absolute():
        raise InputError(f"audit={value}: give off, or the absolute path of a folder outside of the gallery")
    if place.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"audit={value}: this is inside the gallery, where the log is; give a folder outside of it")
    return place


def _top(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InputError(f"top={value}: give a number from 1, or null for any")
    return value


def _rates(content: Any, where: str) -> dict[str, str]:
    _known(content, RATED, what="act with a rate", where=where)
    for act, rates in content.items():
        _check_rates(f"{where}.{act}", rates)
    return {act: str(rates) for act, rates in content.items()}


def _rates_by_token(content: Any) -> dict[str, dict[str, str]]:
    if not isinstance(content, Mapping):
        raise InputError(
            "limits_by_token: give the names of tokens with their rates, {kiosk: {query: 600/hour}}, or {}"
        )
    return {str(name): _rates(rates, f"limits_by_token.{name}") for name, rates in content.items()}


def _check_rates(name: str, text: Any) -> None:
    try:
        from limits import parse_many
    except ModuleNotFoundError:
        raise MissingPackageError(
            f"{name}={text} needs the package limits; pip install 'reid-lit[gallery]' installs it"
        ) from None
    try:
        rates = parse_many(text) if isinstance(text, str) else []
    except ValueError:
        rates = []
    if not rates or any(rate.amount < 1 for rate in rates):
        raise InputError(f"{name}={text}: give rates such as 60/minute, or 60/minute;1000/day")


def _roles(content: Any) -> dict[str, tuple[str, ...]]:
    _known(content, ROLES, what="role", where="roles")
    for role in ROLES:
        acts = content.get(role)
        if not isinstance(acts, list):
            raise InputError(f"roles.{role}={acts}: give a list of what it may do, or []")
        for act in acts:
            if act not in ACTS:
                raise InputError(f"roles.{role}: {unknown('act', str(act), ACTS)}")
    return {role: tuple(content[role]) for role in ROLES}


def _as_yaml(value: Any) -> str:
    """A value on one line; the roles on a line each."""
    if isinstance(value, Mapping) and any(isinstance(each, tuple) for each in value.values()):
        return "".join(f"\n  {role}: [{', '.join(acts)}]" for role, acts in value.items())
    return "off" if value == "off" else json.dumps(value, ensure_ascii=False)  # JSON is YAML
