"""Scores by pair of cameras: between which of them persons are hard to find."""

import torch

from reid_lit.evaluation.measures.gallery_parts import GalleryParts, Part, means
from reid_lit.evaluation.ranker import Ranker


class CameraPairs(GalleryParts[int]):
    """Rank-1 and mAP of the queries of one camera among the gallery images of one camera, for every such pair.

    Only queries that have a match there count. A camera is paired with itself only where the camera rule keeps matches
    under the query's own camera.

    Args:
        ranker: See :class:`.gallery_parts.GalleryParts`.
    """

    def __init__(self, ranker: Ranker) -> None:
        camera, all_queries = ranker.lists.gallery_camera, torch.ones_like(ranker.lists.query_camera, dtype=torch.bool)
        cameras = ranker.columns.camera.unique().tolist()
        super().__init__(ranker, {one: Part(all_queries, camera == one) for one in cameras})

    def result(self) -> tuple[dict[str, float], list[dict[str, object]]]:
        """No score by name; a record for each pair, in JSON's types, with cameras named ``c1`` … as in errors."""
        camera = self.lists.query_camera.cpu()
        records: dict[tuple[int, int], dict[str, object]] = {}
        for gallery_camera, scores in self.scores().items():
            for query_camera in camera[scores.valid].unique().tolist():
                names = {"query": f"c{query_camera + 1}", "gallery": f"c{gallery_camera + 1}"}
                records[query_camera, gallery_camera] = names | means([(scores, camera == query_camera)])
        return {}, [records[pair] for pair in sorted(records)]
