"""A gallery: embedded images that others are looked up in; ``open`` and ``create`` in Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_lit.gallery.gallery import Gallery
    from reid_lit.gallery.guarded import GuardedGallery
    from reid_lit.gallery.guarded import open_guarded as open  # noqa: A004 - reid_lit.gallery.open is what it is called
    from reid_lit.gallery.making import create

__all__ = ["Gallery", "GuardedGallery", "create", "open"]


def __getattr__(name: str) -> Any:
    """What ``__all__`` names, imported when it is asked for: torch is slow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reid_lit.gallery import gallery, guarded, making

    places = {"Gallery": gallery.Gallery, "GuardedGallery": guarded.GuardedGallery, "create": making.create}
    return guarded.open_guarded if name == "open" else places[name]
