"""Embedded images whose persons are known, and which pairs of them are compared."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Embedded images whose persons are known.

    Attributes:
        embedding: ``(images dim)`` of length 1: products of rows are the scores, cosines in [-1, 1].
        person: ``(images)``, any numbers.
        camera: ``(images)``, any numbers.
        across: Whether a pair must show two cameras.
        clock: ``(images)``, the number of the clock that an image's time is of; -1 where its time is not known. None
            where no time is.
        seconds: ``(images)``, the time on that clock.
        gap: Where only pairs of one clock are compared, from how many seconds between them on, and up to below how
            many.
    """

    embedding: Float32[Tensor, "images dim"]
    person: Int64[Tensor, " images"]
    camera: Int64[Tensor, " images"]
    across: bool
    clock: Int64[Tensor, " images"] | None = None
    seconds: Float64[Tensor, " images"] | None = None
    gap: tuple[float, float] | None = None

    def under(self, cameras: tuple[int, int]) -> "Labelled":
        """The images of two cameras, to be compared across them."""
        return replace(self.part(torch.isin(self.camera, torch.tensor(cameras))), across=True)

    def part(self, chosen: Bool[Tensor, " images"]) -> "Labelled":
        """Some of the images."""
        names = ("embedding", "person", "camera", "clock", "seconds")
        parts = {name: part[chosen] for name in names if (part := getattr(self, name)) is not None}
        return replace(self, **parts)

    def compared(self, rows: slice) -> Bool[Tensor, "rows later"]:
        """Which pairs of some images with these and all later ones are compared."""
        start = rows.start
        valid = torch.ones(len(self.person[rows]), len(self.person) - start, dtype=torch.bool).triu_(1)
        if self.across:
            valid &= self.camera[rows, None] != self.camera[None, start:]
        if self.gap is not None and self.clock is not None and self.seconds is not None:
            low, high = self.gap
            between = (self.seconds[rows, None] - self.seconds[None, start:]).abs()
            valid &= (self.clock[rows, None] == self.clock[None, start:]) & (self.clock[rows, None] >= 0)
            valid &= (between >= low) & (between < high)
        return valid
