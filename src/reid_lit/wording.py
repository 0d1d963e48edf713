"""Words of messages: numbers of things, and the names that are near a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches


def counted(number: int, one: str, many: str = "", *, grouped: bool = False) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(2, "image"), counted(0, "query", "queries")
    ('1 image', '2 images', '0 queries')
    >>> counted(1234, "person is", "persons are", grouped=True)
    '1,234 persons are'

    Args:
        number: How many.
        one: What one of them is called.
        many: What several are called; empty: ``one`` with an s.
        grouped: Whether commas part the thousands.
    """
    return f"{number:{',' if grouped else ''}} {one if number == 1 else many or f'{one}s'}"


def near(word: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """The names that are near an unknown word; all names where none is near.

    >>> near("jitter", ["flip", "color_jitter"]), near("xyz", ["flip", "crop"])
    ('did you mean color_jitter?', 'there are flip, crop')
    """
    names = list(known)
    close = get_close_matches(word, names, n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}"


def unknown(kind: str, word: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """The message for an unknown word, with the names that are near.

    >>> unknown("loss", "circel", ["circle", "triplet"])
    "no loss 'circel'; did you mean circle?"
    """
    return f"no {kind} {word!r}; {near(word, known, cutoff=cutoff)}"
