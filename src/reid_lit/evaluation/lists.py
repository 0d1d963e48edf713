"""Who is on the query and gallery images, and which gallery entries count."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import JUNK, Shot
from reid_lit.wording import counted

UNKNOWN = -1
"""The number of clothes that are not known."""


class Asked(NamedTuple):
    """Some queries.

    Attributes:
        person: ``(rows)`` person ids.
        camera: ``(rows)`` camera ids.
        clothes: ``(rows)`` numbers of clothes; None where no image has any.
        track: ``(rows)`` numbers of tracks; None where images are ranked.
    """

    person: Int[Tensor, " rows"]
    camera: Int[Tensor, " rows"]
    clothes: Int[Tensor, " rows"] | None = None
    track: Int[Tensor, " rows"] | None = None


@dataclass(frozen=True)
class Lists:
    """Person and camera of every query and gallery image, and the clothes where they are known.

    Attributes:
        query_person: ``(queries)`` int64 person ids.
        query_camera: ``(queries)`` int64 camera ids, counted from 0.
        gallery_person: ``(gallery)`` int64 person ids; -1 is junk.
        gallery_camera: ``(gallery)`` int64 camera ids, counted from 0.
        query_clothes: ``(queries)`` int64 numbers of clothes, :data:`UNKNOWN` where they are not known; None for none.
        gallery_clothes: ``(gallery)``, likewise.
        query_track: ``(queries)`` int64 numbers of tracks, where tracks are ranked in place of images.
        gallery_track: ``(gallery)``, likewise.

    Raises:
        ValueError: persons, cameras and clothes of different number.
    """

    query_person: Int[Tensor, " queries"]
    query_camera: Int[Tensor, " queries"]
    gallery_person: Int[Tensor, " gallery"]
    gallery_camera: Int[Tensor, " gallery"]
    query_clothes: Int[Tensor, " queries"] | None = None
    gallery_clothes: Int[Tensor, " gallery"] | None = None
    query_track: Int[Tensor, " queries"] | None = None
    gallery_track: Int[Tensor, " gallery"] | None = None

    def __post_init__(self) -> None:
        for role in ("query", "gallery"):
            persons = getattr(self, f"{role}_person")
            for name, words in (("camera", "cameras"), ("clothes", "clothes")):
                given = getattr(self, f"{role}_{name}")
                if given is not None and persons.shape != given.shape:
                    raise InputError(
                        f"{counted(len(persons), f'{role} person')} but"
                        f" {counted(len(given), f'{role} {name}', f'{role} {words}')}; give one of each an image"
                    )

    @classmethod
    def of(cls, query: Sequence[Shot], gallery: Sequence[Shot]) -> "Lists":
        """The lists of some shots."""

        def numbers(shots: Sequence[Shot], name: str) -> Int[Tensor, " shots"]:
            return torch.tensor([getattr(shot, name) for shot in shots], dtype=torch.int64)

        queries = numbers(query, "person_id"), numbers(query, "camera_id")
        gallery_numbers = numbers(gallery, "person_id"), numbers(gallery, "camera_id")
        clothes = clothes_of((*query, *gallery))
        worn = () if clothes is None else (clothes[: len(query)], clothes[len(query) :])
        return cls(*queries, *gallery_numbers, *worn)

    def of_persons(self, other: "Lists") -> "Lists":
        """These lists with the persons and cameras of other ones."""
        persons = {"query_person": other.query_person, "gallery_person": other.gallery_person}
        return replace(self, **persons, query_camera=other.query_camera, gallery_camera=other.gallery_camera)

    def asked(self, rows: slice | Int[Tensor, " rows"]) -> Asked:
        """Some of the queries."""
        columns = (self.query_person, self.query_camera, self.query_clothes, self.query_track)
        return Asked(*(None if column is None else column[rows] for column in columns))  # type: ignore[arg-type]  # two are

    def rule(self, protocol: Protocol) -> str:
        """The protocol's camera rule; for ``auto`` the one that fits the lists."""
        if protocol.camera_rule != "auto":
            return protocol.camera_rule
        return "any_camera" if self.single_camera else "cross_camera"

    def to(self, device: torch.device) -> "Lists":
        """The same lists on ``device``."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in values.items() if value is not None})

    def with_gallery(self, kept: Bool[Tensor, " gallery"]) -> "Lists":
        """The same queries, and the kept part of the gallery."""
        gallery = {item.name: getattr(self, item.name) for item in fields(self) if item.name.startswith("gallery_")}
        return replace(self, **{name: values[kept] for name, values in gallery.items() if values is not None})

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
        clothes: ``(columns)`` numbers of clothes; None where no image has any.
        track: ``(columns)`` numbers of tracks; None where images are ranked.
    """

    def __init__(self, lists: Lists, *, keep_junk: bool = False) -> None:
        self.index = ((lists.gallery_person != JUNK) | keep_junk).nonzero()[:, 0]
        self.person = lists.gallery_person[self.index]
        self.camera = lists.gallery_camera[self.index]
        self.clothes = None if lists.gallery_clothes is None else lists.gallery_clothes[self.index]
        self.track = None if lists.gallery_track is None else lists.gallery_track[self.index]
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

    def removed(
        self, place: Int[Tensor, "rows members"] | None, asked: Asked, protocol: Protocol
    ) -> Bool[Tensor, "rows members"]:
        """Which images of the query's person the protocol removes; of other persons it removes none.

        With p the person, c the camera and k the clothes, g of the gallery and q of the query, an image with
        p(g) = p(q) is removed

        * by ``cross_camera`` where c(g) = c(q),
        * by ``changed_clothes`` where k(g) = k(q), by ``same_clothes`` where k(g) ≠ k(q),
        * of tracks, where g is q itself.

        Source: cameras: Zheng et al. 2015, section 5.2; clothes: Qian et al., "Long-Term Cloth-Changing Person
            Re-identification", ACCV 2020 (LTCC); the same removals, same clothes too, in the public evaluators of
            Simple-CCReID (``tools/eval_metrics.py``, 88c5b0bf) and FIRe-CCReID (``evaluate/metrics_for_cc.py``,
            00ffdec1).

        Args:
            place: Columns of images of the query's person; None for all columns, those of other persons to be ignored.
            asked: The queries.
            protocol: Its camera rule is resolved.
        """
        removed = self.removed_by_clothes(place, asked, protocol) | self.is_itself(place, asked)
        if protocol.camera_rule == "cross_camera":
            removed = removed | (_at(self.camera, place) == asked.camera[:, None])
        return removed

    def is_itself(self, place: Int[Tensor, "rows members"] | None, asked: Asked) -> Bool[Tensor, "rows members"]:
        """Which tracks of the query's person are the query."""
        if self.track is None or asked.track is None:
            return self._none(place, asked)
        return _at(self.track, place) == asked.track[:, None]

    def _none(self, place: Int[Tensor, "rows members"] | None, asked: Asked) -> Bool[Tensor, "rows members"]:
        shape = (len(asked.person), len(self.person)) if place is None else place.shape
        return self.camera.new_zeros(shape, dtype=torch.bool)

    def removed_by_clothes(
        self, place: Int[Tensor, "rows members"] | None, asked: Asked, protocol: Protocol
    ) -> Bool[Tensor, "rows members"]:
        """Which images of the query's person the clothes rule removes, whatever their cameras."""
        if protocol.clothes_rule == "general" or self.clothes is None or asked.clothes is None:
            return self._none(place, asked)
        same = _at(self.clothes, place) == asked.clothes[:, None]
        return same if protocol.clothes_rule == "changed_clothes" else ~same


