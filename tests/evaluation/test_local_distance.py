import math
import re
from dataclasses import replace

import pytest
import torch

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.local_blocks import LocalBlocks
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.evaluation.neighbours.graph import GraphRerank
from reid_lit.evaluation.neighbours.reciprocal import KReciprocal
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker, check_memory
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.stripes import pair_costs

SETTINGS = {"matching": "dmli", "feature": "local", "global_weight": 2.0, "local_weight": 1.0, "nearest": None}


def local(**changed):
    return LocalDistance(**SETTINGS | {"whole": 4, "channels": 5} | changed)


def images(count, stripes=3, *, seed=0):
    return torch.randn(count, 4 + 5 * stripes, generator=torch.Generator().manual_seed(seed))


def by_loops(one, other, matching):
    """Equations 1 to 3 of AlignedReID++, written out."""
    one, other = ([[float(x) for x in stripe / stripe.norm()] for stripe in image.double()] for image in (one, other))
    cells = [[math.dist(a, b) for b in other] for a in one]
    cells = [[(math.exp(d) - 1) / (math.exp(d) + 1) for d in row] for row in cells]
    if matching == "unaligned":
        return sum(cells[place][place] for place in range(len(cells)))
    least = [[math.inf] * len(cells) for _ in cells]
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            before = [least[i - 1][j]] * (i > 0) + [least[i][j - 1]] * (j > 0)
            least[i][j] = cell + (min(before) if before else 0)
    return least[-1][-1]


def expected(query, gallery, settings, kind="cosine"):
    whole = torch.cdist(query[:, :4].double(), gallery[:, :4].double())
    if kind == "cosine":
        whole = 1 - torch.nn.functional.normalize(query[:, :4]) @ torch.nn.functional.normalize(gallery[:, :4]).T
    parts = [image[:, 4:].unflatten(1, (-1, 5)) for image in (query, gallery)]
    cost = [[by_loops(a, b, settings.matching) for b in parts[1]] for a in parts[0]]
    return settings.global_weight * whole.float() + settings.local_weight * torch.tensor(cost)


@pytest.mark.parametrize("stripes", [1, 2, 5])
@pytest.mark.parametrize("matching", ["dmli", "unaligned"])
def test_it_is_the_equations_by_loops(matching, stripes):
    query, gallery = images(7, stripes), images(9, stripes, seed=1)
    query[0, 4:] = gallery[0, 4:]  # the same stripes
    settings = local(matching=matching)
    found = LocalBlocks(query, gallery, "cosine", settings).block(0)
    difference = (found - expected(query, gallery, settings)).abs()
    assert difference[0, 0] < 2e-3  # the root of what rounding leaves of 0
    difference[0, 0] = 0
    assert difference.max() < 5e-6
    one, other = torch.tensor([0, 3, 6]), torch.tensor([2, 5, 1])
    stacked = query[:, 4:].unflatten(1, (-1, 5))
    pairs = [by_loops(stacked[a], stacked[b], matching) for a, b in zip(one, other, strict=True)]
    torch.testing.assert_close(pair_costs(stacked, one, other, matching, numbers=11), torch.tensor(pairs))


def test_tiles_and_blocks_change_no_distance():
    query, gallery = images(530), images(200, seed=1)
    blocks = LocalBlocks(query, gallery, "euclidean", local())
    whole = torch.cat([blocks.block(0).clone(), blocks.block(512)])
    for rows in ([0, 1], [63, 64], [511, 512, 529]):
        some = LocalBlocks(query[rows], gallery, "euclidean", local()).block(0)
        assert torch.equal(some, whole[rows])
    pairs = expected(query[:3], gallery[[0, 127, 128, 199]], local(), "euclidean")
    torch.testing.assert_close(whole[:3][:, [0, 127, 128, 199]], pairs, rtol=0, atol=5e-6)


