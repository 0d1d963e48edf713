import pytest
import torch
from torch.nn import functional as F

from reid_lit.evaluation.distance import pairwise_distance


@pytest.mark.parametrize("kind", ["euclidean", "cosine"])
def test_distance_of_each_pair(kind):
    query, gallery = torch.randn(700, 5).double(), torch.randn(9, 5).double()
    distance = pairwise_distance(query, gallery, kind)
    for row in (0, 511, 512, 699):
        for column in range(9):
            one, other = query[row], gallery[column]
            expected = (one - other).norm() if kind == "euclidean" else 1 - F.cosine_similarity(one, other, dim=0)
            assert distance[row, column].item() == pytest.approx(expected.item(), abs=1e-9)


def test_float32_unless_float64():
    query, gallery = torch.randn(3, 5), torch.randn(4, 5)
    assert pairwise_distance(query.bfloat16(), gallery.bfloat16()).dtype == torch.float32
    assert pairwise_distance(query.double(), gallery.double()).dtype == torch.float64


def test_neither_autocast_nor_the_product_setting_lowers_the_precision():
    query, gallery = torch.randn(30, 512), torch.randn(40, 512)
    exact = pairwise_distance(query, gallery)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
            assert torch.equal(pairwise_distance(query, gallery), exact)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_bad_input_is_named():
    query, gallery = torch.randn(3, 5), torch.randn(4, 5)
    with pytest.raises(ValueError, match="choose euclidean or cosine"):
        pairwise_distance(query, gallery, "manhattan")
    gallery[2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"1 of 4 gallery embeddings are not finite, the first at \[2\]"):
        pairwise_distance(query, gallery)


@pytest.mark.usefixtures("unchecked_shapes")
def test_embeddings_of_two_models_are_refused():
    with pytest.raises(ValueError, match="query embeddings have 5 numbers, gallery embeddings 4"):
        pairwise_distance(torch.randn(3, 5), torch.randn(4, 4))
