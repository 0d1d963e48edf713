"""Distractors behind a gallery: files of embeddings, and folders of images that are embedded to the disk."""

import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Int
from omegaconf import DictConfig
from torch import Tensor

from reid_lit.data.base import ReidData
from reid_lit.data.families import of_known_persons
from reid_lit.errors import InputError
from reid_lit.evaluation.on_disk import NOWHERE, Distractors, StoredEmbeddings
from reid_lit.files.access import state
from reid_lit.files.copies import Contents
from reid_lit.models.base import RetrievalModel
from reid_lit.paths import write_text, write_whole
from reid_lit.records import Shot, Split, absolute, absolute_path, common_images
from reid_lit.run.datasets import make_data, with_dataset
from reid_lit.testing.embeddings_file import images_of, read_metadata, rows_of
from reid_lit.testing.inference import embedded
from reid_lit.testing.provenance import Provenance
from reid_lit.wording import counted

CHUNK = 8192
"""Images embedded between two marks; at most so many are embedded again after a kill."""

DTYPES = ("float32", "float16")
_NUMBERED_BY_COPY = re.compile(r"(csv|folder)(_\d+)*(_split_\d+)*")
"""Names of data sets that number the cameras of each list or folder anew: the same number is another camera there."""
EXAMPLE = "distractors_500k,more.safetensors"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where distractors come from.

    Attributes:
        name: The file or folder, for messages.
        dataset: The data set that numbers the cameras; empty: the cameras are not known.
        rows: The places of the embeddings on the disk, in parts.
        shots: The images.
    """

    name: str
    dataset: str
    rows: tuple[StoredEmbeddings, ...]
    shots: Sequence[Shot]

    def camera(self, dataset: str) -> Int[Tensor, " images"]:
        """The cameras, in the numbering of ``dataset``; ``NOWHERE`` if that is not known."""
        known = self.dataset == dataset and not _NUMBERED_BY_COPY.fullmatch(dataset)
        return torch.tensor([shot.camera_id if known else NOWHERE for shot in self.shots], dtype=torch.int64)


def of_file(path: Path, origin: Provenance) -> Source:
    """All images of a file, whichever persons they show.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, which only a model can embed, or none of our files, or its embeddings have
            another provenance.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder, whose images a model must embed; give run=<folder of the run> alone")
    metadata = read_metadata(path)
    if different := origin.differences(metadata["origin"]):
        raise InputError(
            f"{path}: its embeddings cannot be compared with those of the queries: {'; '.join(different)};"
            " embed it anew with the run that is evaluated"
        )
    lists = {name: images_of(path, name) for name in metadata["lists"]}
    if absolute(lists.get("query", ())) <= absolute(lists.get("gallery", ())):  # they would count twice
        lists.pop("query", None)
    rows = tuple(rows_of(path, name) for name in lists)
    shots = [shot for images in lists.values() for shot in images]
    return Source(name=str(path), dataset=metadata["facts"]["name"], rows=rows, shots=shots)


def behind(sources: Sequence[Source]) -> Callable[[Split], Distractors | None]:
    """A function that gives a test the distractors of all sources.

    Raises:
        ValueError: some of them are images of the test itself, are copies of them or show its persons; or an image is
            in two sources.
    """
    names = [absolute(source.shots) for source in sources]
    _check_each_once(sources, names)
    contents = [Contents(each) for each in names]

    def of_test(split: Split) -> Distractors | None:
        for source, own, content in zip(sources, names, contents, strict=True):
            _check_apart(source, own, content, split)
        if not sources:
            return None
        camera = torch.cat([source.camera(split.name) for source in sources])
        return Distractors(tuple(rows for source in sources for rows in source.rows), camera)

    return of_test


def _check_each_once(sources: Sequence[Source], names: Sequence[frozenset[str]]) -> None:
    """Raise InputError if an image is in two sources."""
    for (one, images), (other, others) in itertools.combinations(zip(sources, names, strict=True), 2):
        if shared := common_images(others, images):
            raise InputError(
                f"distractors: {counted(len(shared), 'image')} of {other.name} are in {one.name} too, such as"
                f" {shared[0]}, and would count twice; name one of the two"
            )


