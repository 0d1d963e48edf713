"""What passes between the parts: shots, splits, batches, outputs."""

from __future__ import annotations  # a list of images needs no torch, which takes seconds to import

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from reid_lit.kinds import PERSON, Kind

if TYPE_CHECKING:
    from torch import Tensor

JUNK = -1
"""Person id of junk: detections that show no known person, removed from every ranking (Market-1501's ``-1``)."""


class Moment(NamedTuple):
    """When an image was taken. Two moments have a known gap where they are of one clock.

    Attributes:
        clock: The name of the clock.
        seconds: Since the clock's own start.
    """

    clock: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of one person by one camera.

    Attributes:
        path: The image file.
        person_id: The data set's own number of the person; -1 is junk. Persons of the gallery that no query shows
            (Market-1501's ``0000``, Duke's 408 extra persons) are distractors: ordinary negatives.
        camera_id: The camera, counted from 0 (file names count from 1).
        value_range: Of a file of 16 bit or of floats, the values that are shown as 0 and as 255; None: the file's own.
        taken: When it was taken, where that is known.
        track_id: The track that it is of, where that is known: images of one person by one camera, one after the other.
        clothes_id: The clothes, counted from 0, where they are known. Only those of one person are compared.
        view: The side that it shows, such as ``front``, where that is known.
    """

    path: Path
    person_id: int
    camera_id: int
    value_range: tuple[float, float] | None = None
    taken: Moment | None = None
    clothes_id: int | None = None
    track_id: int | None = None
    view: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a data set's own protocol prescribes, whatever evaluation is chosen.

    Attributes:
        name: The protocol's name, for the stamp; empty: the split's name.
        ap: Convention of the average precision; None leaves it to the evaluation.
        single_gallery_shot: How often one image of each gallery person is drawn and ranked (CUHK03's classic protocol);
            0 ranks the whole gallery once.
        camera_rule: What is removed from a ranking, as in the evaluation's ``camera_rule``: ``any_camera`` where the
            cameras are not known; None leaves it to the evaluation.
    """

    name: str = ""
    ap: str | None = None
    single_gallery_shot: int = 0
    camera_rule: str | None = None


def absolute_path(path: str | os.PathLike[str]) -> str:
    """The one name of an image, by which it is compared and stored: without ``..``, links as they are.

    >>> absolute_path("/data/runs/../ward/0001.png")
    '/data/ward/0001.png'
    """
    return os.path.abspath(path)  # noqa: PTH100 - Path.resolve() asks the disk, Path.absolute() keeps ..


def absolute(shots: Iterable[Shot]) -> frozenset[str]:
    """The names of the images of shots, by :func:`absolute_path`."""
    return frozenset(absolute_path(shot.path) for shot in shots)


def common_images(one: Iterable[str], other: Iterable[str]) -> list[str]:
    """The images of ``one`` that are in ``other`` too, whatever links lead to their folders; sorted.

    Args:
        one: Names by :func:`absolute_path`; those that are given back.
        other: Likewise.
    """
    real = {_real_path(name) for name in other}
    return sorted(name for name in one if _real_path(name) in real)


def _real_path(name: str) -> str:
    folder, _, file = name.rpartition(os.sep)
    return f"{_real_folder(folder)}{os.sep}{file}"


@functools.lru_cache(maxsize=4096)  # a data set has few folders, and the disk is asked for each
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


