"""Who is on the query and gallery images, and which gallery entries count."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import JUNK, Shot
from reid_lit.wording import counted


@dataclass(frozen=True)
class Lists:
    """Person and camera of every query and gallery image.

    Attributes:
        query_person: ``(queries)`` int64 person ids.
        query_camera: ``(queries)`` int64 camera ids, counted from 0.
        gallery_person: ``(gallery)`` int64 person ids; -1 is junk.
        gallery_camera: ``(gallery)`` int64 camera ids, counted from 0.

    Raises:
        ValueError: persons and cameras of different number.
    """

    query_person: Int[Tensor, " queries"]
    query_camera: Int[Tensor, " queries"]
    gallery_person: Int[Tensor, " gallery"]
    gallery_camera: Int[Tensor, " gallery"]

    def __post_init__(self) -> None:
        for role in ("query", "gallery"):
            persons, cameras = getattr(self, f"{role}_person"), getattr(self, f"{role}_camera")
            if persons.shape != cameras.shape:
                raise InputError(
                    f"{counted(len(persons), f'{role} person')} but {counted(len(cameras), f'{role} camera')};"
                    " give one of each an image"
                )

    @classmethod
    def of(cls, query: Sequence[Shot], gallery: Sequence[Shot]) -> "Lists":
        """The lists of some shots."""

        def numbers(shots: Sequence[Shot], name: str) -> Int[Tensor, " shots"]:
            return torch.tensor([getattr(shot, name) for shot in shots], dtype=torch.int64)

        queries = numbers(query, "person_id"), numbers(query, "camera_id")
        return cls(*queries, numbers(gallery, "person_id"), numbers(gallery, "camera_id"))

    def rule(self, protocol: Protocol) -> str:
        """The protocol's camera rule; for ``auto`` the one that fits the lists."""
        if protocol.camera_rule != "auto":
            return protocol.camera_rule
        return "any_camera" if self.single_camera else "cross_camera"

    def to(self, device: torch.device) -> "Lists":
        """The same lists on ``device``."""
        return Lists(*(getattr(self, item.name).to(device) for item in fields(self)))

    def with_gallery(self, kept: Bool[Tensor, " gallery"]) -> "Lists":
        """The same queries, and the kept part of the gallery."""
        return Lists(self.query_person, self.query_camera, self.gallery_person[kept], self.gallery_camera[kept])

    @property
    def single_camera(self) -> bool:
        """Whether all images, junk aside, come from one camera."""
        cameras = torch.cat([self.query_camera, self.gallery_camera[self.gallery_person != JUNK]])
        return len(cameras.unique()) <= 1

    @property
    def junk(self) -> int:
        """Number of gallery images that are junk."""
        return int((self.gallery_person == JUNK).sum())

    @property
    def distractors(self) -> int:
        """Number of gallery images, junk aside, of persons that no query shows."""
        unseen = ~torch.isin(self.gallery_person, self.query_person)
        return int((unseen & (self.gallery_person != JUNK)).sum())


class Columns:
    """The gallery without its junk, and where in it each person is.

    Args:
        lists: Person and camera of all images.
        keep_junk: Keep the junk too.

    Attributes:
        index: ``(columns)`` gallery index of each column, ascending.
        person: ``(columns)`` person ids.
        camera: ``(columns)`` camera ids.
    """

    def __init__(self, lists: Lists, *, keep_junk: bool = False) -> None:
        self.index = ((lists.gallery_person != JUNK) | keep_junk).nonzero()[:, 0]
        self.person = lists.gallery_person[self.index]
        self.camera = lists.gallery_camera[self.index]
        self._sorted_person, self._by_person = self.person.sort(stable=True)

    def select(self, gallery: Float[Tensor, "gallery dim"]) -> Float[Tensor, "columns dim"]:
        """The embeddings of the columns; the gallery itself, not a copy, when there is no junk."""
        return gallery if len(self.index) == len(gallery) else gallery[self.index]

    def of_person(
        self, person: Int[Tensor, " rows"]
    ) -> tuple[Int[Tensor, "rows members"], Bool[Tensor, "rows members"]]:
        """The columns of each person, ascending, padded to the longest list; and which of them are no padding."""
        first = torch.searchsorted(self._sorted_person, person)
        count = torch.searchsorted(self._sorted_person, person, right=True) - first
        longest = max(1, int(count.max())) if len(count) else 1
        slot = torch.arange(longest, device=person.device)
        filled = slot < count[:, None]
        place = (first[:, None] + slot).masked_fill(~filled, 0)
        return self._by_person[place], filled


def check_lengths(query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], lists: Lists) -> None:
    """Raise InputError unless each embedding has a person, and there are a query and a gallery image to rank."""
    for role, embedding, person in (("query", query, lists.query_person), ("gallery", gallery, lists.gallery_person)):
        if len(embedding) != len(person):
            raise InputError(
                f"{counted(len(embedding), f'{role} embedding')} but {counted(len(person), f'{role} person')};"
                " give one of each an image"
            )
    if not len(query) or lists.junk == len(gallery):
        raise InputError(
            f"nothing to rank: {counted(len(query), 'query', 'queries')}, {counted(len(gallery), 'gallery image')} "
            f"({lists.junk} of junk); "
            "point dataset.root at a data set with query and gallery images"
        )