def _at(values: Int[Tensor, " columns"], place: Int[Tensor, "rows members"] | None) -> Int[Tensor, "rows members"]:
    """The values of some columns; those of all in one row, for each row the same."""
    return values[None] if place is None else values[place]


def clothes_of(shots: Sequence[Shot]) -> Int[Tensor, " shots"] | None:
    """The numbers of the clothes of some shots, :data:`UNKNOWN` where one has none; None where all have none."""
    known = [UNKNOWN if shot.clothes_id is None else shot.clothes_id for shot in shots]
    return torch.tensor(known, dtype=torch.int64) if any(number != UNKNOWN for number in known) else None


def check_clothes(lists: Lists, protocol: Protocol) -> None:
    """Raise InputError where the protocol compares clothes that are not known.

    Raises:
        ValueError: a query, or a gallery image of a query's person, has no clothes.
    """
    rule = protocol.clothes_rule
    if rule == "general":
        return
    cure = "name them in the column clothes of the data set's CSV, or set clothes_rule=general"
    if lists.query_clothes is None or lists.gallery_clothes is None:
        raise InputError(f"clothes_rule={rule}: no image of this test has known clothes; {cure}")
    asked = torch.isin(lists.gallery_person, lists.query_person) & (lists.gallery_person != JUNK)
    unknown = {
        "query": (lists.query_clothes == UNKNOWN).nonzero()[:, 0].tolist(),
        "gallery": ((lists.gallery_clothes == UNKNOWN) & asked).nonzero()[:, 0].tolist(),
    }
    for role, rows in unknown.items():
        if rows:
            images = counted(len(rows), f"{role} image has", f"{role} images have")
            raise InputError(f"clothes_rule={rule}: {images} no known clothes, the first at {rows[:3]}; {cure}")


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
