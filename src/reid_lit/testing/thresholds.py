"""Of which embeddings the thresholds of a result are, and how they are applied to others."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.scores import Result
from reid_lit.testing.provenance import Provenance

APPLY = "apply"
"""The name in a result's details."""


def with_application(result: Result, protocol: Protocol, origin: Callable[[], Provenance], place: Path | None) -> None:
    """Add to the details of a result with thresholds whose distances they are, in JSON's types.

    ``place`` is the folder that :func:`reid_lit.load` gives the same embeddings for: it keeps the config by which they
    were made. So thresholds and embeddings agree by construction, whatever the evaluation has changed.

    Args:
        result: Changed in place; one without thresholds is left as it is.
        protocol: How the distances were computed.
        origin: How the embeddings were made; asked only where there are thresholds, since it hashes the weights.
        place: The folder of the result; None where it names no model, since a file of embeddings was scored without its
            run.
    """
    if not (protocol.roc or protocol.open_set or protocol.identification):
        return
    made = origin()
    loaded = f"<the run whose weights have the hash {made.model[:12]}…>" if place is None else repr(str(place))
    result.details[APPLY] = {
        "how": _how(protocol, loaded),
        "distance": protocol.distance,
        "embedding": dataclasses.asdict(made),
    }


def _how(protocol: Protocol, loaded: str) -> str:
    if protocol.by_neighbours:
        return "these distances depend on the rest of the gallery: the thresholds are for this gallery alone"
    kind = "1 - cosine" if protocol.distance == "cosine" else "the Euclidean distance"
    kind = kind if protocol.local is None else f"{protocol.local.stamp}, global: {kind},"
    return (
        f"accept where embed.distance(embed(a), embed(b)) <= threshold, which is {kind} of the rows of"
        f" embed = reid_lit.load({loaded})"
    )
