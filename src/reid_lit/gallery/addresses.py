"""Addresses of servers that keep galleries."""

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from reid_lit.errors import InputError

_SERVERS = ("postgresql", "postgres", "http", "https")


def without_password(store: str) -> str:
    """A store as it may be printed and kept: the address of a server without the password in it.

    >>> without_password("postgresql://ann:secret@host/reid?gallery=doors")
    'postgresql://ann@host/reid?gallery=doors'

    Raises:
        ValueError: it cannot be told where the password ends.
    """
    scheme = store.partition("://")[0]
    if scheme not in _SERVERS:
        return store
    split = urlsplit(store)
    if "@" in split.path + split.query + split.fragment:
        raise InputError(
            f"store={scheme}://…: the @ stands too late; write /, ?, #, : and @ of a user or password as %2F, %3F, %23,"
            f" %3A and %40, or leave the password to the environment"
        )
    user, at, host = split.netloc.rpartition("@")
    query = split.query if "password" not in split.query else _joined(split.query, without="password")
    return split._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query).geturl()


def named(store: str) -> tuple[str, str]:
    """The address of a server without ``gallery=<name>``, and that name; ``images`` where there is none.

    >>> named("http://localhost:6333?gallery=doors")
    ('http://localhost:6333', 'doors')

    Raises:
        ValueError: the name cannot be that of a table.
    """
    split = urlsplit(store)
    name = dict(parse_qsl(split.query, keep_blank_values=True)).get("gallery", "images")
    if not re.fullmatch(r"[a-z0-9_]{1,40}", name):
        raise InputError(f"store={without_password(store)}: ?gallery={name}: use a to z, 0 to 9 and _, 40 at most")
    return split._replace(query=_joined(split.query, without="gallery")).geturl(), name


def _joined(query: str, *, without: str) -> str:
    return urlencode([(key, value) for key, value in parse_qsl(query) if key != without], quote_via=quote)
