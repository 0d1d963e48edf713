"""The scores of each query of a test, kept in the folder of its run."""

from collections.abc import Mapping
from typing import Any

import torch

from reid_lit.evaluation.catalogue import ND
from reid_lit.evaluation.scores import Result
from reid_lit.progress import first_rank
from reid_lit.records import Split
from reid_lit.run.folder import Run
from reid_lit.run.query_scores import write_query_scores


def keep_queries(run: Run, split: Split, result: Result, named: Mapping[str, Any]) -> None:
    """Write the scores of each query into the folder of a run, see :mod:`reid_lit.run.query_scores`.

    Args:
        run: The folder.
        split: The query and gallery of the test.
        result: The scores.
        named: ``row`` and ``average`` of a :class:`Test`.
    """
    if first_rank():
        arrays = query_arrays(result)
        write_query_scores(
            run.folder, split.name, split.query, arrays, row=named["row"], average=named["average"]
        )  # fmt: skip


def query_arrays(result: Result) -> dict[str, Any]:
    """The scores of each query, as :class:`reid_lit.run.query_scores.QueryScoresFile` holds them."""
    if result.stamp["gallery"] != "all images":  # a single gallery shot: the first matches of all draws
        valid = result.queries.valid
        drawn = torch.zeros(len(result.first_matches) // int(valid.sum()), len(valid), dtype=torch.int32)
        drawn[:, valid] = result.first_matches.view(len(drawn), -1).int()
        return {"drawn": drawn.numpy()}
    arrays = {
        "first_match": result.queries.first_match.int(),
        "average_precision": result.queries.average_precision.float(),
        "inverse_negative_penalty": result.queries.inverse_negative_penalty.float(),
    }
    if result.queries_nd is not None:
        arrays[f"first_match{ND}"] = result.queries_nd.first_match.int()
        arrays[f"average_precision{ND}"] = result.queries_nd.average_precision.float()
    return {name: array.contiguous().numpy() for name, array in arrays.items()}
