"""A matrix as files: JSON, Markdown, CSV, HTML and a picture."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_lit.pages.render import data_uri, write_page
from reid_lit.paths import write_text, write_whole
from reid_lit.tables.matrix import text


def write_matrix(folder: Path, matrix: Mapping[str, Any]) -> None:
    """Write ``matrix.json``, ``.md``, ``.csv``, ``.html`` and, once there is a number, ``.png``; each whole."""
    write_text(folder / "matrix.json", json.dumps(matrix, indent=1, allow_nan=False) + "\n")
    write_text(folder / "matrix.md", text.markdown(matrix))
    write_text(folder / "matrix.csv", text.comma_separated(matrix))
    picture = _picture(matrix)
    if picture:
        write_whole(folder / "matrix.png", lambda beside: beside.write_bytes(picture))
    write_page(
        folder / "matrix.html",
        "matrix.html",
        matrix=matrix,
        text=text,
        picture=data_uri(picture, "image/png") if picture else "",
    )


def _picture(matrix: Mapping[str, Any]) -> bytes:
    """The heat map, as a PNG; empty while there is no number."""
    values, ranks = matrix["values"]["mAP"], matrix["values"]["rank1"]
    if all(value is None for row in values for value in row):
        return b""
    words = [[_words(*pair) for pair in zip(*row, strict=True)] for row in zip(values, ranks, strict=True)]
    stamps = [cell["stamp"] for cell in matrix["cells"] if cell["stamp"]]
    protocol = " or ".join(dict.fromkeys(f"AP by {stamp['ap']}, {stamp['distance']} distance" for stamp in stamps))
    title = f"{matrix['title']}: mAP / rank-1 in % ({protocol})"
    from reid_lit.figures.heat_map import heat_map  # it imports matplotlib

    figure = heat_map(matrix["rows"], matrix["columns"], values, label="mAP in %", words=words, title=title)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _words(mean: float | None, first: float | None) -> str:
    if mean is None:
        return ""
    return f"{mean:.1f} / {text.NOTHING if first is None else f'{first:.1f}'}"
