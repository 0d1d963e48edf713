"""CUHK03: 1,467 persons, each seen by the two views of one of five camera pairs.

Source: Li et al., "DeepReID: Deep Filter Pairing Neural Network for Person Re-identification", CVPR 2014 (20 splits
with 100 test persons, here the classic protocol); Zhong et al., "Re-ranking Person Re-identification with k-reciprocal
Encoding", CVPR 2017 (the new protocol, 767 / 700 persons). 14,097 images that a detector cut out; 14,096 cut by hand,
not all of the same moments. For research, on request to the authors; do not pass the images on.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from reid_lit.data.base import ReidData
from reid_lit.data.counts import Count
from reid_lit.data.problems import Report, stop
from reid_lit.data.sample import Sample
from reid_lit.data.sets.cuhk03_archive import images_folder, unpack
from reid_lit.data.sets.cuhk03_parts import SPLITS, Options, Places
from reid_lit.data.sets.cuhk03_sample import sample
from reid_lit.data.sets.cuhk03_splits import read_classic, read_np, read_split_file
from reid_lit.data.sets.naming import check_choice
from reid_lit.data.splits import check_disjoint, train_on_all
from reid_lit.errors import InputError
from reid_lit.records import Rules, Split

logger = logging.getLogger(__name__)

DRAWS = 10
"""How often the classic protocol draws one image of each gallery person."""

IMAGES = {"detected": 14097, "labeled": 14096}
TRAIN = {"detected": 7365, "labeled": 7368}
QUERY = {"detected": 1400, "labeled": 1400}
GALLERY = {"detected": 5332, "labeled": 5328}


def read(
    root: Path,
    *,
    options: Options | None = None,
    train_on: str = "split",
    extract_to: Path | None = None,
    report: Report = stop,
) -> Split:
    """The images below ``root``: the data set's folder or the folder around it.

    Args:
        root: The folder.
        options: Which images, protocol, split and cameras.
        train_on: ``split``, or ``all`` persons, which leaves nothing to test.
        extract_to: Where the archive was unpacked to; None: next to it.
        report: Receives what is wrong; by default it raises.

    Raises:
        FileNotFoundError: a part of the copy is missing.
        ValueError: images and split do not belong together, or an option is unknown.
    """
    check_choice("train_on", train_on, ("split", "all"))
    options = options or Options()
    split = (_new if options.protocol == "new" else _classic)(Places(root, extract_to), options, report)
    return split if train_on == "split" else train_on_all(split)


def _new(places: Places, options: Options, report: Report) -> Split:
    images, file = places.find(images_folder(options.images)), places.find(options.split_file)
    folder = places.find_np(options.images)
    if images and file:
        train, query, gallery = read_split_file(file, images, options.camera_of, report)
        where, source = images, f"the split file {file.name}"
    elif folder:
        if options.camera == "pair_view":
            raise InputError(
                f"camera=pair_view: the file names in {folder.resolve()} do not hold the camera pair; set"
                f" dataset.camera=view, or use {images_folder(options.images)}/ with {options.split_file}"
            )
        train, query, gallery = read_np(folder, report)
        where, source = folder, "the folders of CUHK03-NP"
    else:
        raise places.lacking(options).error()
    check_disjoint(train, query + gallery, where=where, report=report)
    notes = (f"{options.images} images, new protocol by {source}",)
    rules = Rules(name=f"cuhk03_new_{options.images}")
    return Split(name="cuhk03", train=train, query=query, gallery=gallery, notes=notes, rules=rules)


def _classic(places: Places, options: Options, report: Report) -> Split:
    images, testsets = (places.find(name) for name in options.unpacked)
    if images is None or testsets is None:
        raise places.lacking(options).error()
    train, test = read_classic(images, testsets, options, report)
    notes = (
        f"{options.images} images, classic protocol, split {options.split_id}",
        "query and gallery: all images of the test persons",
    )
    rules = Rules(name=f"cuhk03_classic_{options.images}", single_gallery_shot=DRAWS)
    return Split(name="cuhk03", train=train, query=test, gallery=test, notes=notes, rules=rules)


@dataclass(kw_only=True, eq=False, repr=False)
class CUHK03(ReidData):
    """CUHK03, read from a copy that the user places; its raw archive is unpacked on first use.

    Args:
        images: ``detected`` or ``labeled``.
        protocol: ``new`` or ``classic``.
        split_id: Which of the 20 classic splits.
        camera: ``view`` (two cameras) or ``pair_view`` (ten); the same images are removed from a ranking.
        train_on: ``split``, or ``all`` persons with nothing to test.
        extract_to: Where to unpack the archive; None: next to it.
    """

    images: str = "detected"
    protocol: str = "new"
    split_id: int = 0
    camera: str = "view"
    train_on: str = "split"
    extract_to: str | Path | None = None

    SPLITS: ClassVar[int] = SPLITS["classic"]

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.options  # refuses a split that the protocol lacks

    @property
    def target(self) -> Path | None:
        """Where to unpack the archive; None: next to it."""
        return None if self.extract_to is None else Path(self.extract_to).expanduser()

    @property
    def options(self) -> Options:
        """The options of the split: images, protocol, split and cameras."""
        return Options(images=self.images, protocol=self.protocol, split_id=self.split_id, camera=self.camera)

    @override
    def prepare_data(self) -> None:  # Lightning calls this on one rank of a machine; unpack() is atomic besides
        archive = Places(self.root, self.target).to_unpack(self.options)
        if archive is not None:
            unpack(archive, self.target or archive.parent, progress=_log_tenths)

    @override
    def read(self, report: Report = stop) -> Split:
        options, target = self.options, self.target
        return read(self.root, options=options, train_on=self.train_on, extract_to=target, report=report)

    @override
    def parts(self) -> dict[str, Path]:
        return Places(self.root, self.target).parts()

    @override
    def official(self) -> dict[str, Count]:
        cameras = 2 if self.camera == "view" else 10

        def counted(images: dict[str, int], persons: int) -> Count:
            return Count(images=images[self.images], persons=persons, cameras=cameras, junk=0)

        if self.train_on == "all":
            return {"train": counted(IMAGES, 1467)}
        if self.protocol == "classic":
            return {}  # who is tested is only in the archive
        return {"train": counted(TRAIN, 767), "query": counted(QUERY, 700), "gallery": counted(GALLERY, 700)}

    @override
    def sample(self) -> Sample:
        return sample(self.options)


def _log_tenths(done: int, total: int) -> None:
    if 10 * done // total > 10 * (done - 1) // total:
        logger.info("unpacking CUHK03: %d of %d persons", done, total)
