"""Real crops: for the gate those of the run's own data, for the ranges of int8 those that it has learnt from, alone."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, open_dict

from reid_lit.backbones.checkpoint import weights_file
from reid_lit.data.base import ReidData
from reid_lit.data.feeding.decode import resized
from reid_lit.data.feeding.readable import EXTENSIONS
from reid_lit.errors import InputError, MissingFileError
from reid_lit.export.gate import CROPS, Pixels
from reid_lit.files.access import files_below, is_dir, is_file
from reid_lit.files.pixels import pixels
from reid_lit.records import absolute_path, common_images
from reid_lit.run.datasets import make_data, with_root
from reid_lit.run.lineage import read_lineage
from reid_lit.testing.embedder import Embedder
from reid_lit.wording import counted

_AT_ONCE = 16
"""Calibration images of a batch."""


def owner(place: Path) -> Path | None:
    """The folder of the run that weights are of, of an evaluation the one that was evaluated; None: of none."""
    if place.is_file():
        place = place.parent.parent
        return place if (place / "config.yaml").is_file() else None
    above = place.parent.parent
    return above if not weights_file(place).is_file() and weights_file(above).is_file() else place


def learnt_by(folder: Path | None) -> list[Path]:
    """The images that a run has learnt from, in order of their names; no run has learnt from none."""
    return [] if folder is None else [Path(name) for name in sorted(read_lineage(folder).trained)]


def own_tests(config: DictConfig, size: Sequence[int], root: str | None) -> list[ReidData]:
    """The tests of the data set that a run was trained on, whose images get the size that a file takes.

    Args:
        config: The run's config.
        size: Height and width in pixels.
        root: Where the data set lies now; None: where the run found it.

    Raises:
        FileNotFoundError: the data set is not there.
        ValueError: nobody in it is tested, or its config cannot be used.
    """
    config = copy.deepcopy(config)
    if root:
        config = with_root(config, Path(root).expanduser())
    with open_dict(config):
        config.dataset.transform.size = list(size)
        config.dataset.transform.test_scale = 1.0
    data = make_data(config)
    data.prepare_data()
    data.setup("test")
    tests = [test for test in data.tests() if test.split.query and test.split.gallery]
    if not tests:
        raise InputError(f"{data.split.name} has no query and gallery")
    return tests


def listed(sources: Iterable[str]) -> list[Path]:
    """The images of files and of folders at any depth.

    Raises:
        FileNotFoundError: a file or folder is not there.
        ValueError: there is no image in them.
    """
    found: list[Path] = []
    for source in (Path(text).expanduser() for text in sources):
        if is_dir(source):
            found += sorted(path for path in files_below(source) if path.name.lower().endswith(EXTENSIONS))
        elif is_file(source):
            found.append(source)
        else:
            raise MissingFileError(f"no such file or folder: {source}; name images, or folders of them")
    if not found:
        raise InputError(f"no image in {', '.join(sources)}; name images, or folders of them")
    return found


def of_training(run: Path, given: Sequence[str] | None, count: int) -> list[Path]:
    """Images that a run has learnt from, spread over its list, for the ranges of int8.

    Args:
        run: The folder of the run.
        given: Images or folders to take them from; None: its training list.
        count: How many.

    Raises:
        ValueError: an image is none that the run has learnt from, or none of these is there: a test image would be
            learnt from.
    """
    learnt = read_lineage(run).trained
    if not learnt:
        raise InputError(
            f"precision=int8: {run} has no training_list.txt, and ranges of activations are taken from training images"
            " alone; give the folder of a run, or precision=fp16"
        )
    if given is None:
        there = [Path(name) for name in sorted(learnt) if is_file(Path(name))]
        if not there:
            raise InputError(
                f"precision=int8: none of the {len(learnt)} images of {run / 'training_list.txt'} is there, such as"
                f" {min(learnt)}; put the data set where it was, or give precision=fp16"
            )
        return spread(there, count)
    images = {absolute_path(path): path for path in listed(given)}
    foreign = sorted(set(images) - set(common_images(images, learnt)))
    if foreign:
        raise InputError(
            f"calibration: {counted(len(foreign), 'image is', 'images are')} none that the run has learnt from, such"
            f" as {foreign[0]}; ranges of activations are taken from its training list alone"
        )
    return spread(list(images.values()), count)


def spread(images: Sequence[Path], count: int) -> list[Path]:
    """So many of the images, evenly over their list; all where there are fewer."""
    if len(images) <= count:
        return list(images)
    return [images[place] for place in np.linspace(0, len(images) - 1, count).round().astype(int)]


def crops_of(embedder: Embedder, images: Sequence[Path], size: tuple[int, int]) -> Pixels:
    """Images in RGB as a consumer would resize them, uint8 ``(images 3 height width)``.

    Raises:
        ValueError: one cannot be read.
    """
    read = (pixels(path, embedder.value_range) for path in images)
    return resized(read, size=size, interpolation=embedder.transform.interpolation).contiguous().numpy()


def for_gate(embedder: Embedder, images: Sequence[Path], size: tuple[int, int]) -> Pixels:
    """As many crops as the gate compares; fewer images come again."""
    chosen = spread(images, CROPS)
    return crops_of(embedder, [chosen[place % len(chosen)] for place in range(CROPS)], size)


def batches(embedder: Embedder, images: Sequence[Path], size: tuple[int, int]) -> Iterator[Pixels]:
    """Calibration images, some at once."""
    for start in range(0, len(images), _AT_ONCE):
        yield crops_of(embedder, images[start : start + _AT_ONCE], size)
