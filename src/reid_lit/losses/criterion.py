"""The weighted sum of named losses."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from reid_lit.errors import InputError
from reid_lit.losses.cluster_memory import ClusterMemory
from reid_lit.losses.gathering import check_equal, gathered, ranks
from reid_lit.records import Output
from reid_lit.wording import counted


class Term(nn.Module):
    """One loss of a criterion.

    Args:
        loss: Called with what it reads and the persons; gives a scalar. One that is still to be called with ``persons``
            and ``dim`` (a partial) is built by :meth:`Criterion.sized`.
        reads: Which output of the model it sees: ``feature``, ``embedding``, ``logits``, or one of the parts of
            :class:`~reid_lit.records.Output`; a list where the loss is called with several, in this order.
        weight: Its factor in the sum; at 0 the criterion leaves the term out.

    Raises:
        ValueError: ``reads`` is no name, or labels are smoothed beyond 1.
    """

    def __init__(self, *, loss: Callable[..., Any], reads: str | Sequence[str], weight: float) -> None:
        super().__init__()
        names = (reads,) if isinstance(reads, str) else reads
        if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
            raise InputError(f"reads={reads!r}: choose one of feature, embedding, logits, or a part that the model has")
        check_smoothing(loss)
        self.loss = loss
        self.reads: tuple[str, ...] = tuple(names)
        self.weight = weight

    def forward(self, output: Output, person: Int[Tensor, " batch"]) -> Tensor:
        """The weighted loss, a scalar, in float32."""
        return self.weight * self.loss(*(output.named(name).float() for name in self.reads), person)


def check_smoothing(loss: Any) -> None:
    """Raise InputError unless a loss smooths labels by a share; torch would say it at the first step.

    Raises:
        ValueError: labels are smoothed beyond 1.
    """
    smoothing = getattr(loss, "label_smoothing", 0.0)
    if not 0 <= smoothing <= 1:
        raise InputError(f"loss.label_smoothing={smoothing}: give a number from 0 to 1")


class Criterion(nn.Module):
    """Named losses, computed in float32 whatever the precision of the network.

    Args:
        terms: The losses by name; the names appear in the log as ``train/<name>``.
        gather: Whether over several ranks every loss sees the images of all of them, with the gradient of one process
            (:func:`~reid_lit.losses.gathering.gathered`). If not, each rank has the losses of its own images, and what
            is minimised is their mean: the same for a mean over images such as the ID loss, not for pairs.

    Raises:
        ValueError: a weight is negative, or every one is 0.
    """

    def __init__(self, *, terms: dict[str, Term], gather: bool) -> None:
        super().__init__()
        self.gather = gather
        self._looked = False
        for name, term in terms.items():
            if term.weight < 0:
                raise InputError(f"terms.{name}.weight={term.weight}: give 0, which leaves the loss out, or more")
        self.terms = nn.ModuleDict({name: term for name, term in terms.items() if term.weight})
        if not self.terms:
            raise InputError(
                f"every loss of {', '.join(terms) or 'the criterion'} has weight 0: nothing is trained;"
                " give one a weight above 0, or choose another loss or neck"
            )

    @property
    def reads(self) -> frozenset[str]:
        """The outputs that the losses see."""
        return frozenset(name for term in self._terms() for name in term.reads)

    def behind(self, neck: Any, *, persons: int, feature: int, parts: Collection[str] = ()) -> "Criterion":
        """The criterion as :meth:`sized` gives it for a neck; without a ``classifier`` there are no logits."""
        classified = getattr(neck, "classifier", True) is not None
        return self.sized(persons=persons, feature=feature, embedding=neck.dim, classified=classified, parts=parts)

    def sized(
        self, *, persons: int, feature: int, embedding: int, classified: bool, parts: Collection[str] = ()
    ) -> "Criterion":
        """The criterion, with the losses built that need to know how many persons and channels there are.

        Args:
            persons: Training persons.
            feature: Channels of the feature.
            embedding: Channels of the embedding.
            classified: Whether there will be logits.
            parts: Names of the outputs that the model gives in addition.

        Raises:
            ValueError: a term reads what the model does not give.
        """
        sizes = {"feature": feature, "embedding": embedding, "logits": persons}
        for name, term in zip(self.terms, self._terms(), strict=True):
            for read in term.reads:
                if read not in (*sizes, *parts) or (read == "logits" and not classified):
                    raise InputError(f"terms.{name}.reads={read}: {_unread(read, parts, classified=classified)}")
            if isinstance(term.loss, functools.partial):
                term.loss = term.loss(persons=persons, dim=sizes[term.reads[0]])
        return self

    def forward(self, output: Output, person: Int[Tensor, " batch"]) -> dict[str, Tensor]:
        """The weighted losses by name; their sum is what is minimised.

        Raises:
            InputError: the ranks of the first batch hold other numbers of images; or without ``gather`` one of them
                holds a single person, and so no pair of two persons, or a loss keeps a memory.
        """
        if not self._looked:
            self._looked = True  # later batches are not looked at: that would wait for the device in each step
            self._look(person)
        with torch.autocast(person.device.type, enabled=False):
            seen = self._of_all_ranks(output, person) if self.gather else (output, person)
            return {name: term(*seen) for name, term in self.terms.items()}

    def _look(self, person: Int[Tensor, " share"]) -> None:
        """Refuse what several ranks cannot learn from."""
        if self.gather:
            check_equal(len(person), person.device)
            return
        if ranks() > 1 and any(isinstance(term.loss, ClusterMemory) for term in self._terms()):
            raise InputError(
                "gather=false: a loss that keeps a memory follows the images of all ranks, and what a rank's own memory"
                " learnt would be lost: DDP gives all ranks the first one's; give loss.gather=true"
            )
        if ranks() > 1 and (person == person[0]).all() and any("logits" not in name for name in self.reads):
            raise InputError(
                f"gather=false: a rank's {counted(len(person), 'image')} of a batch show one person, so no pair is of"
                f" two; give true, or a batch of more persons"
            )

    def _terms(self) -> list[Term]:
        return [term for term in self.terms.values() if isinstance(term, Term)]

    def _of_all_ranks(self, output: Output, person: Int[Tensor, " share"]) -> tuple[Output, Int[Tensor, " batch"]]:
        """What the terms read, of the images of all ranks."""
        seen = {name: gathered(output.named(name).float()) for name in sorted(self.reads)}
        fields = {name: seen.pop(name) for name in self.reads if name in output._fields}
        return output._replace(**fields, parts={**output.parts, **seen}), gathered(person)


def _unread(read: str, parts: Collection[str], *, classified: bool) -> str:
    """Why a term cannot read an output, and what it can read."""
    if read == "logits" and "part_logits" in parts:
        return "this model classifies each part; choose a loss of parts, such as loss=parts_id"
    if read in ("logits", "part_logits"):
        return (
            "this neck has no classifier; choose another neck, such as bnneck, or a loss without an ID term"
            if read == "logits" or parts
            else "this model has no parts; choose another loss, such as loss=id, or a model of parts, such as model=pcb"
        )
    known = ["feature", "embedding", *(["logits"] if classified else []), *parts]
    return f"choose one of {', '.join(known)}"
