"""Images compared by their stripes too, for re-ranking: the nearest of each, and the distances of pairs."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.local_blocks import LocalBlocks, stripes_of
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.evaluation.neighbours.exact import Neighbours
from reid_lit.evaluation.neighbours.nearest import pair_distance
from reid_lit.evaluation.stripes import pair_costs
from reid_lit.progress import progress


class LocalImages:
    """The distances of images by the whole image and by stripes; those of an image to itself are 0.

    Args:
        image: Embeddings of the queries, then of the gallery.
        queries: Number of queries.
        kind: Of the whole images: ``euclidean`` or ``cosine``.
        local: How the stripes are compared.

    Attributes:
        distance: Those of the queries to the gallery.
    """

    def __init__(self, image: Float[Tensor, "images dim"], queries: int, kind: str, local: LocalDistance) -> None:
        self.image, self.kind, self.local = image, kind, local
        self.distance = LocalBlocks(image[:queries], image[queries:], kind, local)

    @torch.no_grad()
    def neighbours(self, k: int) -> Neighbours:
        """The k nearest images of each image, itself included and first, nearest first, ties by lower index."""
        blocks, parts, images = LocalBlocks(self.image, self.image, self.kind, self.local), [], len(self.image)
        with progress("nearest neighbours") as tell:
            for start in range(0, images, BLOCK):
                distance = blocks.block(start).clamp_min_(0)
                farthest = distance.amax(1)
                distance.diagonal(start).fill_(-1)  # before images that are the same
                value, index = distance.sort(dim=1, stable=True)
                parts.append((index[:, :k].clone(), value[:, :k].clamp_min(0), farthest))
                tell(start + len(distance), images)
        return Neighbours(*(torch.cat(part) for part in zip(*parts, strict=True)))

    @torch.no_grad()
    def pairs(self, one: Int[Tensor, " pairs"], other: Int[Tensor, " pairs"]) -> Float[Tensor, " pairs"]:
        """The distances of some pairs."""
        whole, unit = self.image[:, : self.local.whole], self.kind == "cosine"
        squares = torch.cat(
            [
                pair_distance(whole[left], whole, right[:, None], unit=unit)[:, 0]
                for left, right in zip(one.split(BLOCK), other.split(BLOCK), strict=True)
            ]
        )
        distance = self.local.global_weight * (squares / 2 if unit else squares.sqrt())
        cost = pair_costs(stripes_of(self.image, self.local), one, other, self.local.matching)
        return distance.add_(cost, alpha=self.local.local_weight)
