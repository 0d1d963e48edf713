"""Why an access is refused; a service answers with ``status``, a command with the words."""

from typing import ClassVar

from reid_lit.errors import UserError


class AccessError(UserError, PermissionError):
    """An access that the policy does not allow.

    Attributes:
        status: What HTTP calls it.
    """

    status: ClassVar[int] = 403


class TokenError(AccessError):
    """No token, or one that is wrong, unknown, expired or revoked."""

    status = 401


class RoleError(AccessError):
    """A token whose roles do not allow what was asked."""


class PurposeError(AccessError):
    """A purpose is required, and none was given."""

    status = 400


class TopError(AccessError):
    """More of the nearest images were asked for than the policy shows."""

    status = 400


class RateError(AccessError):
    """Too many accesses of one token.

    Args:
        message: The words.
        seconds: After how long the same access is allowed; infinite where it never is.
    """

    status = 429

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
