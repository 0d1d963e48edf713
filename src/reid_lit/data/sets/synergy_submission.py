"""The file that the SynergySports challenge ranks: the distances of the hidden test's queries to its gallery."""

import csv
from pathlib import Path

from jaxtyping import Float
from torch import Tensor


def write(
    file: Path, distance: Float[Tensor, "queries gallery"], query: tuple[Path, ...], gallery: tuple[Path, ...]
) -> None:
    """Write a row for each query and a column for each gallery image, with the images' numbers as headers."""
    with file.open("w", newline="", encoding="ascii") as text:
        rows = csv.writer(text)
        rows.writerow(["", *(path.stem for path in gallery)])
        for path, row in zip(query, distance.tolist(), strict=True):
            rows.writerow([path.stem, *(f"{value:.6g}" for value in row)])
