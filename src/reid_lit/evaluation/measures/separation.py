"""How far apart the images of one person are, compared with those of two persons."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.evaluation.distance import BLOCK, DistanceBlocks
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.ranker import Ranker
from reid_lit.wording import counted


@torch.no_grad()
def intra_inter_ratio(ranker: Ranker) -> float:
    """R: the mean distance of two images of a person over the mean distance of images of two persons.

    Over all pairs of test images, query and gallery together, without junk and distractors, under any cameras.
    Distances are Euclidean; of unit vectors where the protocol compares cosines.

    Source: Luo et al., TMM 2019, section IV-E, Table V; which images and which distance the paper leaves open.

    Args:
        ranker: What is compared.

    Raises:
        ValueError: there is no pair of one kind, or embeddings are not finite.
    """
    lists = ranker.lists
    check_separation(lists)
    shown = torch.isin(lists.gallery_person, lists.query_person)
    embedding = torch.cat([ranker.query, ranker.gallery[shown]])
    person = torch.cat([lists.query_person, lists.gallery_person[shown]])
    if ranker.protocol.distance == "cosine":
        embedding = F.normalize(embedding, dim=1)
    within, between = _sums(embedding, person)
    return (within[0] / within[1]) / (between[0] / between[1])


def check_separation(lists: Lists) -> None:
    """Raise InputError where there is no pair of images of one person, or of two; needs no embedding."""
    shown = torch.isin(lists.gallery_person, lists.query_person)
    images = torch.cat([lists.query_person, lists.gallery_person[shown]]).unique(return_counts=True)[1]
    if len(images) < 2 or int(images.max()) < 2:
        raise InputError(
            f"separation=true: R needs two images of a person and images of two persons, the test has"
            f" {counted(int(images.sum()), 'image')} of {counted(len(images), 'person')}; set separation=false, or"
            " check the lists of the data set (dataset.root)"
        )


def _sums(
    embedding: Float[Tensor, "images dim"], person: Int[Tensor, " images"]
) -> tuple[tuple[float, int], tuple[float, int]]:
    """Sum and number of the distances within persons and between them, each pair twice."""
    blocks = DistanceBlocks(embedding, embedding, "euclidean")
    sums, pairs = [0.0, 0.0], [0, 0]
    for start in range(0, len(embedding), BLOCK):
        distance = blocks.block(start)
        rows = torch.arange(start, start + len(distance), device=embedding.device)
        distance[torch.arange(len(rows), device=embedding.device), rows] = 0
        same = person[rows, None] == person
        inside = distance.masked_fill(~same, 0).sum(dtype=torch.float64).item()
        sums[0] += inside
        sums[1] += distance.sum(dtype=torch.float64).item() - inside
        pairs[0] += int(same.sum()) - len(rows)
        pairs[1] += int((~same).sum())
    return (sums[0], pairs[0]), (sums[1], pairs[1])
