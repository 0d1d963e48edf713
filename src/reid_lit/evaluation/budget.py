"""The memory that a computation may take above the embeddings, checked before it starts."""

import math

from reid_lit.errors import InputError

GIGABYTE = 10**9


def size_within(
    limit_gb: float | None, *, work: str, fixed: int, each: int, most: int, least: int = 1, square: int = 0
) -> int:
    """The number of items at a time that the limit allows: ``most``, or half of that, and so on down to ``least``.

    >>> size_within(0.001, work="sorting", fixed=200_000, each=1000, most=1024, least=64)
    512

    Args:
        limit_gb: ``memory_limit_gb`` of the protocol, in 10⁹ bytes above the embeddings; None for no limit.
        work: The computation, for the message.
        fixed: Bytes that every size needs.
        each: Bytes for each item.
        most: The size without a limit.
        least: The smallest size that works, ``most`` over a power of two.
        square: Bytes for each pair of items.

    Raises:
        ValueError: the least size needs more than the limit.
    """

    def needed(size: int) -> int:
        return fixed + each * size + square * size * size

    if limit_gb is None:
        return most
    check_bytes(limit_gb, needed(least), work=work)
    while most > least and needed(most) > limit_gb * GIGABYTE:
        most //= 2
    return most


def check_bytes(limit_gb: float | None, needed: int, *, work: str) -> None:
    """Raise InputError where ``work`` needs more bytes above the embeddings than the limit allows."""
    if limit_gb is not None and needed > limit_gb * GIGABYTE:
        least = math.ceil(needed / GIGABYTE * 10) / 10
        raise InputError(
            f"memory_limit_gb={limit_gb:g}: {work} needs {least:.1f} GB above the embeddings at least; "
            f"give {least:.1f} or more, or null for no limit"
        )
