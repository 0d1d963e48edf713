"""Numbers of things, in words."""


def counted(number: int, one: str, many: str = "", *, grouped: bool = False) -> str:
    """A number and what there are so many of.

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
