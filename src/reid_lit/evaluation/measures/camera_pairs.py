"""Scores by pair of cameras: between which views persons are hard to find."""

from jaxtyping import Bool, Float
from torch import Tensor

from reid_lit.evaluation.lists import Columns
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.ranking import QueryScores, join, rank_rows, score_rows


class CameraPairs:
    """Rank-1 and mAP of the queries of one camera among the gallery images of one camera, for every such pair.

    Only the gallery camera's images are ranked, distractors with them, and only queries that have a match there count.
    Expanded or re-ranked distances are those of the whole gallery.
    A camera is paired with itself only where the camera rule keeps matches under the query's own camera.

    Args:
        ranker: Whose distances are seen; its protocol has the camera rule and the convention of the average precision.
    """

    def __init__(self, ranker: Ranker) -> None:
        self.lists, self.protocol = ranker.lists, ranker.protocol
        self.parts = {camera: _of_camera(camera, ranker) for camera in ranker.columns.camera.unique().tolist()}
        self.seen: dict[int, list[tuple[QueryScores, QueryScores]]] = {camera: [] for camera in self.parts}

    def see(self, rows: slice, distance: Float[Tensor, "rows columns"]) -> None:
        """Score some queries in the gallery of each camera."""
        asked = self.lists.asked(rows)
        for gallery_camera, (place, columns) in self.parts.items():
            ranked = rank_rows(distance[:, place], asked, columns)
            self.seen[gallery_camera].append(score_rows(ranked, columns, self.protocol))

    def again(self) -> bool:
        """False: one pass over the distances is enough."""
        return False

    def result(self) -> tuple[dict[str, float], list[dict[str, object]]]:
        """No score by name; a record for each pair, in JSON's types, with cameras named ``c1`` … as in errors."""
        camera = self.lists.query_camera.cpu()
        records: dict[tuple[int, int], dict[str, object]] = {}
        for gallery_camera, parts in self.seen.items():
            scores, _ = join(parts)
            for query_camera in camera[scores.valid].unique().tolist():
                names = {"query": f"c{query_camera + 1}", "gallery": f"c{gallery_camera + 1}"}
                records[query_camera, gallery_camera] = names | _means(scores, camera == query_camera)
        return {}, [records[pair] for pair in sorted(records)]


def _of_camera(camera: int, ranker: Ranker) -> tuple[Tensor, Columns]:
    """The places of the columns that a camera took, and their persons."""
    part = ranker.lists.with_gallery(ranker.lists.gallery_camera == camera)
    return (ranker.columns.camera == camera).nonzero()[:, 0], Columns(part)


def _means(scores: QueryScores, chosen: Bool[Tensor, " queries"]) -> dict[str, object]:
    """Number and scores of the chosen queries that have a match."""
    valid = scores.valid & chosen
    return {
        "queries": int(valid.sum()),
        "rank1": float((scores.first_match[valid] == 1).double().mean()),
        "mAP": float(scores.average_precision[valid].mean()),
    }
