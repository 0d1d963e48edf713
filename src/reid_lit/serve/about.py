"""What a service says of its gallery, and to a caller of what it may do."""

from typing import Any

from reid_lit.gallery.gallery import Gallery
from reid_lit.safeguards.guard import Caller, Guard
from reid_lit.safeguards.moments import spelt
from reid_lit.safeguards.policy import ACTS, ROLES


def session_of(guard: Guard, caller: Caller) -> dict[str, Any]:
    """Whose token it is, its roles and what they allow, and when it expires; no name where none is required.

    Raises:
        PermissionError: a token is required, and this is none.
    """
    token = guard.tokens.check(caller.token) if guard.policy.tokens == "required" else None
    roles = ROLES if token is None else token.roles
    return {
        "who": "" if token is None else token.name,
        "roles": list(roles),
        "acts": [act for act in ACTS if guard.policy.allows(act, roles)],
        "expires": None if token is None else token.expires,
    }


def about(gallery: Gallery, guard: Guard) -> dict[str, Any]:
    """What a gallery is, and what its policy asks of everyone."""
    policy, calibration = guard.policy, gallery.calibration
    rate = None if calibration is None else calibration.rate(None)
    return {
        "gallery": gallery.folder.resolve().name,
        "images": len(gallery),
        "dim": gallery.facts.dim,
        "calibrated": None
        if calibration is None or rate is None
        else {"fmr": rate, "threshold": calibration.at(rate).threshold},
        "policy": {
            "tokens": policy.tokens,
            "purpose": policy.purpose,
            "top": policy.top,
            "below_threshold": policy.below_threshold,
            "ttl": None if policy.ttl is None else spelt(policy.ttl),
            "audit": policy.audit is not None,
        },
    }
