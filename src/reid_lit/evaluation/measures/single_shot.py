"""CMC with one image of each gallery person, drawn at random and often: CUHK03's classic protocol."""

import torch
from jaxtyping import Int
from torch import Tensor

from reid_lit.evaluation.distance import BLOCK
from reid_lit.evaluation.lists import Columns
from reid_lit.evaluation.ranker import Ranker

SEED = 0
"""Seed of the draws, so that two models are compared on the same gallery images."""


@torch.no_grad()
def single_shot_ranks(ranker: Ranker) -> Int[Tensor, "draws queries"]:
    """The rank of each query's true match among one image of each gallery person, from 1; 0 without a match.

    For each query and draw, the images that the camera rule removes are left out first. Then one of the remaining
    images of each person is drawn with equal chances. Ties are ranked in the gallery's order.

    Source: Li et al., "DeepReID", CVPR 2014, section 6 (single-shot CMC); separate draws for each query, after
        removal: Zhong et al., CVPR 2017, in the public code that later work measured with.

    Args:
        ranker: What is ranked; its protocol has the camera rule, and ``single_gallery_shot``, the number of draws.

    Raises:
        ValueError: embeddings that are not finite.
    """
    lists, protocol, columns = ranker.lists, ranker.protocol, ranker.columns
    generator = torch.Generator().manual_seed(SEED)
    parts = []
    for start, distance in ranker:
        asked = lists.asked(slice(start, start + BLOCK))
        same = columns.person == asked.person[:, None]
        left_out = same & columns.removed(None, asked, protocol)
        draws = range(protocol.single_gallery_shot)
        parts.append(torch.stack([_rank(distance, same, _draw(left_out, columns, generator)) for _ in draws]))
    return torch.cat(parts, dim=1).cpu()


def _draw(left_out: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
    """Draw one column of each person among those not left out: ``(rows columns)``, true where drawn."""
    chance = torch.rand(left_out.shape, generator=generator, dtype=torch.float64).to(left_out.device)
    chance.masked_fill_(left_out, torch.inf)
    persons, place = columns.person.unique(return_inverse=True)
    place = place.expand(len(chance), -1)
    least = chance.new_full((len(chance), len(persons)), torch.inf).scatter_reduce_(1, place, chance, "amin")
    return (chance == least.gather(1, place)) & ~left_out


def _rank(distance: Tensor, same: Tensor, drawn: Tensor) -> Tensor:
    """The rank of the drawn column that shows the query's person, ``(rows)``; 0 when there is none."""
    match = same & drawn
    column = match.byte().argmax(dim=1, keepdim=True)
    near = distance.gather(1, column)
    earlier = torch.arange(distance.shape[1], device=distance.device) < column
    before = drawn & ((distance < near) | ((distance == near) & earlier))
    return torch.where(match.any(dim=1), 1 + before.sum(dim=1), 0)
