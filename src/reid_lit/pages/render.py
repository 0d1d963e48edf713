"""Templates, and the libraries that are part of every page."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from reid_lit.paths import write_text

HERE = Path(__file__).parent


def write_page(file: Path, template: str, **content: Any) -> Path:
    """Fill ``templates/<template>`` and write it, whole or not at all; its scripts and styles are in the page itself.

    Args:
        file: Where to.
        template: The template's name.
        content: The template's variables.
    """
    return write_text(file, _environment().get_template(template).render(**content))


@cache
def _environment() -> Environment:
    loader = PackageLoader("reid_lit.pages")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["raw"] = _raw
    return environment


def _raw(name: str) -> Markup:
    """A script or a style sheet of this package, as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))


def data_uri(content: bytes, kind: str) -> str:
    """``content`` as an address that needs no file.

    >>> data_uri(b"abc", "image/png")
    'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
