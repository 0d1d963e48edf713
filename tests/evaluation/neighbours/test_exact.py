import pytest
import torch

from reid_lit.evaluation.neighbours import exact as module
from reid_lit.evaluation.neighbours.exact import neighbours

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
    ),
]


def on_a_grid(images, dim=6, seed=0):
    """Embeddings whose squared distances are whole numbers, exact in float32, and often equal."""
    return torch.randint(-2, 3, (images, dim), generator=torch.Generator().manual_seed(seed)).float()


def all_distances(embedding):
    return (embedding.double()[:, None] - embedding.double()).square().sum(2)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("images", "k", "tile"), [(1, 1, 128), (7, 7, 128), (300, 1, 128), (517, 23, 128), (300, 9, 512)]
)
def test_equals_sorting_every_row(monkeypatch, device, images, k, tile):
    monkeypatch.setitem(module.TILE, device, tile)
    embedding = on_a_grid(images)
    near = neighbours(embedding.to(device), k=k)
    expected = all_distances(embedding).sort(dim=1, stable=True)
    assert torch.equal(near.index.cpu(), expected.indices[:, :k])
    assert torch.equal(near.distance.cpu().double(), expected.values[:, :k])
    assert torch.equal(near.farthest.cpu().double(), expected.values[:, -1])


def test_of_equal_images_the_first_are_nearest():
    near = neighbours(torch.ones(200, 3), k=4)
    assert near.index.tolist() == [[0, 1, 2, 3]] * 200
    assert not near.distance.any()
    assert not near.farthest.any()


def test_close_to_the_distances_in_double_precision():
    embedding = torch.randn(600, 128, generator=torch.Generator().manual_seed(1))
    near = neighbours(embedding, k=10)
    expected = all_distances(embedding).sort(dim=1)
    assert torch.equal(near.index, expected.indices[:, :10])
    torch.testing.assert_close(near.distance.double(), expected.values[:, :10], rtol=1e-5, atol=1e-4)


def test_the_order_of_the_images_does_not_matter():
    embedding = torch.randn(400, 64, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(400, generator=torch.Generator().manual_seed(3))
    near, mixed = neighbours(embedding, k=8), neighbours(embedding[order], k=8)
    assert torch.equal(order[mixed.index], near.index[order])


def test_a_limit_makes_the_tiles_smaller_and_changes_nothing(monkeypatch):
    sizes = []
    visit = module._Search.visit
    monkeypatch.setattr(
        module._Search, "visit", lambda search, *part: (sizes.append(search.tile), visit(search, *part))
    )
    embedding = on_a_grid(300)
    free, limited = neighbours(embedding, k=5), neighbours(embedding, k=5, memory_limit_gb=0.01)
    assert torch.equal(free.index, limited.index)
    assert {max(sizes), min(sizes)} == {1024, 256}


def test_a_limit_that_cannot_be_met_is_refused_before_work_starts(monkeypatch):
    monkeypatch.setattr(module, "_Search", None)
    with pytest.raises(ValueError, match=r"^memory_limit_gb=0\.001: .* needs 0\.1 GB .* at least"):
        neighbours(torch.ones(100, 8), k=5, memory_limit_gb=0.001)


@pytest.mark.parametrize("k", [0, 6])
def test_more_neighbours_than_images(k):
    with pytest.raises(ValueError, match=rf"k={k} neighbours of each of 5 images, .* from 1 to 5"):
        neighbours(torch.ones(5, 2), k=k)


def test_embeddings_that_are_not_finite():
    embedding = torch.ones(5, 2)
    embedding[3, 1] = torch.nan
    with pytest.raises(ValueError, match=r"1 of 5 image embeddings are not finite, the first at \[3\]"):
        neighbours(embedding, k=2)
