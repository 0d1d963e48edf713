"""The parts of a copy of CUHK03, and where they are."""

import re
from dataclasses import dataclass
from pathlib import Path

from reid_lit.data.problems import MISSING, Problem
from reid_lit.data.sets.cuhk03_archive import KINDS, TESTSETS, images_folder, is_there
from reid_lit.data.sets.layout import ORIGINAL
from reid_lit.data.sets.naming import Naming, check_choice
from reid_lit.errors import InputError
from reid_lit.files.access import is_dir

ARCHIVE = "cuhk-03.mat"
FOLDERS = ("cuhk03", "CUHK03", "cuhk03_release", "cuhk03/cuhk03_release", "CUHK03/cuhk03_release")
NP_FOLDERS = ("cuhk03-np", "CUHK03-NP")
SPLITS = {"new": 1, "classic": 20}

LAYOUT = (
    "images_detected/1_001_1_01.png and cuhk03_new_protocol_config_detected.mat (or labeled in both), or"
    " cuhk03-np/detected/bounding_box_train/0001_c1_1.png, query/…, bounding_box_test/…, or cuhk03_release/cuhk-03.mat"
)
NAMING = Naming(
    title="CUHK03",
    # camera pair, person of the pair, view, image
    pattern=re.compile(r"^(?P<pair>[1-5])_(?P<person>\d{3})_(?P<view>[12])_(?P<image>\d{2})\.(?:png|jpg)$", re.ASCII),
    example="1_001_1_01.png",
    extensions=(".png", ".jpg"),
    layout=LAYOUT,
    folders=(*FOLDERS, *NP_FOLDERS),
)
NP_NAMING = Naming(
    title="CUHK03-NP",
    pattern=re.compile(r"^(?P<person>\d{4})_c(?P<camera>[12])_\d+\.(?:png|jpg)$", re.ASCII),
    example="0001_c1_1.png",
    extensions=(".png", ".jpg"),
    layout=LAYOUT,
    folders=NP_FOLDERS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which images, protocol, split and cameras of CUHK03 to use.

    Attributes:
        images: ``detected``, cut out by a detector, or ``labeled``, cut out by hand.
        protocol: ``new`` (767 persons train, 700 are tested) or ``classic`` (20 splits with 100 test persons).
        split_id: Which of the classic splits, 0 … 19; 0 in the new protocol.
        camera: ``view``, cameras 0 and 1 for the views of a pair, or ``pair_view``, 0 … 9 for the views of five pairs.

    Raises:
        ValueError: there is no such option or split.
    """

    images: str = "detected"
    protocol: str = "new"
    split_id: int = 0
    camera: str = "view"

    def __post_init__(self) -> None:
        check_choice("images", self.images, KINDS)
        check_choice("protocol", self.protocol, tuple(SPLITS))
        check_choice("camera", self.camera, ("view", "pair_view"))
        if self.split_id not in range(SPLITS[self.protocol]):
            cure = "set it to 0 … 19" if self.protocol == "classic" else "set it to 0, or protocol=classic"
            raise InputError(f"split_id={self.split_id}: protocol={self.protocol} has no such split; {cure}")

    @property
    def split_file(self) -> str:
        """The name of the new protocol's split file."""
        return f"cuhk03_new_protocol_config_{self.images}.mat"

    @property
    def unpacked(self) -> tuple[str, ...]:
        """The names of what is needed out of the archive."""
        return (images_folder(self.images), *([TESTSETS] if self.protocol == "classic" else []))

    def camera_of(self, name: re.Match[str]) -> int:
        """The camera of an image by its name."""
        pair = int(name["pair"]) - 1 if self.camera == "pair_view" else 0
        return 2 * pair + int(name["view"]) - 1


class Places:
    """Where the parts of a copy are: in ``root``, in a folder inside it, or where the archive was unpacked to.

    Args:
        root: The folder.
        extract_to: Where the archive was unpacked to; None: next to it.
    """

    def __init__(self, root: Path, extract_to: Path | None = None) -> None:
        self.root = root
        self.folders = (*([extract_to] if extract_to else []), root, *(root / name for name in FOLDERS))

    def find(self, name: str) -> Path | None:
        """The first file of that name, or folder that is not empty."""
        return next((folder / name for folder in self.folders if is_there(folder / name)), None)

    def find_np(self, images: str) -> Path | None:
        """The folder of the CUHK03-NP release that holds ``bounding_box_train/``."""
        inner = (folder / name / images for folder in self.folders for name in ("", *NP_FOLDERS))
        return next((folder for folder in inner if is_dir(folder / ORIGINAL.train)), None)

    def parts(self) -> dict[str, Path]:
        """All of the copy but the archive, by the names under which a copy in one folder has it."""
        files = [TESTSETS, *(name for kind in KINDS for name in (images_folder(kind), Options(images=kind).split_file))]
        found = {name: self.find(name) for name in files}
        found |= {f"{NP_FOLDERS[0]}/{kind}": self.find_np(kind) for kind in KINDS}
        return {name: place for name, place in found.items() if place is not None}

    def to_unpack(self, options: Options) -> Path | None:
        """The archive, if there is one and the options need something that has not been unpacked."""
        if options.protocol == "new" and (self.find_np(options.images) or not self.find(options.split_file)):
            return None  # it is read without the archive, or it lacks the split file, which the archive does not hold
        return None if all(self.find(name) for name in options.unpacked) else self.find(ARCHIVE)

    def lacking(self, options: Options) -> Problem:
        """The problem that a part which the options need is missing."""
        needed = (*options.unpacked, *([options.split_file] if options.protocol == "new" else []))
        names = [name for name in needed if not self.find(name)]
        problem, cures = NAMING.nowhere(self.root, " and no ".join(names)), []
        archive = self.find(ARCHIVE)
        if set(options.unpacked) & set(names):
            unpacks = "a training run unpacks them from {}, by pip install h5py"
            cures += [unpacks.format(archive.resolve() if archive else f"{ARCHIVE}, which is not there either")]
        if options.split_file in names:
            cures += [
                "the split files come with Zhong et al.'s public code (person-re-ranking, evaluation/data/CUHK03)"
            ]
        return Problem(kind=MISSING, place=self.root, fact=problem.fact, cure="; ".join([*cures, problem.cure]))
