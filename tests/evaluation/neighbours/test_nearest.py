import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid_lit.evaluation.neighbours import nearest as module
from reid_lit.evaluation.neighbours.nearest import NearestEntries, in_order, nearest, pair_distance, recall, with_itself

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def grid(images, seed, dim=3):
    """Embeddings of small whole numbers: many equal distances, none of them rounded."""
    return torch.randint(-2, 3, (images, dim), generator=torch.Generator().manual_seed(seed)).float()


def sorted_loops(query, gallery, k):
    """Distances and indices by sorting all pairs."""
    rows = []
    for one in query.tolist():
        squares = [sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for other in gallery.tolist()]
        rows.append(sorted((square, i) for i, square in enumerate(squares))[:k])
    return [[i for _, i in row] for row in rows], [[square for square, _ in row] for row in rows]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("k", [1, 7, 150])
def test_equals_sorting_all_pairs_ties_by_lower_index(device, k, monkeypatch):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    monkeypatch.setattr(module, "FIRST", 8)
    monkeypatch.setattr(module, "COLUMNS", 32)
    query, gallery = grid(40, 0), grid(150, 1)
    found = nearest(query.to(device), gallery.to(device), k=k)
    index, distance = sorted_loops(query, gallery, k)
    assert found.index.tolist() == index
    assert found.distance.tolist() == distance


def test_the_nearest_may_all_come_last(monkeypatch):
    monkeypatch.setattr(module, "FIRST", 4)
    monkeypatch.setattr(module, "COLUMNS", 10)
    gallery = torch.arange(100.0, 0, -1)[:, None]
    found = nearest(torch.zeros(600, 1), gallery, k=3)  # more queries than a block
    assert found.index.tolist() == [[99, 98, 97]] * 600


def test_unit_length_compares_cosines():
    query, gallery = torch.randn(5, 8), torch.randn(30, 8)
    found = nearest(query, gallery, k=30, unit=True)
    cosine = F.cosine_similarity(query[:, None], gallery, dim=2)
    assert torch.equal(found.index, cosine.argsort(dim=1, descending=True, stable=True))
    torch.testing.assert_close(1 - found.distance / 2, cosine.gather(1, found.index))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_gallery_mapped_from_a_file(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(module, "COLUMNS", 7)
    query, gallery = torch.randn(5, 8), torch.randn(30, 8).numpy().astype(dtype)
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    inside = nearest(query, torch.from_numpy(gallery).float(), k=4)
    found = nearest(query, mapped, k=4)
    assert torch.equal(found.index, inside.index)
    torch.testing.assert_close(pair_distance(query, mapped, found.index), inside.distance, rtol=1e-4, atol=1e-4)


def test_pairs_in_chunks(monkeypatch):
    query, gallery, index = torch.randn(9, 6), torch.randn(20, 6), torch.randint(20, (9, 4))
    monkeypatch.setattr(module, "GATHERED", 50)
    expected = (query[:, None] - gallery[index]).square().sum(2)
    torch.testing.assert_close(pair_distance(query, gallery, index), expected)


def test_order_is_by_distance_then_index():
    found = in_order(NearestEntries(torch.tensor([[5, 2, 9, 1]]), torch.tensor([[1.0, 1.0, 0.0, 3.0]])), 3)
    assert found.index.tolist() == [[9, 2, 5]]
    assert found.distance.tolist() == [[0, 1, 1]]


def test_an_image_that_was_left_out_of_its_own_list_is_put_in():
    found = NearestEntries(torch.tensor([[2, 1], [1, 0], [0, 1]]), torch.tensor([[0.1, 0.4], [0.0, 0.2], [0.0, 0.3]]))
    mended = with_itself(found)
    assert mended.index.tolist() == [[0, 2], [1, 0], [0, 2]]
    torch.testing.assert_close(mended.distance, torch.tensor([[0.0, 0.1], [0.0, 0.2], [0.0, 0.0]]))


def test_recall_is_the_share_of_what_is_nearest():
    exact = torch.tensor([[0, 1, 2], [3, 4, 5]])
    assert recall(exact.flip(1), exact) == 1
    assert recall(torch.tensor([[7, 1, 0], [6, 7, 8]]), exact) == pytest.approx(2 / 6)


def test_bad_input_is_named():
    query, gallery = torch.randn(3, 5), torch.randn(4, 5)
    with pytest.raises(ValueError, match=r"^k=5 nearest of 4 images: give a k from 1 to 4"):
        nearest(query, gallery, k=5)
    gallery[2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"1 of the embeddings 0 to 3 are not finite, the first at \[2\]"):
        nearest(query, gallery, k=2)


def test_a_limit_of_memory_shrinks_the_blocks_or_is_refused(monkeypatch):
    query, gallery = torch.randn(60, 16), torch.randn(40_000, 16)
    widths = []

    def watch(one, other):
        widths.append(len(other))
        return squared_distance(one, other)

    squared_distance = module.squared_distance
    monkeypatch.setattr(module, "squared_distance", watch)
    free = nearest(query, gallery, k=5)
    assert max(widths) == module.COLUMNS
    widths.clear()
    tight = nearest(query, gallery, k=5, memory_limit_gb=0.01)
    assert max(widths) == 1024
    assert torch.equal(tight.index, free.index)
    widths.clear()
    with pytest.raises(
        ValueError, match=r"memory_limit_gb=0.001: the search for the 5 nearest of 40000 images needs 0.1 GB"
    ):
        nearest(query, gallery, k=5, memory_limit_gb=0.001)
    assert not widths
