"""Who is on the query and gallery images, and which gallery entries count."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.marks import clothes_of, view_names, views_of
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import JUNK, Shot
from reid_lit.wording import counted


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
    """Person and camera of every query and gallery image, and clothes and view where they are known.

    Attributes:
        query_person: ``(queries)`` int64 person ids.
        query_camera: ``(queries)`` int64 camera ids, counted from 0.
        gallery_person: ``(gallery)`` int64 person ids; -1 is junk.
        gallery_camera: ``(gallery)`` int64 camera ids, counted from 0.
        query_clothes: ``(queries)`` int64 numbers of clothes, :data:`.marks.UNKNOWN` where not known; None for none.
        gallery_clothes: ``(gallery)``, likewise.
        query_track: ``(queries)`` int64 numbers of tracks, where tracks are ranked in place of images.
        gallery_track: ``(gallery)``, likewise.
        query_view: ``(queries)`` int64 numbers of views, likewise.
        gallery_view: ``(gallery)``, likewise.
        views: The names of the views, by number.

    Raises:
        ValueError: persons, cameras, clothes and views of different number.
    """

    query_person: Int[Tensor, " queries"]
    query_camera: Int[Tensor, " queries"]
    gallery_person: Int[Tensor, " gallery"]
    gallery_camera: Int[Tensor, " gallery"]
    query_clothes: Int[Tensor, " queries"] | None = None
    gallery_clothes: Int[Tensor, " gallery"] | None = None
    query_track: Int[Tensor, " queries"] | None = None
    gallery_track: Int[Tensor, " gallery"] | None = None
    query_view: Int[Tensor, " queries"] | None = None
    gallery_view: Int[Tensor, " gallery"] | None = None
    views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for role in ("query", "gallery"):
            persons = getattr(self, f"{role}_person")
            for name, words in (("camera", "cameras"), ("clothes", "clothes"), ("view", "views")):
                given = getattr(self, f"{role}_{name}")
                if given is not None and persons.shape != given.shape:
                    raise InputError(
                        f"{counted(len(persons), f'{role} person')} but"
                        f" {counted(len(given), f'{role} {name}', f'{role} {words}')}; give one of each an image"
                    )

    @classmethod
    def of(cls, query: Sequence[Shot], gallery: Sequence[Shot]) -> "Lists":
        """The lists of some shots."""
        views = view_names(shots := (*query, *gallery))
        columns = {
            "person": torch.tensor([shot.person_id for shot in shots], dtype=torch.int64),
            "camera": torch.tensor([shot.camera_id for shot in shots], dtype=torch.int64),
            "clothes": clothes_of(shots),
            "view": views_of(shots, views),
        }
        known = {name: values for name, values in columns.items() if values is not None}
        queries = {f"query_{name}": values[: len(query)] for name, values in known.items()}
        return cls(
            **queries, **{f"gallery_{name}": values[len(query) :] for name, values in known.items()}, views=views
        )

    def of_persons(self, other: "Lists") -> "Lists":
        """These lists with the persons and cameras of other ones."""
        return replace(
            self,
            query_person=other.query_person,
            query_camera=other.query_camera,
            gallery_person=other.gallery_person,
            gallery_camera=other.gallery_camera,
        )

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
        moved: dict[str, Any] = {name: value.to(device) for name, value in values.items() if torch.is_tensor(value)}
        return replace(self, **moved)

    def with_gallery(self, kept: Bool[Tensor, " gallery"]) -> "Lists":
        """The same queries, and the kept part of the gallery."""
        gallery = {item.name: getattr(self, item.name) for item in fields(self) if item.name.startswith("gallery_")}
        some: dict[str, Any] = {name: values[kept] for name, values in gallery.items() if values is not None}
        return replace(self, **some)

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
