"""Another key for a sealed gallery."""

import os
from contextlib import suppress
from pathlib import Path

from reid_lit.errors import InputError, MissingFileError
from reid_lit.gallery.gallery import Gallery
from reid_lit.gallery.making import open_gallery
from reid_lit.gallery.master import WrongKeyError, made_master
from reid_lit.progress import Progress, untold


def rotate(
    folder: str | os.PathLike[str],
    *,
    new_key: str,
    key: str | None = None,
    data: bool = False,
    tell: Progress = untold,
) -> Gallery:
    """Change the key of a sealed gallery: its data keys are wrapped by the new one.

    Killed on its way it leaves a gallery that the old key opens, or from one moment on the new one; the same call
    goes on.

    Args:
        folder: The gallery's.
        new_key: ``@`` and a file, which is made where there is none.
        key: The old one, see :func:`reid_lit.gallery.open`.
        data: Whether the rows are sealed again as well, by new data keys.
        tell: Called with the keys, then the rows, that are done, and their number.

    Returns:
        The gallery, open with its new key.

    Raises:
        ValueError: the gallery is not sealed, or neither key is its own, or the new one is the old one.
    """
    try:
        gallery, was_changed = open_gallery(folder, key=key), False
    except WrongKeyError:
        changed = _changed(folder, new_key)
        if changed is None:
            raise
        gallery, was_changed = changed, True
    if gallery.sealed is None:
        raise InputError(f"{gallery.folder} is not sealed: it has no key to change")
    master = made_master(new_key, apart_from=Path(folder), name="new_key")
    if not was_changed:
        if gallery.sealed.keys.is_by(master) and not data:
            raise InputError("new_key: it is the gallery's key already; name a file that is not there to make another")
        gallery.sealed.rotate(master, tell=tell)
    if data:
        gallery.sealed.reseal(tell=tell)
    return gallery


def _changed(folder: str | os.PathLike[str], new_key: str) -> Gallery | None:
    """The gallery, if the new key is its key: a call that was killed had come so far."""
    with suppress(WrongKeyError, MissingFileError):
        return open_gallery(folder, key=new_key)
    return None
