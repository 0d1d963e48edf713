"""What may be known of an image beside its person and camera: its clothes and its view."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from reid_lit.records import Shot

UNKNOWN = -1
"""The number of what is not known of an image."""


def clothes_of(shots: Sequence[Shot]) -> Int[Tensor, " shots"] | None:
    """The numbers of the clothes of some shots, :data:`UNKNOWN` where one has none; None where all have none."""
    return _known([UNKNOWN if shot.clothes_id is None else shot.clothes_id for shot in shots])


def view_names(shots: Sequence[Shot]) -> tuple[str, ...]:
    """The views of some shots, each once, in the order of letters; the place of one is its number."""
    return tuple(sorted({shot.view for shot in shots if shot.view is not None}))


def views_of(shots: Sequence[Shot], names: Sequence[str]) -> Int[Tensor, " shots"] | None:
    """The numbers of the views of some shots, :data:`UNKNOWN` where one has none; None where all have none.

    Args:
        shots: The images.
        names: See :func:`view_names`.
    """
    places = {name: place for place, name in enumerate(names)}
    return _known([UNKNOWN if shot.view is None else places[shot.view] for shot in shots])


def _known(numbers: list[int]) -> Int[Tensor, " shots"] | None:
    return torch.tensor(numbers, dtype=torch.int64) if any(number != UNKNOWN for number in numbers) else None
