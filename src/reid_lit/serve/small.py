"""Small copies of the images that were found."""

from collections.abc import Sequence
from pathlib import Path

from reid_lit.errors import InputError
from reid_lit.gallery.answers import Hit
from reid_lit.gallery.enrolling import SIZE
from reid_lit.gallery.guarded import GuardedGallery
from reid_lit.pages.render import data_uri
from reid_lit.pages.thumbnails import small_jpeg


def small_images(gallery: GuardedGallery, hits: Sequence[Hit]) -> dict[int, str]:
    """Addresses that hold the images themselves, by the number of the row.

    Those that the gallery keeps, else made of the files that were enrolled; only of rows that were shown to this
    caller. A row without either has none.

    Args:
        gallery: As the caller may use it.
        hits: What its query has shown.
    """
    kept = gallery.thumbnails(sorted({hit.number for hit in hits}))
    made = {number: data_uri(image, "image/jpeg") for number, image in kept.items()}
    for hit in hits:
        if hit.number not in made and Path(hit.path).is_absolute():
            try:
                made[hit.number] = data_uri(small_jpeg(Path(hit.path), SIZE), "image/jpeg")
            except (OSError, InputError):
                continue
    return made
