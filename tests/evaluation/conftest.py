"""The protocol written out as plain loops, from section 10 of the data sets' recipe; slow and obvious."""

import math
from types import SimpleNamespace

import pytest
import torch
from sklearn.metrics import average_precision_score

from reid_lit.evaluation.lists import Lists


def kept(lists, row, rule, nd=False):
    """Gallery indices that count for a query."""
    person, camera = lists.query_person[row].item(), lists.query_camera[row].item()
    entries = zip(lists.gallery_person.tolist(), lists.gallery_camera.tolist(), strict=True)
    out = []
    for index, (other, where) in enumerate(entries):
        if other == -1 or (nd and where == camera):
            continue
        if rule == "cross_camera" and other == person and where == camera:
            continue
        out.append(index)
    return out


def ap_of(hits, distances, convention):
    """Average precision of a ranking given as true and false."""
    ranks = [rank for rank, hit in enumerate(hits, 1) if hit]
    if convention == "step":
        return sum(i / rank for i, rank in enumerate(ranks, 1)) / len(ranks)
    if convention == "trapezoid":
        total = 0.0
        for i, rank in enumerate(ranks, 1):
            total += 0.5 * (i / rank + (1.0 if rank == 1 else (i - 1) / (rank - 1)))
        return total / len(ranks)
    return float(average_precision_score(hits, [-value for value in distances]))


def score(distance, lists, convention, rule, nd=False):
    """For each query: rank of the first match, its gallery index, AP, inverse negative penalty, matches."""
    rows = []
    for row in range(len(distance)):
        order = sorted(kept(lists, row, rule, nd), key=lambda index: (distance[row, index].item(), index))
        hits = [bool(lists.gallery_person[index] == lists.query_person[row]) for index in order]
        if not any(hits):
            rows.append((0, -1, math.nan, math.nan, 0))
            continue
        ranks = [rank for rank, hit in enumerate(hits, 1) if hit]
        values = [distance[row, index].item() for index in order]
        ap = ap_of(hits, values, convention)
        rows.append((ranks[0], order[ranks[0] - 1], ap, len(ranks) / ranks[-1], len(ranks)))
    return rows


def random_case(queries=23, gallery=90, dim=4, persons=6, cameras=3, *, seed=0, ties=False, junk=0.1):
    """Embeddings (float64) and lists; with ``ties``, embeddings from a small grid, so that many distances are equal."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, size):
        return torch.randint(low, high, (size,), generator=generator)

    def embed(size):
        grid = torch.randint(-1, 2, (size, dim), generator=generator).double()
        return grid if ties else torch.randn(size, dim, generator=generator, dtype=torch.float64)

    person = draw(0, persons, gallery)
    person[torch.rand(gallery, generator=generator) < junk] = -1
    lists = Lists(draw(0, persons, queries), draw(0, cameras, queries), person, draw(0, cameras, gallery))
    return embed(queries), embed(gallery), lists


@pytest.fixture(scope="session")
def oracle():
    """The functions of this file, which tests cannot import."""
    return SimpleNamespace(score=score, random_case=random_case, ap_of=ap_of, kept=kept)


@pytest.fixture
def unchecked_shapes(request):
    """Skips a test of our own message where jaxtyping objects first."""
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("jaxtyping's check comes before the message")
