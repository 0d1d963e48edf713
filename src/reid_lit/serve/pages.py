"""The page for people, and the list of requests: plain files of this package, and nothing of any other host."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reid_lit.kinds import Kind, said
from reid_lit.pages.render import HERE as PAGES

HERE = Path(__file__).parent / "page"


def add_pages(app: FastAPI, kind: Kind) -> None:
    """Add ``/``, ``/docs``, and the style and the script of both.

    Args:
        app: To which.
        kind: What the gallery's images show.
    """
    style = (PAGES / "templates" / "page.css").read_text(encoding="utf-8")
    style += (HERE / "serve.css").read_text(encoding="utf-8")
    script = (HERE / "page.js").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(said((HERE / "index.html").read_text(encoding="utf-8"), kind))

    @app.get("/page.css", include_in_schema=False)
    def css() -> Response:
        return Response(style, media_type="text/css")

    @app.get("/page.js", include_in_schema=False)
    def javascript() -> Response:
        return Response(script, media_type="text/javascript")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        schema = app.openapi()
        return HTMLResponse(_docs().render(info=schema["info"], requests=list(_requests(schema))))


@cache
def _docs() -> Any:
    environment = Environment(
        loader=PackageLoader("reid_lit.serve", "page"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
    )
    return environment.get_template("docs.html")


def _requests(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What ``/docs`` says of each request."""
    for path, methods in schema["paths"].items():
        for method, request in methods.items():
            content: dict[str, dict[str, Any]] = request.get("requestBody", {}).get("content", {})
            kind = next(iter(content), "")
            yield {
                "method": method.upper(),
                "path": path,
                "tag": request["tags"][0],
                "says": request.get("description", ""),
                "kind": kind,
                "fields": [*_headers(request), *_fields(schema, content[kind]["schema"] if kind else {})],
            }


def _headers(request: dict[str, Any]) -> Iterator[dict[str, str]]:
    for each in request.get("parameters", ()):
        yield {
            "name": each["name"],
            "where": each["in"],
            "kind": _kind(each["schema"]),
            "says": each.get("description", ""),
            "required": each.get("required", False),
        }


def _fields(schema: dict[str, Any], body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    parts = body.get("$ref", "").rpartition("/")[2]
    schemas: dict[str, dict[str, Any]] = schema["components"]["schemas"]
    found = schemas[parts] if parts else body
    for name, each in found.get("properties", {}).items():
        yield {
            "name": name,
            "where": "body",
            "kind": _kind(each),
            "says": each.get("description", ""),
            "required": name in found.get("required", ()),
        }


def _kind(field: dict[str, Any]) -> str:
    """The type of a field in a few words."""
    if "anyOf" in field:
        return " or ".join(_kind(each) for each in field["anyOf"] if each.get("type") != "null")
    if field.get("type") == "array":
        return f"{_kind(field['items'])}, one or several"
    is_file = field.get("format") == "binary" or "contentMediaType" in field
    return "file" if is_file else str(field.get("type", "any"))