@dataclass(frozen=True, slots=True)
class Split:
    """The three lists of a re-ID data set, each sorted by person folder and file name.

    Attributes:
        name: The data set's name, as on the command line.
        train: Training shots, with the data set's own person ids.
        query: Query shots.
        gallery: Gallery shots, junk and distractors included.
        notes: Facts worth a line in the log and the protocol stamp (what was assumed, dropped, counted).
        rules: What the data set's own protocol prescribes.
        tests: The tests, where there are several (directions, camera pairs, joint data sets), each with a query and a
            gallery of its own; ``query`` and ``gallery`` are empty then.
        average: Name of a row of results that averages the tests; empty: they are reported apart.
        validation: Query and gallery to validate with, where the data set itself sets them aside.
        kind: What its identities are. Fields, keys and notes speak of persons, whatever they are.
    """

    name: str
    train: tuple[Shot, ...]
    query: tuple[Shot, ...]
    gallery: tuple[Shot, ...]
    notes: tuple[str, ...] = field(default=())
    rules: Rules = field(default=Rules())
    tests: tuple[Split, ...] = field(default=())
    average: str = ""
    validation: Split | None = None
    kind: Kind = PERSON

    def with_lists(self, change: Callable[[tuple[Shot, ...]], tuple[Shot, ...]]) -> Split:
        """The split whose every list, also those of its tests and its validation, is what ``change`` makes of it."""
        return replace(
            self,
            train=change(self.train),
            query=change(self.query),
            gallery=change(self.gallery),
            tests=tuple(test.with_lists(change) for test in self.tests),
            validation=self.validation and self.validation.with_lists(change),
        )

    @property
    def persons(self) -> tuple[int, ...]:
        """The persons of the training list, each once; the place of one is the class that it is trained as."""
        return tuple(sorted({shot.person_id for shot in self.train} - {JUNK}))

    @property
    def tested(self) -> tuple[Split, ...]:
        """Every query and gallery: those of ``tests``, or the split's own."""
        return self.tests or (self,)

    @property
    def named_tests(self) -> tuple[tuple[str, Split], ...]:
        """The tests, each with what stands before ``query`` and ``gallery`` in the names of its lists."""
        return tuple((f"{test.name} " if self.tests else "", test) for test in self.tested)

    @property
    def lists(self) -> dict[str, tuple[Shot, ...]]:
        """The lists by name: ``train``, then ``query`` and ``gallery``, with the test's name before where several."""
        named = {"train": self.train}
        for before, test in self.named_tests:
            named |= {f"{before}query": test.query, f"{before}gallery": test.gallery}
        return named

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Every shot once: training, validation, then tests."""
        parts = [*self.tested, *([self.validation] if self.validation else [])]
        return tuple(dict.fromkeys((*self.train, *(shot for part in parts for shot in (*part.query, *part.gallery)))))


class Batch(NamedTuple):
    """A batch of images.

    Attributes:
        image: ``(b 3 h w)``; uint8 from the workers, float32 in [0, 1] after the transform on the device.
        person: ``(b)`` int64; the class 0…n-1 in training, the data set's own person id in testing.
        camera: ``(b)`` int64, counted from 0.
        index: ``(b)`` int64; the position in the list that the loader reads (testing: query, then gallery).
    """

    image: Tensor
    person: Tensor
    camera: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which a batch does not need


class Tokens(NamedTuple):
    """What a transformer makes of a batch of images.

    Attributes:
        class_token: ``(b c)``, after the final norm; what it makes of each image as a whole.
        patches: ``(b n c)``, after the final norm; row by row, from the top left.
        grid: Rows and columns of the patches; n is their product.
        before: ``(b p+n c)``, what goes into the last block, without the final norm: p prefix tokens, the class token
            first, then the patches.
    """

    class_token: Tensor
    patches: Tensor
    grid: tuple[int, int]
    before: Tensor

    @property
    def maps(self) -> Tensor:
        """The patches as a map ``(b c rows columns)``."""
        return self.patches.transpose(1, 2).unflatten(2, self.grid)


class LastMaps(NamedTuple):
    """What a residual network makes of a batch of images, where the map before its last stage is wanted too.

    Attributes:
        maps: ``(b c h w)``, behind the last stage.
        before: ``(b c' h' w')``, what goes into the last stage.
    """

    maps: Tensor
    before: Tensor


class TransferBatch(NamedTuple):
    """A batch of labelled images and one of images whose persons are unknown.

    Attributes:
        source: Labelled; ``person`` is the class.
        target: ``person`` is -1 throughout.
    """

    source: Batch
    target: Batch

    @property
    def index(self) -> Tensor:  # type: ignore[override]  # hides tuple.index, as a Batch's does
        """``(b)`` int64; the positions of both in the training list."""
        import torch

        return torch.cat([self.source.index, self.target.index])


class MixedBatch(NamedTuple):
    """A batch of real images and one of generated ones, all with labels.

    Attributes:
        real: Images of the data set.
        fake: Images of the same persons in the styles of other cameras.
    """

    real: Batch
    fake: Batch

    @property
    def index(self) -> Tensor:  # type: ignore[override]  # hides tuple.index, as a Batch's does
        """``(b)`` int64; the positions of both in the training list."""
        import torch

        return torch.cat([self.real.index, self.fake.index])


class Output(NamedTuple):
    """What a model makes of a batch.

    Attributes:
        feature: ``(b c)``, the pooled map.
        embedding: ``(b d)``, what the neck makes of it.
        logits: ``(b persons)``; None when the model is used without its classifier, or classifies each part.
        parts: What a model of parts gives in addition, by name, such as ``part_logits`` ``(b parts persons)``.
    """

    feature: Tensor
    embedding: Tensor
    logits: Tensor | None
    parts: Mapping[str, Tensor] = MappingProxyType({})

    def named(self, name: str) -> Tensor:
        """The output of a name: a field, or one of ``parts``.

        Raises:
            KeyError: this model has no such output.
        """
        return getattr(self, name) if name in ("feature", "embedding", "logits") else self.parts[name]


class Parts(NamedTuple):
    """What the health of an adaptation is read from; what a model does not have is None.

    Attributes:
        shared: ``(b d)``, the feature that is compared.
        private: ``(b p)``, what is kept apart from it.
        original: ``(b …)``, what is reconstructed.
        rebuilt: ``(b …)``, its reconstruction.
    """

    shared: Tensor
    private: Tensor | None = None
    original: Tensor | None = None
    rebuilt: Tensor | None = None
