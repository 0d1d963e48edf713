import logging

import numpy as np
import pytest
import torch

from reid_lit.evaluation.neighbours import index as indexes
from reid_lit.evaluation.neighbours import search as module
from reid_lit.evaluation.neighbours.exact import neighbours
from reid_lit.evaluation.neighbours.expansion import Expansion
from reid_lit.evaluation.neighbours.graph import GraphRerank
from reid_lit.evaluation.neighbours.nearest import nearest, recall
from reid_lit.evaluation.neighbours.search import ExactSearch, FaissSearch

KINDS = [{"kind": "flat"}, {"kind": "hnsw"}, {"kind": "ivf_pq", "m": 8, "bits": 6, "nlist": 16, "nprobe": 8}]


def persons(images=2000, dim=32, number=100, seed=0):
    """Embeddings in clumps, as of persons."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(number, dim, generator=generator)[torch.randint(number, (images,), generator=generator)]
    return centre + 0.3 * torch.randn(images, dim, generator=generator)


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss")


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("unit", [False, True])
def test_flat_equals_exact(unit):
    query, gallery = persons().split([300, 1700])
    found, exact = (
        search.search(query, gallery, k=9, unit=unit) for search in (FaissSearch(kind="flat"), ExactSearch())
    )
    assert torch.equal(found.index, exact.index)
    torch.testing.assert_close(found.distance, exact.distance, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings["kind"])
def test_neighbours_of_persons_are_found_with_true_distances(settings):
    embedding = persons()
    search = FaissSearch(**settings)
    found, exact = search.neighbours(embedding, k=10), neighbours(embedding, k=10)
    assert recall(found.index, exact.index) > 0.9
    assert (found.index == torch.arange(len(embedding))[:, None]).any(1).all()
    difference = (embedding[:, None] - embedding[found.index]).square().sum(2)
    torch.testing.assert_close(found.distance, difference, rtol=1e-4, atol=1e-4)
    assert (found.distance.diff(dim=1) >= 0).all()
    torch.testing.assert_close(found.farthest, exact.farthest, rtol=1e-4, atol=1e-4)  # all are within the sample


@pytest.mark.usefixtures("faiss")
def test_the_stamp_tells_the_recall_that_was_measured(caplog):
    query, gallery = persons().split([300, 1700])
    search = FaissSearch(**KINDS[2], refine=1, recall_sample=50)
    settings = "faiss ivf_pq (nlist=16, nprobe=8, m=8, bits=6, refine=1, train=100000)"
    assert search.stamp == settings
    with caplog.at_level(logging.INFO, logger=module.__name__):
        found = search.search(query, gallery, k=10)
    rows = module._drawn(300, 50)
    share = recall(found.index[rows], nearest(query[rows], gallery, k=10).index)
    assert search.stamp == f"{settings}, recall@10 {share:.4f} of 50 queries"
    assert search.stamp in caplog.text
    assert share < 1
    silent = FaissSearch(**KINDS[2], recall_sample=0)
    silent.search(query, gallery, k=10)
    assert silent.stamp.endswith(", recall@10 not measured")


@pytest.mark.usefixtures("faiss")
def test_more_candidates_refined_find_more():
    query, gallery = persons(number=20).split([300, 1700])
    exact = nearest(query, gallery, k=10).index
    shares = [
        recall(FaissSearch(**KINDS[2], refine=refine).search(query, gallery, k=10).index, exact) for refine in (1, 8)
    ]
    assert shares[1] > shares[0] + 0.1


@pytest.mark.usefixtures("faiss")
def test_what_an_index_leaves_short_is_searched_exactly():
    query, gallery = persons().split([300, 1700])
    short = FaissSearch(kind="ivf_pq", nlist=500, nprobe=1, m=8, bits=4)
    assert (indexes.ask(short.build(gallery), query, 50).index < 0).any()
    found = short.search(query, gallery, k=50)
    assert (found.index >= 0).all()
    assert (found.index.sort(dim=1).values.diff(dim=1) > 0).all()  # none twice
    assert recall(found.index, nearest(query, gallery, k=50).index) > 0.95


@pytest.mark.usefixtures("faiss")
def test_the_stamp_keeps_what_each_search_measured():
    embedding = persons(500)
    search = FaissSearch(kind="hnsw")
    for k in (3, 8, 3):
        search.neighbours(embedding, k=k)
    assert search.stamp.count("recall@") == 2
    assert "recall@3 " in search.stamp
    assert "recall@8 " in search.stamp


@pytest.mark.usefixtures("faiss")
def test_the_farthest_is_estimated_from_a_sample(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 200)
    embedding = persons()
    search = FaissSearch(kind="flat")
    found, exact = search.neighbours(embedding, k=3), neighbours(embedding, k=3)
    assert search.stamp == "faiss flat (exact), farthest image of 200 drawn"
    ratio = found.farthest / exact.farthest
    assert (ratio <= 1 + 1e-4).all()
    assert 0.6 < ratio.min() < 1


@pytest.mark.usefixtures("faiss")
def test_a_gallery_on_disk_is_indexed_by_blocks_once_and_asked_often(tmp_path, monkeypatch, faiss):
    monkeypatch.setattr(indexes, "ROWS", 300)
    query, gallery = persons().split([300, 1700])
    np.save(tmp_path / "gallery.npy", (gallery * 3).numpy())
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    search = FaissSearch(**KINDS[2], train=1000)
    index = search.build(mapped, unit=True)
    assert index.ntotal == 1700
    faiss.write_index(index, str(tmp_path / "gallery.faiss"))
    again = search.search(query, mapped, k=10, unit=True, index=faiss.read_index(str(tmp_path / "gallery.faiss")))
    assert torch.equal(again.index, search.search(query, gallery, k=10, unit=True).index)
    assert recall(again.index, nearest(query, gallery, k=10, unit=True).index) > 0.9


@pytest.mark.usefixtures("faiss")
def test_expansion_and_graph_by_an_index_rank_as_the_exact_ones_do():
    query, gallery = persons().split([300, 1700])
    search = FaissSearch(kind="hnsw")
    for of in ("both", "queries"):
        expanded = [Expansion(of=of)(query, gallery, search=one)[0] for one in (search, None)]
        torch.testing.assert_close(*expanded, rtol=1e-3, atol=1e-3)
    rerank = GraphRerank()
    first, exact = (rerank.blocks(query, gallery, neighbours=find).block(0) for find in (search.neighbours, None))
    assert (first.argmin(1) == exact.argmin(1)).float().mean() > 0.98


def test_without_faiss_the_cure_is_named(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(indexes.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install faiss-gpu.*search=null searches exactly"):
        FaissSearch(kind="flat").search(torch.randn(2, 4), torch.randn(9, 4), k=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "annoy"}, "^kind='annoy' is unknown; choose one of flat, ivf_pq, hnsw"),
        ({"kind": "hnsw", "m": 0}, "^m=0: give 1 or more"),
        ({"kind": "ivf_pq", "nlist": -1}, "^nlist=-1: give 0 or more"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        FaissSearch(**settings)


@pytest.mark.usefixtures("faiss")
def test_settings_that_do_not_fit_the_gallery_are_named():
    query, gallery = persons(600).split([100, 500])
    with pytest.raises(ValueError, match=r"^m=5: give a divisor of the length of the embeddings, 32, such as 4$"):
        FaissSearch(kind="ivf_pq", m=5).search(query, gallery, k=3)
    with pytest.raises(ValueError, match=r"^bits=9: 500 training images are too few for 2\^9 codes and nlist=12 cells"):
        FaissSearch(kind="ivf_pq", m=8, bits=9).search(query, gallery, k=3)
    with pytest.raises(ValueError, match="501 nearest of 500 images"):
        FaissSearch(kind="flat").search(query, gallery, k=501)


def test_an_index_beyond_the_limit_is_refused():
    gallery = torch.zeros(200_000, 16)
    for kind, least in (("flat", "0.1"), ("hnsw", "0.2"), ("ivf_pq", "0.1")):
        with pytest.raises(
            ValueError, match=f"memory_limit_gb=0.001: an index of 200000 images, kind {kind}, needs {least} GB"
        ):
            FaissSearch(kind=kind).search(gallery[:5], gallery, k=3, memory_limit_gb=0.001)
