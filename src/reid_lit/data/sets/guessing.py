"""A pattern for unknown file names: which part is the person and which the camera, by what the parts say."""

import re
from collections.abc import Sequence

from reid_lit.data.sets.camera_names import names_camera
from reid_lit.wording import counted

_MARKS = "_-."
_OTHERS = (r"(?P<person>\d+)[^/]*$", r"(^|/)(?P<person>[^/]+)\.[^/]*$")
"""Where no mark parts the names: the first that fits all."""


def guessed(names: Sequence[str]) -> str:
    """A pattern that fits all names, as the command line takes it, and what it would give.

    Args:
        names: Paths of images below their folder.
    """
    pattern = guess(names)
    matches = [re.search(pattern, name) for name in names]
    groups = [match.groupdict() for match in matches if match]
    persons, cameras = (sorted({each[key] for each in groups if key in each}) for key in ("person", "camera"))
    gives = counted(len(persons), "person")
    if cameras:
        gives += f" by {counted(len(cameras), 'camera')}"
    shown = "; ".join(
        f"{name}: person {each['person']}" + (f", camera {each['camera']}" if cameras else "")
        for name, each in [*zip(names, groups, strict=False)][:: max(1, len(names) // 3)][:3]
    )
    return f"""'pattern="{pattern}"', which gives {gives} ({shown})"""


def guess(names: Sequence[str]) -> str:
    """A pattern that fits all names, with a group ``person`` and, where a part of them seems to be one, ``camera``."""
    files = [name.rpartition("/")[2] for name in names]
    for mark in _MARKS[:2]:
        parts = [file.rpartition(".")[0].split(mark) for file in files]
        common = min(map(len, parts))
        if common > 1:
            columns = [[part[place] for part in parts] for place in range(common)]
            person, camera = _roles(columns, len(names))
            return _pattern(person, camera, mark, open_end=any(len(part) > common for part in parts), count=common)
    return next((text for text in _OTHERS if all(re.search(text, name) for name in names)), _OTHERS[-1])


def _roles(columns: Sequence[Sequence[str]], images: int) -> tuple[int, int | None]:
    """The places of the person and of the camera (None: unknown) among the parts of the names.

    A part that is the same in all names is a word, not a name. A camera is a part whose values say so, else of the
    first two parts that differ, where there is a third for the image, the one with fewer values.
    """
    values = [set(column) for column in columns]
    differing = [place for place, each in enumerate(values) if len(each) > 1] or [0]
    cameras = [place for place, each in enumerate(values) if all(map(names_camera, each))]
    if cameras:
        others = [place for place in differing if place not in cameras and len(values[place]) < images]
        if others:
            return others[0], cameras[0]
    first, *more = differing
    if len(more) > 1:
        second = more[0]
        return (first, second) if len(values[first]) >= len(values[second]) else (second, first)
    return first, None


def _pattern(person: int, camera: int | None, mark: str, *, open_end: bool, count: int) -> str:
    """The expression with groups at the places of the person and of the camera."""
    last = max(person, -1 if camera is None else camera)
    groups = {person: "person", camera: "camera"}
    part = rf"[^/{mark}]+"
    written = [f"(?P<{groups[place]}>{part})" if place in groups else part for place in range(last + 1)]
    ends = last == count - 1 and not open_end
    if ends:
        written[-1] = written[-1].replace(part, rf"[^/{mark}.]+")
    return "(^|/)" + mark.join(written) + (r"\.[^/]*$" if ends else f"{mark}[^/]*$")
