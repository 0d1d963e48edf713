"""The images that are enrolled: files, folders, and lists with persons, cameras and times."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.errors import InputError, MissingFileError
from reid_lit.files.access import files_below, is_dir, is_file
from reid_lit.gallery.rows import Entry, moment
from reid_lit.records import absolute_path

COLUMNS = ("path", "person", "camera", "time")


def entries_of(sources: Sequence[str], *, given: Entry) -> list[Entry]:
    """The images of files, folders and lists, each once, in their order.

    Args:
        sources: Images, folders of images at any depth, and ``.csv`` files with the column ``path`` and perhaps
            ``person``, ``camera`` and ``time``.
        given: Person, camera and time of all that a list does not say otherwise.

    Raises:
        FileNotFoundError: a file or folder is not there.
        ValueError: a list has other columns, or a time that is none.
    """
    found: dict[str, Entry] = {}
    for source in sources:
        for entry in _entries(Path(source).expanduser(), given):
            found.setdefault(entry.path, entry)
    if not found:
        raise InputError(f"no image in {', '.join(sources) or 'nothing'}; name images, folders of them, or a .csv list")
    return list(found.values())


def _entries(source: Path, given: Entry) -> Iterator[Entry]:
    if is_dir(source):
        files = sorted(path for path in files_below(source) if path.name.lower().endswith(EXTENSIONS))
        yield from (replace(given, path=absolute_path(file)) for file in files)
    elif not is_file(source):
        raise MissingFileError(f"no such file or folder: {source}; name images, folders of them, or a .csv list")
    elif source.suffix.lower() == ".csv":
        yield from _listed(source, given)
    else:
        yield replace(given, path=absolute_path(source))


def _listed(file: Path, given: Entry) -> Iterator[Entry]:
    try:
        lines = io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: no text in UTF-8 ({error.reason}); save it as CSV in UTF-8") from None
    reader = csv.DictReader(lines)
    names = [name.strip() for name in reader.fieldnames or ()]
    unknown = [name for name in names if name not in COLUMNS]
    if "path" not in names or unknown:
        what = f"columns {', '.join(map(repr, unknown))} are unknown" if unknown else "no column 'path'"
        raise InputError(f"{file}: {what}; a list has path, and perhaps person, camera and time")
    if len(set(names)) < len(names):
        raise InputError(f"{file}: a column is there twice ({', '.join(names)}); remove one")
    reader.fieldnames = names
    for row in reader:
        place = f"{file} line {reader.line_num}"
        if not row["path"]:
            raise InputError(f"{place}: no path; write one, or remove the line")
        if None in row:  # where csv puts what is behind the last column
            raise InputError(f'{place}: more cells than columns; write a text with commas in "quotes"')
        yield Entry(
            path=absolute_path(file.parent / row["path"]),
            person=row.get("person") or given.person,
            camera=row.get("camera") or given.camera,
            time=moment(row.get("time"), name=f"{place}: time") or given.time,
        )
