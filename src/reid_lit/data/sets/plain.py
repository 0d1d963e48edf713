"""A folder of images, at any depth, whose persons are not known: to be embedded, or adapted to."""

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.data.passed_over import Passed, passed_over, unread_formats
from reid_lit.data.problems import EMPTY, MISSING, Problem, Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.splits import as_target
from reid_lit.files.access import files_below, is_dir
from reid_lit.records import JUNK, Shot, Split

NOWHERE = -1
"""Stands for a camera that is not known."""

SAMPLE = Sample(images=dict.fromkeys(("1.jpg", "a/2.png", "a/b/3.webp"), (JUNK, NOWHERE)))


@dataclass(kw_only=True, eq=False, repr=False)
class PlainImages(ReidData):
    """The images below a folder; fields as in :class:`~reid_lit.data.base.ReidData`.

    Attributes:
        adapted_to: Whether they are a training list, since ``setup("fit")``; else they are there to be embedded.
    """

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.adapted_to = False

    @override
    def read(self, report: Report = stop) -> Split:
        return Split(name=self.root.resolve().name, train=(), query=(), gallery=read(self.root))

    @override
    def setup(self, stage: str | None = None) -> None:
        self.adapted_to |= stage == "fit"
        super().setup(stage)

    @override
    def read_sound(self, on_bad_image: str) -> Split:
        split = super().read_sound(on_bad_image)
        return as_target(split) if self.adapted_to else split

    @override
    def passed_over(self, split: Split) -> list[Passed]:
        return passed_over((shot.path for shot in split.shots), self.root)

    @override
    def sample(self) -> Sample:
        return SAMPLE


def read(root: Path) -> tuple[Shot, ...]:
    """The images below ``root``, sorted by path; persons and cameras are not known.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
    """
    if not is_dir(root):
        fact = f"no such folder: {root.resolve()}"
        raise Problem(kind=MISSING, place=root, fact=fact, cure="name a folder of images").error()
    images = sorted(path for path in files_below(root) if path.name.lower().endswith(EXTENSIONS))
    if not images:
        fact = f"no {', '.join(f'*{end}' for end in EXTENSIONS)} below {root.resolve()}{unread_formats(root)}"
        raise Problem(kind=EMPTY, place=root, fact=fact, cure="name a folder of images").error()
    return tuple(Shot(path=path, person_id=JUNK, camera_id=NOWHERE) for path in images)
