"""A gallery behind its policy: each access is allowed by a token's roles, limited, and logged before it is answered."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from reid_lit.calibration.record import Calibration
from reid_lit.errors import InputError, UserError
from reid_lit.gallery.answers import Enrolled, Found
from reid_lit.gallery.asking import Steps, answer_of
from reid_lit.gallery.enrolling import content_id
from reid_lit.gallery.facts import Facts
from reid_lit.gallery.gallery import Gallery, listed_images
from reid_lit.gallery.importing import rows_of
from reid_lit.gallery.making import open_gallery
from reid_lit.gallery.rows import Entry, Where
from reid_lit.gallery.sources import entries_of
from reid_lit.gallery.verifying import store_faults
from reid_lit.gallery.withholding import withheld
from reid_lit.progress import Progress, untold
from reid_lit.safeguards.guard import Access, Caller, Guard
from reid_lit.safeguards.moments import spelt
from reid_lit.safeguards.policy import OPEN
from reid_lit.safeguards.retention import Retention
from reid_lit.testing.embedder import AnImage, Embedder


class GuardedGallery:
    """What :class:`Gallery` can do, for one caller; a service makes one for each request, which costs nothing.

    Rows that are older than ``ttl`` are erased before any access is answered, at most once a minute.

    Args:
        gallery: The rows.
        guard: Its policy, tokens, rates and log; one for all callers.
        caller: Who asks, and what for.

    Raises:
        PermissionError: by each method, where the policy does not allow it.
    """

    def __init__(self, gallery: Gallery, guard: Guard, caller: Caller) -> None:
        self._gallery, self.guard, self.caller = gallery, guard, caller
        self._retention = Retention(gallery.folder, clock=guard.clock)
        self._shown: set[int] = set()

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._gallery.folder

    @property
    def facts(self) -> Facts:
        """What it is."""
        return self._gallery.facts

    @property
    def embedder(self) -> Embedder:
        """The model."""
        return self._gallery.embedder

    @property
    def calibration(self) -> Calibration | None:
        """What scores mean."""
        return self._gallery.calibration

    def __len__(self) -> int:
        """The number of rows, which anyone may know."""
        return len(self._gallery)

    def enrol(
        self,
        sources: str | os.PathLike[str] | Sequence[str] | Sequence[Entry],
        *,
        tell: Progress = untold,
        **given: Any,
    ) -> Enrolled:
        """See :meth:`Gallery.enrol`; images that were taken longer ago than the policy keeps them are refused."""
        listed = [str(sources)] if isinstance(sources, str | os.PathLike) else list(sources)
        entries = [entry for entry in listed if isinstance(entry, Entry)]
        named = [str(source) for source in listed if not isinstance(source, Entry)]
        if named or not entries:
            entries += entries_of(named, given=Entry(path="", **given))
        with self._access("enrol", amount=len(entries), images=len(entries)) as access:
            kept, late = self._in_time(entries)
            try:
                result = self._gallery.enrol(kept, tell=tell) if kept else Enrolled()
            finally:
                self._mark()
            result.refused += late
            access.counts |= {"added": result.added, "known": result.known, "no_image": len(result.refused)}
        return result

    def import_rows(self, file: Path, *, tell: Progress = untold) -> Enrolled:
        """See :meth:`Gallery.import_rows`, which enrols; images taken too long ago for the policy go again."""
        rows = rows_of(file)
        with self._access("enrol", amount=rows, images=rows) as access:
            try:
                result = self._gallery.import_rows(file, tell=tell)
            finally:
                self._mark()
            late = self._expired()
            result.added -= late
            result.refused += [f"{late} of them were taken longer ago than the policy's ttl"] if late else []
            access.counts |= {"added": result.added, "known": result.known, "late": late}
        return result

    def index(self) -> str:
        """See :meth:`Gallery.index`; who may enrol may do it."""
        with self._access("enrol", images=0):
            return self._gallery.index()

    def query(self, images: AnImage | Iterable[Any], **options: Any) -> list[Found]:
        """See :meth:`Gallery.query`; what is no match is left out where the policy withholds it.

        Args:
            images: One or several.
            options: Those of :meth:`asking`.
        """
        return answer_of(self.asking(images, **options), self._gallery.embed, self._gallery.look_up)

    def asking(
        self,
        images: AnImage | Iterable[Any],
        *,
        top: int | None = None,
        where: Where | None = None,
        track: bool = False,
        **options: Any,
    ) -> Steps[list[Found]]:
        """See :meth:`Gallery.asking`; the access lasts from the first step to the last.

        Args:
            images: One or several.
            top: How many rows of each; None: 10, or as many as the policy allows.
            where: Which rows may be found.
            track: Whether they are crops of one track, and one query.
            options: The others of :meth:`Gallery.asking`.
        """
        listed, number = listed_images(images), self.guard.top(top)
        with self._access(
            "query",
            amount=1 if track else len(listed),
            top=number,
            where=where,
            images=lambda: self.guard.hashed([_content(image) for image in listed]),
        ) as access:
            found = yield from self._gallery.asking(listed, top=number, where=where, track=track, **options)
            if not self.guard.sees_all(access):
                found = withheld(found, self.calibration)
            self._shown |= {hit.number for answer in found for hit in answer.hits}
            access.counts |= {
                "queries": len(found),
                "shown": sum(len(answer.hits) for answer in found),
                "matches": sum(bool(answer.is_match) for answer in found),
                "withheld": sum(answer.withheld.number for answer in found if answer.withheld),
            }
        return found

    def recall(self, vectors: Float32[np.ndarray, "queries dim"], *, top: int | None, where: Where) -> float:
        """See :meth:`Gallery.recall`; it shows no row."""
        return self._gallery.recall(vectors, top=self.guard.top(top), where=where)

    def thumbnails(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """See :meth:`Gallery.thumbnails`; of rows that this caller's queries have shown alone."""
        return self._gallery.thumbnails([number for number in numbers if number in self._shown])

    def rows(self, where: Where | None = None) -> list[dict[str, Any]]:
        """See :meth:`Gallery.rows`."""
        with self._access("list", where=where) as access:
            found = list(self._gallery.rows(where))
            access.counts |= {"shown": len(found)}
        return found

    def erase(self, where: Where) -> int:
        """See :meth:`Gallery.erase`."""
        with self._access("erase", where=where) as access:
            removed = self._gallery.erase(where)
            access.counts |= {"erased": removed}
        return removed

    def erase_damaged(self) -> int:
        """See :meth:`Gallery.erase_damaged`."""
        with self.guard.access("erase", self.caller) as access:
            removed = self._gallery.erase_damaged()
            access.counts |= {"erased": removed}
        return removed

    def export(self, file: Path, *, plain: bool = False) -> int:
        """See :meth:`Gallery.export`."""
        with self._access("export") as access:
            rows = self._gallery.export(file, plain=plain)
            access.counts |= {"exported": rows}
        return rows

    def expire(self) -> int:
        """Erase the rows that were taken or enrolled longer ago than the policy's ``ttl``; their number.

        Raises:
            ValueError: the policy has none.
        """
        with self.guard.access("expire", self.caller) as access:
            if self.guard.policy.ttl is None:
                raise InputError("ttl=null: the policy keeps all rows; write a length of time, such as 30d, into it")
            removed = self._expired()
            access.counts |= {"erased": removed}
        return removed

    def audit(self, **wanted: str) -> list[dict[str, Any]]:
        """The lines of the log, oldest first.

        Args:
            wanted: What a line has under these keys, such as ``who`` and ``act``; ``since`` and ``until`` are times.

        Raises:
            ValueError: nothing is logged.
        """
        return self.guard.audit(self.caller, **wanted)

    def verify(self) -> list[str]:
        """What is wrong with the log, the rows, and the copy of their vectors; a line each, nothing if all is whole.

        A log that is wrong takes no line, so this access alone is answered without one then.
        """
        faults: list[str] = []
        try:
            with self.guard.access("verify", self.caller) as access:
                faults = [] if self.guard.log is None else self.guard.log.verify()
                faults += store_faults(self._gallery)
                access.counts |= {"faults": len(faults)}
        except UserError:
            if not faults:
                raise
        return faults

    @contextmanager
    def _access(
        self, act: str, *, amount: int = 1, top: int | None = None, where: Where | None = None, **facts: Any
    ) -> Iterator[Access]:
        """An access, with old rows gone before; facts that cost something are called where there is a log."""

        def said() -> dict[str, Any]:
            found = {key: value() if callable(value) else value for key, value in facts.items()}
            return {**found, **({} if top is None else {"top": top}), **self._described(where)}

        with self.guard.access(act, self.caller, amount=amount, top=top, facts=said) as access:
            self._keep_to_ttl()
            yield access

    def _described(self, where: Where | None) -> dict[str, Any]:
        """Which rows were asked for, as the log may hold it: persons and paths hashed."""
        asked = where or Where()
        said: Mapping[str, Any] = {
            "persons": self.guard.hashed(asked.persons),
            "paths": self.guard.hashed(asked.paths),
            "cameras": self.guard.hashed(asked.cameras) if self.facts.sealed else list(asked.cameras),
            "since": asked.since and asked.since.isoformat(),
            "until": asked.until and asked.until.isoformat(),
        }
        return {key: value for key, value in said.items() if value}

    def _in_time(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
        """Those that may be kept, and a line for each other one."""
        ttl = self.guard.policy.ttl
        if ttl is None:
            return list(entries), []
        limit = self.guard.clock() - ttl
        late = [entry for entry in entries if _is_before(entry, limit)]
        lines = [f"{entry.path}: taken {entry.time}, longer ago than ttl={spelt(ttl)}" for entry in late]
        return [entry for entry in entries if not _is_before(entry, limit)], lines

    def _mark(self) -> None:
        if self.guard.policy.ttl is not None:
            self._retention.mark(self._gallery.reached())

    def _keep_to_ttl(self) -> None:
        """Erase what is older than the policy allows, if this was not looked at a moment ago."""
        if self.guard.policy.ttl is not None and self.guard.is_due():
            old, _ = self._old()
            if old:
                with self.guard.own("expire") as access:
                    access.counts |= {"erased": self._expired()}
            self._mark()

    def _old(self) -> tuple[list[Where], int | None]:
        """The rows that are older than the policy allows, nothing without any; and the last of them by number."""
        ttl = self.guard.policy.ttl
        if ttl is None:
            return [], None
        last = self._retention.over(ttl)
        old = [Where(until=self.guard.clock() - ttl), *([] if last is None else [Where(up_to=last)])]
        return [where for where in old if next(iter(self._gallery.rows(where)), None) is not None], last

    def _expired(self) -> int:
        old, last = self._old()
        removed = sum(self._gallery.erase(where) for where in old)
        if last is not None:
            self._retention.forget(last)
        return removed


def open_guarded(
    folder: str | os.PathLike[str], *, token: str | None = None, purpose: str | None = None, **options: Any
) -> Gallery | GuardedGallery:
    """Open a gallery, behind its policy where this limits or logs anything.

    Args:
        folder: Its folder.
        token: Where the policy requires tokens; None: ``REID_TOKEN`` of the environment.
        purpose: What for.
        options: Those of :func:`open_gallery`.

    Raises:
        FileNotFoundError: there is no gallery, or no key of its log.
        ValueError: its file or its policy cannot be used.
    """
    gallery = open_gallery(folder, **options)
    guard = Guard(gallery.folder)
    if guard.policy == OPEN:
        return gallery
    return GuardedGallery(gallery, guard, Caller(token=token or os.environ.get("REID_TOKEN"), purpose=purpose))


def _is_before(entry: Entry, limit: datetime) -> bool:
    return entry.time is not None and entry.time < limit


def _content(image: Any) -> str:
    """The SHA-256 of what was asked for: of a file, or of an array's numbers."""
    if isinstance(image, str | os.PathLike):
        try:
            return content_id(os.fspath(image))
        except OSError:  # the query says why it cannot be read
            return "unreadable"
    if isinstance(image, bytes):
        return hashlib.sha256(image).hexdigest()
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
