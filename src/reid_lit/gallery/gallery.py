"""A gallery: images are enrolled into it, and others are looked up in it."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from filelock import FileLock
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from reid_lit.calibration.matching import decided
from reid_lit.calibration.record import Calibration, calibration_file, read_calibration
from reid_lit.errors import InputError
from reid_lit.evaluation.track_vectors import pooled
from reid_lit.export.runtime import load
from reid_lit.gallery.answers import Enrolled, Found, Hit
from reid_lit.gallery.asking import Embed, LookedUp, LookUp, Nearest, Steps, answer_of
from reid_lit.gallery.engine import Engine, engine_of
from reid_lit.gallery.enrolling import NO_DIRECTION, Embedded, embedded, has_direction
from reid_lit.gallery.exporting import check_name, write_rows
from reid_lit.gallery.facts import Facts
from reid_lit.gallery.importing import exported
from reid_lit.gallery.master import Master
from reid_lit.gallery.rows import FACTS, Entry, Where, schema, table_of, vectors_of
from reid_lit.gallery.sources import entries_of
from reid_lit.gallery.vectors import Copied, Vectors
from reid_lit.paths import write_text
from reid_lit.progress import Progress, untold
from reid_lit.testing.embedder import AnImage, Embedder
from reid_lit.testing.provenance import Provenance

if TYPE_CHECKING:
    from reid_lit.gallery.sealed import SealedEngine  # it needs a package of its own


class Gallery:
    """Embedded images, bound to the model that embedded them; made by :func:`create` and :func:`open_gallery`.

    Args:
        folder: Its folder.
        facts: What it is.
        trust: See :func:`reid_lit.load`.
        master: The key of a sealed gallery.
        store: The store's address with a password in it; empty: as ``facts`` say, and the engine finds the password.
        runtime: See :func:`reid_lit.load`; embeddings of all runtimes can be compared.

    Raises:
        FileNotFoundError: the data keys of a sealed gallery are missing.
        ValueError: the key is another one.
    """

    def __init__(
        self,
        folder: Path,
        facts: Facts,
        *,
        trust: bool = False,
        master: Master | None = None,
        store: str = "",
        runtime: str = "torch",
    ) -> None:
        self.folder, self.facts, self.trust, self.runtime = folder, facts, trust, runtime
        self._lock = FileLock(folder / ".lock")
        self.engine: Engine = engine_of(facts.engine, store or facts.store or str(folder / "store"))
        self.sealed: SealedEngine | None = None
        if master is None:
            self._vectors = Vectors(folder / "vectors", facts.dim, precision=facts.vectors)
        else:
            from reid_lit.gallery.sealed import sealed_engine

            self.sealed = sealed_engine(self.engine, folder, master, self._lock, dim=facts.dim, precision=facts.vectors)
            self.engine = self.sealed

    @cached_property
    def embedder(self) -> Embedder:
        """The model, read when it is first needed.

        Raises:
            ValueError: the run's folder holds another model than the one that the gallery was made with.
        """
        embedder = load(self.facts.run, trust=self.trust, runtime=self.runtime).of_whole_images()
        _check_same(self.facts.origin, embedder.origin, self.folder)
        return embedder

    @cached_property
    def calibration(self) -> Calibration | None:
        """What scores mean; None where the run was not calibrated, or another checkpoint of it than the gallery's.

        Raises:
            ValueError: the file is damaged, or of other embeddings.
        """
        run = Path(self.facts.run)
        file = calibration_file(run)
        if not file.is_file():
            return None
        calibration = read_calibration(file)
        if run.is_file() and calibration.origin.model != self.facts.origin.model:
            return None
        calibration.check_made_like(self.facts.origin, file=file)
        return calibration

    def __len__(self) -> int:
        """The number of rows."""
        return self.engine.count(Where())

    def enrol(
        self,
        sources: str | os.PathLike[str] | Sequence[str] | Sequence[Entry],
        *,
        tell: Progress = untold,
        **given: Any,
    ) -> Enrolled:
        """Add images; one whose content is there already is not added again. What is added is on the disk at once.

        Args:
            sources: Images, folders, ``.csv`` lists, or entries.
            tell: Called with the images that are done, and their number.
            given: ``person``, ``camera`` and ``time`` of all images that a list does not say otherwise.

        Raises:
            FileNotFoundError: a file or folder is not there.
            ValueError: a list is wrong, or the model is another one.
        """
        listed = [str(sources)] if isinstance(sources, str | os.PathLike) else list(sources)
        entries = [entry for entry in listed if isinstance(entry, Entry)]
        named = [str(source) for source in listed if not isinstance(source, Entry)]
        if named or not entries:
            entries += entries_of(named, given=Entry(path="", **given))
        result = Enrolled()
        batches = embedded(
            entries,
            self.embedder,
            known=self.engine.known,
            refused=result.refused,
            thumbnails=self.facts.thumbnails,
        )
        for done, new in batches:
            if new.entries:
                result.added += self._add(new)
            tell(done, len(entries))
        result.known = len(entries) - result.added - len(result.refused)
        return result

    def _add(self, images: Embedded) -> int:
        with self._lock:  # two writers number their rows one after the other
            known = self.engine.known(images.ids)
            new = images.chosen([place for place, each in enumerate(images.ids) if each not in known])
            if new.entries:
                first = self._reserve(len(new.entries))
                self.engine.add(table_of(new.entries, new.ids, new.vectors, first=first, thumbnails=new.thumbnails))
        return len(new.entries)

    def _reserve(self, rows: int) -> int:
        """The first of so many new numbers; one that was given is not given again, after erasure neither."""
        first = self.reached() + 1
        write_text(self.folder / "next_number", str(first + rows))
        return first

    def reached(self) -> int:
        """The greatest number that a row was given, erased ones too; -1 before the first."""
        file = self.folder / "next_number"
        return int(file.read_text()) - 1 if file.is_file() else self.engine.last()

    def copied(self) -> Copied | None:
        """The copy of the vectors, as it is; not brought up to the engine. A sealed gallery has none."""
        return self._vectors.copied() if self.sealed is None else None

    def query(self, images: AnImage | Iterable[Any], **options: Any) -> list[Found]:
        """The nearest rows of images.

        Args:
            images: One or several; what :class:`reid_lit.Embedder` takes.
            options: Those of :meth:`asking`.

        Raises:
            ValueError: an image cannot be read, the rate was not calibrated, or ``top`` is below 1.
        """
        return answer_of(self.asking(images, **options), self.embed, self.look_up)

    def asking(
        self,
        images: AnImage | Iterable[Any],
        *,
        top: int = 10,
        where: Where | None = None,
        fmr: float | None = None,
        prior: float = 0.5,
        track: bool = False,
        quality: bool = False,
        approximate: bool = False,
        color: str | None = None,
        tell: Progress = untold,
    ) -> Steps[list[Found]]:
        """A query in steps, for :func:`reid_lit.gallery.asking.answered`.

        Args:
            images: One or several; what :class:`reid_lit.Embedder` takes.
            top: How many rows of each.
            where: Which rows may be found.
            fmr: The false match rate whose threshold says what is a match; None: 0.001, or the lowest calibrated one
                above it where the pairs were too few for 0.001.
            prior: The share of pairs of one person among those that are compared, for P(same).
            track: Whether the images are crops of one track and one query: the mean of their unit vectors.
            quality: Whether a track's crops count by the length of their embedding before it is made 1.
            approximate: Whether the engine's index answers, which may miss some.
            color: Of arrays; see :class:`reid_lit.Embedder`.
            tell: Called while vectors are copied for the search, with the rows done, and their number.
        """
        if top < 1:
            raise InputError(f"top={top}: give how many rows to show, from 1")
        if approximate and self.facts.sealed:
            raise InputError("approximate=true: a sealed gallery has no index; leave it out, the answer is exact")
        rate = None if self.calibration is None else self.calibration.rate(fmr)
        listed = listed_images(images)
        raw = (yield Embed(listed, color)).float()
        names = [str(image) if isinstance(image, str | os.PathLike) else f"image {k}" for k, image in enumerate(listed)]
        files: list[tuple[str, ...]] = [
            (str(image),) if isinstance(image, str | os.PathLike) else () for image in listed
        ]
        for name, holds in zip(names, has_direction(raw).tolist(), strict=True):
            if not holds:
                raise InputError(f"{name}: {NO_DIRECTION}")
        vectors = F.normalize(raw)
        if track:
            vectors = pooled(raw, torch.zeros(len(raw), dtype=torch.int64), quality=quality)
            names, files = [f"track of {len(names)} images"], [tuple(file for each in files for file in each)]
        found: LookedUp = yield LookUp(vectors.numpy(), top, where or Where(), approximate, tell)
        return [
            Found(query=name, images=images, hits=self._hits(numbers, scores, found.rows, fmr=rate, prior=prior))
            for name, images, (numbers, scores) in zip(names, files, found.nearest, strict=True)
        ]

    def embed(self, steps: Sequence[Embed]) -> list[Float[Tensor, "images dim"] | BaseException]:
        """The embeddings that queries need."""
        return [self.embedder(step.images, color=step.color) for step in steps]

    def look_up(self, steps: Sequence[LookUp]) -> list[LookedUp | BaseException]:
        """The nearest rows that queries need."""
        found = [
            self.nearest(step.vectors, top=step.top, where=step.where, approximate=step.approximate, tell=step.tell)
            for step in steps
        ]
        rows = self.facts_of(sorted({number for each in found for numbers, _ in each for number in numbers}))
        return [LookedUp(nearest, rows) for nearest in found]

    def nearest(
        self,
        vectors: Float32[np.ndarray, "queries dim"],
        *,
        top: int,
        where: Where,
        approximate: bool = False,
        tell: Progress = untold,
    ) -> Nearest:
        """Numbers and cosines of the nearest rows of unit vectors, exact unless ``approximate``."""
        if self.sealed is not None and not approximate:
            numbers, scores = self.sealed.nearest(vectors, top, where, tell=tell)
            return list(zip(numbers.tolist(), scores.tolist(), strict=True))
        if approximate:
            found = (self.engine.near(vector, top, where) for vector in vectors)
            return [(list(numbers), list(scores)) for numbers, scores in found]
        held = self._vectors.refresh(self.engine, tell=tell)
        allowed = None
        if not where.is_all:
            parts = [batch.column("number").to_numpy() for batch in self.engine.scan(where, ["number"])]
            allowed = np.concatenate([np.zeros(0, np.int64), *parts])
        numbers, scores = self._vectors.nearest(vectors, top, allowed=allowed, rows=held)
        return list(zip(numbers.tolist(), scores.tolist(), strict=True))

    @property
    def searched_state(self) -> object:
        """The state of the rows that the last exact search went through; None where the engine tells none."""
        return None if self.sealed is not None else self._vectors.known_version

    def recall(self, vectors: Float32[np.ndarray, "queries dim"], *, top: int, where: Where) -> float:
        """The share of the exact nearest rows that the engine's index finds too."""
        exact = self.nearest(vectors, top=top, where=where)
        near = self.nearest(vectors, top=top, where=where, approximate=True)
        hits = sum(len(set(one) & set(other)) for (one, _), (other, _) in zip(exact, near, strict=True))
        return hits / max(1, sum(len(one) for one, _ in exact))

    def _hits(
        self,
        numbers: Sequence[int],
        scores: Sequence[float],
        rows: Mapping[int, dict[str, Any]],
        *,
        fmr: float | None,
        prior: float,
    ) -> tuple[Hit, ...]:
        calibration = self.calibration
        return tuple(
            Hit(
                number=number,
                path=rows[number]["path"],
                person=rows[number]["person"],
                camera=rows[number]["camera"],
                time=rows[number]["time"] and rows[number]["time"].isoformat(),
                score=score,
                match=None if calibration is None or fmr is None else decided(score, calibration, fmr=fmr, prior=prior),
            )
            for number, score in zip(numbers, scores, strict=True)
            if number in rows  # one that was erased meanwhile is not shown
        )

    def facts_of(self, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The rows of these numbers without their vectors, by number; only of those that are there."""
        return {row["number"]: row for row in self.engine.numbered(numbers, FACTS).to_pylist()}

    def thumbnails(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """The thumbnails of rows, JPEG; only of those that have one."""
        rows = self.engine.numbered(numbers, ["number", "thumbnail"]).to_pylist() if self.facts.thumbnails else []
        return {row["number"]: row["thumbnail"] for row in rows if row["thumbnail"] is not None}

    def rows(self, where: Where | None = None) -> Iterator[dict[str, Any]]:
        """The rows meant, without their vectors, by number."""
        batches = list(self.engine.scan(where or Where(), FACTS))
        for batch in pa.Table.from_batches(batches).sort_by("number").to_batches() if batches else ():
            yield from batch.to_pylist()

    def erase(self, where: Where) -> int:
        """Remove rows from the engine's disk, and the copy that queries go through.

        Returns:
            Their number.
        """
        with self._lock:
            removed = self.engine.erase(where)
            if self.sealed is None:
                self._vectors.erase()
        return removed

    def erase_damaged(self) -> int:
        """Give up the rows of a sealed gallery that cannot be opened; their number."""
        return 0 if self.sealed is None else self.sealed.erase_damaged()

    def export(self, file: Path, *, plain: bool = False) -> int:
        """Write all rows with their vectors: ``.parquet``, or ``.arrow`` (Arrow's IPC file); their number.

        Args:
            file: The file.
            plain: Whether what a sealed gallery keeps encrypted is written as plain text.

        Raises:
            ValueError: the file has another ending, or a sealed gallery is not to be written as plain text.
        """
        if self.facts.sealed and not plain:
            raise InputError(f"plain=false: {self.folder} is sealed, and what is exported is not; plain=true writes it")
        check_name(file)
        batches = self.engine.scan(Where(), schema(self.facts.dim).names)
        return write_rows(batches, file, origin=self.facts.origin, gallery=self.folder)

    def import_rows(self, file: Path, *, tell: Progress = untold) -> Enrolled:
        """Add the rows of a file that :meth:`export` of a gallery of the same model has written, whatever its engine.

        Their numbers are new; an image whose content is there already is not added again.

        Args:
            file: ``.parquet`` or ``.arrow``.
            tell: Called with the rows that are done, and their number.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is another one, damaged, or of another model.
        """
        result, done = Enrolled(), 0
        facts = self.facts
        for total, (rows, new) in exported(file, facts.origin, facts.dim, thumbnails=facts.thumbnails):
            added = self._add(new)
            done += rows
            result.added, result.known = result.added + added, result.known + rows - added
            tell(done, total)
        return result

    def index(self) -> str:
        """Make what approximate queries are fast by; in words, what it is."""
        return self.engine.index()

    def vector_of(self, number: int) -> Float32[np.ndarray, " dim"]:
        """The vector of a row."""
        return vectors_of(self.engine.numbered([number], ["vector"]), self.facts.dim)[0]


def listed_images(images: AnImage | Iterable[Any]) -> list[Any]:
    """One image or several as a list."""
    if isinstance(images, str | bytes | os.PathLike | np.ndarray) or not isinstance(images, Iterable):
        return [images]
    return list(images)


def _check_same(ours: Provenance, theirs: Provenance, folder: Path) -> None:
    differences = ours.differences(theirs)
    if differences:
        raise InputError(
            f"{folder.resolve()} was made by another model than this run's ({'; '.join(differences)}): their embeddings"
            f" cannot be compared; give the run that it was made with, or create another gallery"
        )
