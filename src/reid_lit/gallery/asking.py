"""Queries in steps: what several of them need next is done for all at once.

A query is a generator. It yields :class:`Embed`, is sent the embeddings, yields :class:`LookUp`, is sent what was
found, and returns its answers. What must hold around the work, such as an access in the audit log, is a ``with`` in it.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor

from reid_lit.gallery.rows import Where
from reid_lit.progress import Progress, untold

Answer = TypeVar("Answer")
Nearest = list[tuple[list[int], list[float]]]
"""Numbers and cosines of the nearest rows of each vector."""


class Embed(NamedTuple):
    """The embeddings of images are needed.

    Attributes:
        images: What :class:`reid_lit.Embedder` takes.
        color: Of arrays among them.
    """

    images: list[Any]
    color: str | None = None


class LookUp(NamedTuple):
    """The nearest rows of vectors are needed.

    Attributes:
        vectors: Of length 1.
        top: How many rows of each.
        where: Which rows may be found.
        approximate: Whether the engine's index answers.
        tell: Called while vectors are copied for the search, with the rows done, and their number.
    """

    vectors: Float32[np.ndarray, "queries dim"]
    top: int
    where: Where
    approximate: bool = False
    tell: Progress = untold


class LookedUp(NamedTuple):
    """What was found.

    Attributes:
        nearest: Of each vector.
        rows: The facts of all these rows by number; one that was erased meanwhile has none.
    """

    nearest: Nearest
    rows: dict[int, dict[str, Any]]


Steps = Generator[Embed | LookUp, Any, Answer]
Embeds = Callable[[list[Embed]], Sequence[Float[Tensor, "images dim"] | BaseException]]
"""The embeddings of each, or why it has none."""
LooksUp = Callable[[list[LookUp]], Sequence[LookedUp | BaseException]]


def answered(queries: Sequence[Steps[Answer]], embed: Embeds, look_up: LooksUp) -> list[Answer | BaseException]:
    """The answer to each query, or what it has raised; one that fails leaves the others as they are.

    Args:
        queries: They have not begun.
        embed: What it raises is raised in all that it was called for.
        look_up: Likewise.
    """
    answers: dict[int, Answer | BaseException] = {}
    due: dict[int, Embed | LookUp] = {}

    def go_on(place: int, value: Any) -> None:
        query = queries[place]
        try:
            due[place] = query.throw(value) if isinstance(value, BaseException) else query.send(value)
        except StopIteration as end:
            answers[place] = end.value
        except BaseException as error:
            answers[place] = error

    for place in range(len(queries)):
        go_on(place, None)
    while due:
        asked = due.copy()
        due.clear()
        for kind, work in ((Embed, embed), (LookUp, look_up)):
            places = [place for place, step in asked.items() if isinstance(step, kind)]
            values = _done(work, [asked[place] for place in places]) if places else ()
            for place, value in zip(places, values, strict=True):
                go_on(place, value)
    return [answers[place] for place in range(len(queries))]


def answer_of(query: Steps[Answer], embed: Embeds, look_up: LooksUp) -> Answer:
    """The answer to one query; what it raises is raised."""
    (answer,) = answered([query], embed, look_up)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _done(work: Callable[[list[Any]], Sequence[Any]], steps: list[Any]) -> Sequence[Any]:
    try:
        return work(steps)
    except BaseException as error:
        return [error] * len(steps)
