"""What must be known of query and gallery before they can be ranked and scored as a protocol asks."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reid_lit.errors import InputError
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.marks import UNKNOWN
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import JUNK
from reid_lit.wording import counted

MOST_VIEWS = 36
"""Views of a test, such as directions ten degrees apart: their pairs are its square, and each takes two rankings."""


def check_marks(lists: Lists, protocol: Protocol) -> None:
    """Raise InputError where the protocol compares clothes or views that are not known.

    Raises:
        ValueError: a query, or a gallery image of a query's person, has no clothes where clothes are compared; a query,
            or a gallery image that is no junk, has no view where views are; or there are over :data:`MOST_VIEWS`.
    """
    ranked = lists.gallery_person != JUNK
    if (rule := protocol.clothes_rule) != "general":
        asked = ranked & torch.isin(lists.gallery_person, lists.query_person)
        _check_known(lists, "clothes", asked, (f"clothes_rule={rule}", "clothes_rule=general"))
    if protocol.view_pairs:
        _check_known(lists, "view", ranked, ("view_pairs=true", "view_pairs=false"))
        if len(lists.views) > MOST_VIEWS:
            raise InputError(
                f"view_pairs=true: {len(lists.views)} views ({', '.join(map(repr, lists.views[:3]))} …); name a few"
                f" directions, such as front, side and back, at most {MOST_VIEWS}"
            )


def _check_known(lists: Lists, name: str, asked: Bool[Tensor, " gallery"], keys: tuple[str, str]) -> None:
    """Raise InputError where a mark of a query, or of a gallery image that is asked for, is not known.

    Args:
        lists: The images.
        name: Of the mark, which is its column of a CSV too.
        asked: Whose marks are needed.
        keys: The key that asks for it, and the one that does not.
    """
    several = {"clothes": "clothes", "view": "views"}[name]
    cure = f"name them in the column {name} of the data set's CSV, or set {keys[1]}"
    query, gallery = getattr(lists, f"query_{name}"), getattr(lists, f"gallery_{name}")
    if query is None or gallery is None:
        raise InputError(f"{keys[0]}: no image of this test has known {several}; {cure}")
    unknown = {"query": query == UNKNOWN, "gallery": (gallery == UNKNOWN) & asked}
    for role, found in unknown.items():
        if rows := found.nonzero()[:, 0].tolist():
            images = counted(len(rows), f"{role} image has", f"{role} images have")
            raise InputError(f"{keys[0]}: {images} no known {name}, the first at {rows[:3]}; {cure}")


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
