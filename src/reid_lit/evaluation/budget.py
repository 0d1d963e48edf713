"""How much memory work may take above the embeddings, settled before it starts."""

import math

from reid_lit.errors import InputError

GIGABYTE = 10**9


def size_within(
    limit_gb: float | None, *, work: str, fixed: int, each: int, most: int, least: int = 1, square: int = 0
) -> int:
    """How many things at a time the limit allows: ``most``, or half of that, and so on down to ``least``.

    >>> size_within(0.001, work="sorting", fixed=200_000, each=1000, most=1024, least=64)
    512

    Args:
        limit_gb: ``evaluation.memory_limit_gb``, in 10⁹ bytes above the embeddings; None for no limit.
        work: What is to be done, for the message.
        fixed: Bytes that are needed whatever the size.
        each: Bytes for each thing that is worked on at once.
        most: The size without a limit.
        least: The smallest size that works, ``most`` over a power of two.
        square: Bytes for each pair of things worked on at once.

    Raises:
        ValueError: the least size needs more than the limit.
    """

    def needed(size: int) -> int:
        return fixed + each * size + square * size * size

    if limit_gb is None:
        return most
    check_limit(limit_gb, needed(least), work=work)
    while most > least and needed(most) > limit_gb * GIGABYTE:
        most //= 2
    return most


def check_limit(limit_gb: float | None, needed: int, *, work: str) -> None:
    """Whether work that needs so many bytes above the embeddings stays within the limit.

    Raises:
        ValueError: it does not.
    """
    if limit_gb is not None and needed > limit_gb * GIGABYTE:
        least = math.ceil(needed / GIGABYTE * 10) / 10
        raise InputError(
            f"evaluation.memory_limit_gb={limit_gb:g}: {work} needs {least:.1f} GB above the embeddings at least; "
            f"set evaluation.memory_limit_gb={least:.1f} or more, or null for no limit"
        )
