import multiprocessing
import pickle

import pytest
import torch
from torch import distributed

from reid_lit.evaluation.gathering import RetrievalScores
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate


@pytest.fixture
def images(oracle):
    """Embedding, person, camera, index of 23 queries and 90 gallery images; and the scores of evaluate."""
    query, gallery, lists = oracle.random_case()
    query, gallery = query.float(), gallery.float()
    person = torch.cat([lists.query_person, lists.gallery_person])
    camera = torch.cat([lists.query_camera, lists.gallery_camera])
    columns = (torch.cat([query, gallery]), person, camera, torch.arange(len(person)))
    return columns, evaluate(Ranker(query, gallery, lists, Protocol())).scores


def feed(metric, columns, rows):
    for part in rows.split(17):
        metric.update(*(column[part] for column in columns))


def test_batches_in_any_order_with_repeats(images):
    columns, expected = images
    rows = torch.cat([torch.randperm(113), torch.tensor([5, 100, 5])])
    metric = RetrievalScores(queries=23, images=113)
    feed(metric, columns, rows)
    assert metric.compute().scores == expected
    metric.reset()
    feed(metric, columns, torch.arange(113))
    assert metric.compute().scores == expected


def test_missing_images_are_named(images):
    metric = RetrievalScores(queries=23)
    feed(metric, images[0], torch.cat([torch.arange(40), torch.arange(44, 113)]))
    with pytest.raises(ValueError, match=r"4 images are missing of 113, the first at index \[40, 41, 42\]"):
        metric.compute()
    metric = RetrievalScores(queries=23, images=113)
    feed(metric, images[0], torch.arange(112))
    with pytest.raises(ValueError, match=r"1 image is missing of 113"):
        metric.compute()
    metric = RetrievalScores(queries=23, images=50)
    feed(metric, images[0], torch.arange(113))
    with pytest.raises(ValueError, match="index 0 to 112 for 50 images"):
        metric.compute()


def test_two_embeddings_of_one_index_are_an_error(images):
    columns, _ = images
    metric = RetrievalScores(queries=23)
    feed(metric, columns, torch.arange(113))
    metric.update(*(column[:1] for column in columns[:3]), torch.tensor([60]))
    with pytest.raises(ValueError, match=r"1 image came again with another embedding, the first at index \[60\]"):
        metric.compute()


def test_it_wants_a_query_and_images():
    with pytest.raises(ValueError, match="one query or more"):
        RetrievalScores(queries=0)
    with pytest.raises(ValueError, match="no image of 9 arrived"):
        RetrievalScores(queries=3, images=9).gathered()


def test_it_survives_pickling_and_half_precision(images):
    columns, _ = images
    metric = pickle.loads(pickle.dumps(RetrievalScores(queries=23, protocol=Protocol(ap="trapezoid"))))
    feed(metric, [columns[0].bfloat16(), *columns[1:]], torch.arange(113))
    assert metric.compute().stamp["ap"] == "trapezoid"
    assert metric.embedding[0].dtype == torch.float32


def work(rank, deals, store, columns, answers):
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    metric = RetrievalScores(queries=23, images=113)
    for name, deal in deals.items():
        metric.reset()
        if len(deal[rank]):
            feed(metric, columns, deal[rank])
        answers.put((name, rank, metric.compute().scores))
    distributed.destroy_process_group()


def test_two_processes_score_like_one(images, tmp_path):
    columns, expected = images
    every = torch.arange(113)
    deals = {"alternating": (every[::2], every[1::2]), "one rank without images": (every, every[:0])}
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    ranks = [
        context.Process(target=work, args=(rank, deals, tmp_path / "store", columns, answers)) for rank in range(2)
    ]
    for rank in ranks:
        rank.start()
    found = [answers.get(timeout=120) for _ in range(4)]
    for rank in ranks:
        rank.join(timeout=60)
    assert {(name, rank) for name, rank, _ in found} == {(name, rank) for name in deals for rank in (0, 1)}
    assert all(scores == expected for _, _, scores in found)