def _check_apart(source: Source, names: frozenset[str], contents: Contents, split: Split) -> None:
    """Raise InputError if some distractors are images of the test, or of persons whom a query shows.

    That an image of another person is there twice, as frames of one video may be, makes no match a stranger.
    """
    shown = (*split.query, *split.gallery)
    asked = {shot.person_id for shot in split.query}
    of_asked = absolute(shot for shot in shown if shot.person_id in asked)
    how = "; a person whom a query shows is no distractor: leave them out"
    shared, content = common_images(absolute(shown), names), ""
    if not shared:
        shared, content = contents.copies(of_asked), ", by their content"
    if shared:
        singular, plural = f"distractor of {source.name} is an image", f"distractors of {source.name} are images"
        raise InputError(
            f"{counted(len(shared), singular, plural)} of {split.name}'s own query or gallery{content}, such as"
            f" {shared[0]}{how}"
        )
    seen, of_whom = of_known_persons(of_asked, names)
    if seen:
        raise InputError(
            f"{counted(len(seen), 'image')} of {split.name}, such as {seen[0]}, show persons of whom the distractors of"
            f" {source.name} are other images ({of_whom}){how}"
        )


def of_folder(
    folder: Path, config: DictConfig, *, trainer: pl.Trainer, model: RetrievalModel, origin: Provenance, dtype: str
) -> Source:
    """The images of a folder, embedded below :func:`kept_in`; embeddings that are there already are kept.

    Args:
        folder: Images at any depth.
        config: The run's config.
        trainer: Runs the model.
        model: The run's model.
        origin: How the model embeds.
        dtype: ``float32`` or ``float16``, on the disk.

    Raises:
        ValueError: the type is unknown, the disk is too small, or an embedding does not fit into the type.
    """
    if dtype not in DTYPES:
        raise InputError(f"distractors_dtype={dtype!r} is unknown; choose {' or '.join(DTYPES)}")
    own = {"dataset": "images", "root": str(folder), "value_range": config.dataset.get("value_range")}
    data = make_data(with_dataset(config, own))
    data.setup("predict")
    shots = data.split.gallery
    place = kept_in(config) / f"{data.split.name}-{_key(shots, origin, dtype)}"
    rows = embed_in_chunks(data, place, dtype, lambda: embedded(trainer, model, data))
    return Source(name=str(folder), dataset="", rows=(rows,), shots=shots)


def kept_in(config: DictConfig) -> Path:
    """Where embeddings of folders are kept: in the run's folder; of a published model in that of its evaluation."""
    return (Path(config.run, "evaluate") if config.get("run") else Path(config.run_dir)) / "distractors"


def embed_in_chunks(data: ReidData, place: Path, dtype: str, embed: Callable[[], Tensor]) -> StoredEmbeddings:
    """Embed the gallery of ``data`` into ``place/embedding.npy``, from where an earlier call was killed.

    Args:
        data: Its ``split`` is set to a part of the images before each call of ``embed``.
        place: A folder for these images and this model alone.
        dtype: ``float32`` or ``float16``.
        embed: Gives the embeddings of ``data.split``.

    Raises:
        ValueError: the disk is too small, or an embedding is not finite or does not fit into the type.
    """
    file, mark, whole = place / "embedding.npy", place / "done.txt", data.split
    images = len(whole.gallery)
    for start in range(int(mark.read_text()) if mark.is_file() else 0, images, CHUNK):
        data.split = replace(whole, gallery=whole.gallery[start : start + CHUNK])
        part = embed().numpy()
        if not file.is_file():
            _reserve(file, (images, part.shape[1]), dtype)
        matrix = np.lib.format.open_memmap(file, "r+")
        with np.errstate(over="ignore"):  # numbers that are too great are refused below
            matrix[start : start + len(part)] = part
        if not np.isfinite(matrix[start : start + len(part)]).all():
            raise InputError(
                f"embeddings of {whole.name} are not finite as {dtype}; set distractors_dtype=float32, or check whether"
                " the model diverged"
            )
        matrix.flush()
        write_text(mark, str(start + len(part)))
    data.split = whole
    return StoredEmbeddings.of_npy(file)


def _reserve(file: Path, shape: tuple[int, int], dtype: str) -> None:
    """Write an empty matrix to the disk.

    Raises:
        ValueError: there is no room for it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    needed, free = shape[0] * shape[1] * np.dtype(dtype).itemsize, shutil.disk_usage(file.parent).free
    if needed > free:
        raise InputError(
            f"{counted(shape[0], 'embedding')} of {counted(shape[1], 'number')} take {needed / 1e9:.1f} GB of the disk"
            f" at {file.parent}, where {free / 1e9:.1f} GB are free; make room, or halve it with"
            f" distractors_dtype=float16"
        )
    write_whole(file, lambda part: np.lib.format.open_memmap(part, "w+", np.dtype(dtype), shape))


def _key(shots: Sequence[Shot], origin: Provenance, dtype: str) -> str:
    """A name for the embeddings of these files as they are now, by this model and in this type."""
    digest = hashlib.sha256(json.dumps([asdict(origin), dtype]).encode())
    for shot in shots:
        size, changed = state(shot.path)
        ends = f" {shot.value_range}" if shot.value_range else ""
        digest.update(f"{absolute_path(shot.path)} {size} {changed}{ends}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
