"""The weighted sum of named losses."""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from reid_lit.records import Output


class Term(nn.Module):
    """One loss of a criterion.

    Args:
        loss: Called with what it reads and the persons; gives a scalar.
        reads: Which field of :class:`~reid_lit.records.Output` it sees: ``feature``, ``embedding`` or ``logits``.
        weight: Its factor in the sum.

    Raises:
        ValueError: ``reads`` is no field of an output.
    """

    def __init__(self, *, loss: nn.Module, reads: str, weight: float = 1.0) -> None:
        super().__init__()
        if reads not in Output._fields:
            raise ValueError(f"reads={reads!r}: an output has {', '.join(Output._fields)}")
        self.loss = loss
        self.reads = reads
        self.weight = weight

    def forward(self, output: Output, person: Int[Tensor, " batch"]) -> Tensor:
        """The weighted loss, a scalar, in float32."""
        value = getattr(output, self.reads)
        if value is None:
            raise ValueError(f"the loss reads {self.reads!r}, which this model does not give")
        return self.weight * self.loss(value.float(), person)


class Criterion(nn.Module):
    """Named losses, computed in float32 whatever the precision of the network.

    Args:
        terms: The losses by name; the names appear in the log as ``train/<name>``.
    """

    def __init__(self, *, terms: dict[str, Term]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)

    def forward(self, output: Output, person: Int[Tensor, " batch"]) -> dict[str, Tensor]:
        """The weighted losses by name; their sum is what is minimised."""
        with torch.autocast(person.device.type, enabled=False):
            return {name: term(output, person) for name, term in self.terms.items()}
