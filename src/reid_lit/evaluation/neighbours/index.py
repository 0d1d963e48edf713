"""Indexes of faiss: filled from embeddings in memory or on disk, asked from the CPU or over all GPUs."""

import importlib
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.neighbours.nearest import GATHERED, Found, Gallery, rows_of
from reid_lit.progress import progress
from reid_lit.wording import counted

SETTINGS = {
    "flat": (),
    "ivf_pq": ("nlist", "nprobe", "m", "bits", "refine", "train"),
    "hnsw": ("m", "ef_construction", "ef_search"),
}
"""The kinds of index, and what each is set by."""

ROWS = 4096
"""Images that are added or asked for at once."""

SEED = 0
"""Of the images that an index is trained on."""


@runtime_checkable
class IndexSettings(Protocol):
    """What an index is made by; see :class:`~reid_lit.evaluation.neighbours.search.FaissSearch`."""

    kind: str
    nlist: int
    nprobe: int
    m: int
    bits: int
    refine: int
    train: int
    ef_construction: int
    ef_search: int


def check(settings: IndexSettings) -> None:
    """Whether the settings are such as an index can have.

    Raises:
        ValueError: an unknown kind, or a number out of range.
    """
    if settings.kind not in SETTINGS:
        raise InputError(f"evaluation.search.kind={settings.kind!r} is unknown; choose one of {', '.join(SETTINGS)}")
    for name in SETTINGS[settings.kind]:
        value, least = getattr(settings, name), 0 if name == "nlist" else 1
        if value < least:
            raise InputError(f"evaluation.search.{name}={value}: give {least} or more")


def words(settings: IndexSettings) -> str:
    """The kind, and what it is set by."""
    given = ", ".join(f"{name}={getattr(settings, name) or '4√images'}" for name in SETTINGS[settings.kind])
    return f"faiss {settings.kind} ({given or 'exact'})"


def build(gallery: Gallery, settings: IndexSettings, *, unit: bool = False) -> Any:
    """An index of the gallery, read by blocks: of an array mapped from a file, no more than a block is in memory.

    ``faiss.write_index`` keeps it.

    Raises:
        ValueError: too few images or numbers for the settings, or embeddings that are not finite.
        ImportError: faiss is not installed.
    """
    faiss = load()
    faiss.omp_set_num_threads(torch.get_num_threads())
    images, dim = gallery.shape
    index = _empty(faiss, images, dim, settings)
    if not index.is_trained:
        index.train(_sample(gallery, min(images, settings.train), unit))
    with progress(f"{settings.kind} index of {counted(images, 'image', grouped=True)}") as tell:
        for start in range(0, images, ROWS):
            index.add(_numpy(gallery, start, start + ROWS, unit))
            tell(min(start + ROWS, images), images)
    return index


def ask(index: Any, query: Float[Tensor, "queries dim"], k: int, *, unit: bool = False) -> Found:
    """What the index takes for the nearest k of each query; index -1 and an infinite distance where it finds fewer."""
    load().omp_set_num_threads(torch.get_num_threads())
    found = []
    with progress(f"search for {counted(len(query), 'image', grouped=True)}") as tell:
        for start in range(0, len(query), ROWS):
            distance, place = index.search(_numpy(query, start, start + ROWS, unit), k)
            found.append((torch.from_numpy(place), torch.from_numpy(distance)))
            tell(min(start + ROWS, len(query)), len(query))
    place, distance = (torch.cat(parts).to(query.device) for parts in zip(*found, strict=True))
    return Found(place, distance.clamp_min_(0).masked_fill_(place < 0, torch.inf))


def over_gpus(index: Any, kind: str) -> Any:
    """The index, where faiss sees GPUs split over all of them; HNSW has no GPU form."""
    faiss = load()
    if kind == "hnsw" or not faiss.get_num_gpus():
        return index
    options = faiss.GpuMultipleClonerOptions()
    options.shard = True
    return faiss.index_cpu_to_all_gpus(index, co=options)


def needed_bytes(images: int, dim: int, settings: IndexSettings) -> int:
    """About what the index and its training take in memory, in bytes."""
    room = 16 * GATHERED  # true distances of candidates; exact searches for some queries
    if settings.kind == "ivf_pq":
        trained = min(images, settings.train) * dim * 4
        codes = images * (settings.m * settings.bits // 8 + 8) + cells(images, settings) * dim * 4
        return room + codes + 2 * trained
    links = 2 * settings.m * 4 + 16 if settings.kind == "hnsw" else 0
    return room + images * (dim * 4 + links)


def cells(images: int, settings: IndexSettings) -> int:
    """The cells of an inverted file."""
    return settings.nlist or max(1, min(round(4 * images**0.5), min(images, settings.train) // 40))


def load() -> Any:
    """The module faiss.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise ImportError(
            f"FaissSearch needs faiss ({error}): pip install faiss-gpu, or faiss-cpu without a GPU; "
            "evaluation.search=null searches exactly without it"
        ) from error


def _empty(faiss: Any, images: int, dim: int, settings: IndexSettings) -> Any:
    """The index before any image."""
    if settings.kind == "flat":
        return faiss.IndexFlatL2(dim)
    if settings.kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, settings.m)
        index.hnsw.efConstruction, index.hnsw.efSearch = settings.ef_construction, settings.ef_search
        return index
    nlist, drawn = cells(images, settings), min(images, settings.train)
    if dim % settings.m:
        divisor = max(m for m in range(1, settings.m + 1) if dim % m == 0)
        raise InputError(
            f"evaluation.search.m={settings.m} does not divide embeddings of {counted(dim, 'number')};"
            f" set evaluation.search.m to a divisor, such as {divisor}"
        )
    if drawn < max(nlist, 2**settings.bits):
        raise InputError(
            f"{counted(drawn, 'training image is', 'training images are')} too few for nlist={nlist} cells and"
            f" bits={settings.bits}; "
            f"lower evaluation.search.nlist or evaluation.search.bits, or search exactly (evaluation.search=null)"
        )
    index = faiss.IndexIVFPQ(faiss.IndexFlatL2(dim), dim, nlist, settings.m, settings.bits)
    index.nprobe = min(settings.nprobe, nlist)
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1  # it would warn on standard error
    return index


def _sample(gallery: Gallery, images: int, unit: bool) -> np.ndarray:
    """Some images of the gallery, drawn at random and read in the gallery's order."""
    drawn = np.sort(np.random.default_rng(SEED).choice(len(gallery), images, replace=False))
    part = gallery[torch.from_numpy(drawn).to(gallery.device)] if isinstance(gallery, Tensor) else gallery[drawn]
    return _numpy(part, 0, images, unit)


def _numpy(gallery: Gallery, start: int, stop: int, unit: bool) -> np.ndarray:
    """Some embeddings as faiss takes them: float32, on the CPU, contiguous."""
    device = gallery.device if isinstance(gallery, Tensor) else torch.device("cpu")
    return rows_of(gallery, start, min(stop, len(gallery)), device, unit=unit).cpu().contiguous().numpy()
