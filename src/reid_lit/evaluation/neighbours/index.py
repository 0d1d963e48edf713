"""Indexes of faiss: filled from embeddings in memory or on disk, asked from the CPU or over all GPUs."""

import importlib
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reid_lit.errors import InputError, MissingPackageError
from reid_lit.evaluation.neighbours.nearest import GATHERED, Gallery, NearestEntries, rows_of
from reid_lit.progress import progress
from reid_lit.wording import counted

SETTINGS = {
    "flat": (),
    "ivf_pq": ("nlist", "nprobe", "m", "bits", "refine", "train"),
    "hnsw": ("m", "ef_construction", "ef_search"),
}
"""The kinds of index, and the settings of each."""

ROWS = 4096
"""Images that are added or asked for at once."""

SEED = 0
"""Of the images that an index is trained on."""


@runtime_checkable
class IndexSettings(Protocol):
    """The settings of an index; see :class:`~reid_lit.evaluation.neighbours.search.FaissSearch`."""

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
    """Raise InputError for an unknown kind, or a number out of range."""
    if settings.kind not in SETTINGS:
        raise InputError(f"kind={settings.kind!r} is unknown; choose one of {', '.join(SETTINGS)}")
    for name in SETTINGS[settings.kind]:
        value, least = getattr(settings, name), 0 if name == "nlist" else 1
        if value < least:
            raise InputError(f"{name}={value}: give {least} or more")


def words(settings: IndexSettings) -> str:
    """The kind and its settings, in words."""
    numbers = ", ".join(f"{name}={getattr(settings, name) or '4√images'}" for name in SETTINGS[settings.kind])
    return f"faiss {settings.kind} ({numbers or 'exact'})"


def build(gallery: Gallery, settings: IndexSettings, *, unit: bool = False) -> Any:
    """An index of the gallery, read by blocks: of an array mapped from a file, one block is in memory at a time.

    ``faiss.write_index`` keeps it.

    Raises:
        ValueError: too few images or numbers for the settings, or embeddings that are not finite.
        MissingPackageError: faiss is not installed.
    """
    faiss = load()
    faiss.omp_set_num_threads(torch.get_num_threads())
    images, dim = gallery.shape
    check_fits(images, dim, settings)
    index = _empty(faiss, images, dim, settings)
    if not index.is_trained:
        index.train(_sample(gallery, min(images, settings.train), unit))
    with progress(f"{settings.kind} index of {counted(images, 'image', grouped=True)}") as tell:
        for start in range(0, images, ROWS):
            index.add(_numpy(gallery, start, start + ROWS, unit))
            tell(min(start + ROWS, images), images)
    return index


def ask(index: Any, query: Float[Tensor, "queries dim"], k: int, *, unit: bool = False) -> NearestEntries:
    """The k nearest of each query, as the index finds them; index -1 and an infinite distance where it finds fewer."""
    load().omp_set_num_threads(torch.get_num_threads())
    parts = []
    with progress(f"search for {counted(len(query), 'image', grouped=True)}") as tell:
        for start in range(0, len(query), ROWS):
            distance, place = index.search(_numpy(query, start, start + ROWS, unit), k)
            parts.append((torch.from_numpy(place), torch.from_numpy(distance)))
            tell(min(start + ROWS, len(query)), len(query))
    place, distance = (torch.cat(part).to(query.device) for part in zip(*parts, strict=True))
    return NearestEntries(place, distance.clamp_min_(0).masked_fill_(place < 0, torch.inf))


def over_gpus(index: Any, kind: str) -> Any:
    """The index, split over all GPUs that faiss sees; HNSW stays on the CPU, where alone it runs."""
    faiss = load()
    if kind == "hnsw" or not faiss.get_num_gpus():
        return index
    options = faiss.GpuMultipleClonerOptions()
    options.shard = True
    return faiss.index_cpu_to_all_gpus(index, co=options)


def needed_bytes(images: int, dim: int, settings: IndexSettings) -> int:
    """About the bytes that the index and its training take."""
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


def check_fits(images: int, dim: int, settings: IndexSettings) -> None:
    """Raise InputError where so many images of so many numbers are not enough for the settings."""
    if settings.kind != "ivf_pq":
        return
    nlist, drawn = cells(images, settings), min(images, settings.train)
    if dim % settings.m:
        divisor = max(m for m in range(1, settings.m + 1) if dim % m == 0)
        raise InputError(f"m={settings.m}: give a divisor of the length of the embeddings, {dim}, such as {divisor}")
    if drawn < max(nlist, 2**settings.bits):
        raise InputError(
            f"bits={settings.bits}: {counted(drawn, 'training image is', 'training images are')} too few for"
            f" 2^{settings.bits} codes and nlist={nlist} cells; lower bits or nlist, or search exactly (search=null)"
        )


def load() -> Any:
    """The module faiss.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise MissingPackageError(
            f"FaissSearch needs faiss ({error}): pip install faiss-gpu, or faiss-cpu without a GPU; "
            "search=null searches exactly without it"
        ) from error


def _empty(faiss: Any, images: int, dim: int, settings: IndexSettings) -> Any:
    """The index before any image."""
    if settings.kind == "flat":
        return faiss.IndexFlatL2(dim)
    if settings.kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, settings.m)
        index.hnsw.efConstruction, index.hnsw.efSearch = settings.ef_construction, settings.ef_search
        return index
    nlist = cells(images, settings)
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