def test_only_the_nearest_by_the_whole_image_are_compared_by_stripes():
    query, gallery = images(6), images(20, seed=1)
    whole = LocalBlocks(query, gallery, "cosine", local(local_weight=1e-9)).block(0).clone()
    every = LocalBlocks(query, gallery, "cosine", local()).block(0).clone()
    some = LocalBlocks(query, gallery, "cosine", local(nearest=4)).block(0)
    for row in range(6):
        near, rest = whole[row].argsort()[:4], whole[row].argsort()[4:]
        torch.testing.assert_close(some[row, near], every[row, near])
        order = some[row].argsort()
        assert set(order[:4].tolist()) == set(near.tolist())
        assert order[4:].tolist() == rest.tolist()
    assert torch.equal(LocalBlocks(query, gallery, "cosine", local(nearest=20)).block(0), every)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"matching": "dtw"}, "local.matching='dtw': choose one of dmli, unaligned"),
        ({"feature": "rows"}, "local.feature='rows': choose one of local_pooled, local"),
        ({"local_weight": 0.0}, "local.global_weight=2, local_weight=0: give 0 or more for the whole images, above 0"),
        ({"nearest": 0}, "local.nearest=0: give 1 or more"),
        ({"nearest": 5, "global_weight": 0.0}, "local.nearest=5: give 1 or more, and a global_weight above 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changed, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        local(**changed)


@pytest.mark.parametrize("layout", [{"channels": 0}, {"channels": 6}, {"whole": 19}])
def test_embeddings_without_stripes_are_refused(layout):
    words = r"^local compares stripes, and these embeddings have none; .*model=alignedreid"
    with pytest.raises(ValueError, match=words):
        LocalBlocks(images(2), images(2), "cosine", local(**layout))


def test_stripes_that_are_not_finite_are_refused():
    gallery = images(3)
    gallery[1, -1] = torch.nan
    with pytest.raises(ValueError, match=r"^1 of 3 gallery embeddings are not finite, the first at \[1\]"):
        LocalBlocks(images(2), gallery, "cosine", local())


def test_the_stamp_says_what_is_compared():
    assert local().stamp == "2 × global + 1 × DMLI of local"
    words = "0.5 × global + 1 × unaligned stripes of local_pooled, among the 100 nearest by global"
    assert local(matching="unaligned", feature="local_pooled", global_weight=0.5, nearest=100).stamp == words


def case():
    lists = Lists(*(torch.arange(length) % 7 for length in (20, 20, 60, 60)))
    return images(20), images(60, seed=1), lists


def test_the_evaluator_ranks_by_it_and_says_so(oracle):
    query, gallery, lists = case()
    lists = replace(lists, gallery_person=lists.gallery_person.masked_fill(torch.arange(60) < 5, -1))  # junk
    protocol = Protocol(distance="cosine", camera_rule="any_camera", local=local())
    result = evaluate(Ranker(query, gallery, lists, protocol))
    assert result.stamp["local"] == "2 × global + 1 × DMLI of local"
    distance = expected(query, gallery, local())
    rows = oracle.score(distance.numpy(), lists, "step", "any_camera")
    assert result.queries.first_match.tolist() == [row[0] for row in rows]
    some = replace(protocol, local=local(nearest=10))
    assert "among the 10 nearest" in evaluate(Ranker(query, gallery, lists, some)).stamp["local"]


def test_the_whole_of_market_fits_into_two_gigabytes():
    protocol = Protocol(distance="cosine", local=local(whole=2048, channels=2048), memory_limit_gb=2.0)
    check_memory(3368, 15913, 2048 * 9, protocol)
    with pytest.raises(ValueError, match=r"^memory_limit_gb=1: ranking needs 1\.\d GB"):
        check_memory(3368, 15913, 2048 * 9, replace(protocol, memory_limit_gb=1.0))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"separation": True}, "separation and local: it compares whole images alone"),
        ({"rerank": GraphRerank(k1=5, k2=2, lambda_value=0.3)}, "rerank and local: this re-ranking compares whole"),
        ({"rerank": KReciprocal(variant="layumi")}, "rerank and local: this re-ranking compares whole"),
        ({"rerank": KReciprocal(), "local": local(nearest=5)}, "rerank and local.nearest=5: "),
    ],
)
def test_what_compares_whole_images_alone_is_refused(changed, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        Protocol(**{"local": local()} | changed)
