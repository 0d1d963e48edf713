"""Whether what was read as persons are cameras: by what names say, and by how folders are shared."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from reid_lit.data.sets.person_names import JUNK_NAME, Crop
from reid_lit.wording import counted

_NUMBERED = r"(?:c|cam|camera|kamera|cámara|camara|caméra|cctv|ipc|ipcam|view|ch|channel|webcam|gopro|相机|摄像头)"
_PLACES = (
    "entrance|entry|exit|lobby|hall|hallway|gate|corridor|door|lift|elevator|stairs|staircase|parking|garage|reception"
    "|indoor|outdoor|inside|outside|front|back|rear|left|right|top|north|south|east|west|cctv|view|platform|checkout"
)
_CAMERA = re.compile(
    rf"{_NUMBERED}[ _.-]?\d{{1,4}}[a-z]?|(?:cam|camera|kamera|cctv)(?:[ _.-]\w+|\d\w*)?", re.IGNORECASE
)
_PLACE = re.compile(rf"(?:{_PLACES})s?(?:[ _.-]?(?:{_PLACES}|\d{{1,4}})|[ _.-][a-z])*", re.IGNORECASE)


def names_camera(name: str) -> bool:
    """Whether a name says that it is a camera, or the place of one: ``c1``, ``cam_03``, ``entrance``.

    >>> [name for name in ("c1", "Cam_03", "camera-b", "entrance 2", "carl", "c", "p01", "0001") if names_camera(name)]
    ['c1', 'Cam_03', 'camera-b', 'entrance 2']
    """
    return bool(_CAMERA.fullmatch(name) or _PLACE.fullmatch(name))


def all_name_cameras(names: Collection[str]) -> bool:
    """Whether there are two names or more, and each says that it is a camera."""
    return len(names) > 1 and all(map(names_camera, names))


def why_cameras(crops: Iterable[Crop]) -> str:
    """Why the persons of crops seem to be their cameras, and the cameras their persons; empty where they do not.

    Names decide where they say anything. Else it is the numbers: a data set has more persons than cameras, and its
    cameras see many persons each; where it is the other way round, ``person`` and ``camera`` are likely swapped.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    persons: set[str] = set()
    for crop in crops:
        if crop.camera and crop.person != JUNK_NAME:
            persons.add(crop.person)
            seen[crop.camera].add(crop.person)
    cameras = sorted(seen)
    if not cameras or all_name_cameras(cameras):
        return ""
    count = f"{counted(len(persons), 'person')} ({_some(sorted(persons))}) by {counted(len(cameras), 'camera')}"
    if all_name_cameras(persons):
        return f"{count} ({_some(cameras)}): the names of the persons are those of cameras"
    shared = sum(len(each) > 1 for each in seen.values())
    if 1 < len(persons) < len(cameras) and 2 * shared >= len(cameras):
        return f"{count} ({_some(cameras)}), of which {shared} are shared: it looks as if they were swapped"
    return ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
