"""Whatever scores a model counts clothes and tracks: its test, the check of an export, and the oracle of an adaptation."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets.plain import PlainImages
from reid_lit.data.transforms.transform import Transform
from reid_lit.evaluation.protocol import Protocol
from reid_lit.export import score_check
from reid_lit.health.oracle import oracle_scores
from reid_lit.models.base import RetrievalModel
from reid_lit.models.retrieval import EmbeddingModel
from reid_lit.records import Batch, Shot, Split

IMAGES, DIM, PERSONS = 48, 6, 6


def vectors(image):
    """The embeddings of images whose values are their places."""
    generator = torch.Generator().manual_seed(4)
    return torch.randn(IMAGES, DIM, generator=generator)[image[:, 0, 0, 0].long()]


class Drawn(RetrievalModel):
    def __init__(self, protocol):
        EmbeddingModel.__init__(self, evaluation=protocol, memory_format=torch.contiguous_format)

    def embed(self, image):
        return vectors(image)


class Both(score_check._Both):
    def __init__(self, protocol):
        EmbeddingModel.__init__(self, evaluation=protocol, memory_format=torch.contiguous_format)


class Listed(PlainImages):
    def test_dataloader(self):
        shots = (*self.split.query, *self.split.gallery)
        person, camera = (torch.tensor([getattr(shot, name) for shot in shots]) for name in ("person_id", "camera_id"))
        image = torch.arange(IMAGES).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
        return [Batch(image, person, camera, torch.arange(IMAGES))]

    def as_tested(self, image):
        return image.float()


@pytest.fixture
def data(tmp_path):
    """Six persons, each in two sets of clothes, by four cameras, in tracks of two images."""
    transform = Transform(size=[16, 8], interpolation="bilinear", train=[])
    loader = Loader(batch_size=2, test_batch_size=3, workers=0)
    data = Listed(root=tmp_path, transform=transform, sampler=ShuffleSampler, loader=loader)
    shots = [
        Shot(
            Path(f"{place}_{person}.jpg"), person, place // 2, track_id=8 * (place // 2) + person, clothes_id=place // 4
        )
        for place in range(8)
        for person in range(PERSONS)
    ]
    data.split = Split(name="marked", train=(), query=tuple(shots[:PERSONS]), gallery=tuple(shots[PERSONS:]))
    return data


@pytest.mark.parametrize(
    "words",
    [{"tracks": "mean"}, {"tracks": "nearest", "track_queries": "images"}, {"clothes_rule": "changed_clothes"}],
)
def test_all_scorers_agree(words, data, monkeypatch):
    def tested(protocol):
        model = Drawn(protocol)
        model._begin(data.split)
        for batch in data.test_dataloader():
            model._gather(batch)
        return model._begun().compute().scores

    scores = tested(Protocol(**words))
    assert scores["mAP"] != tested(Protocol())["mAP"]
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    found = oracle_scores(trainer, Drawn(Protocol(**words)), data)
    assert found == {name: scores[name] for name in found}
    rows = vectors(next(iter(data.test_dataloader())).image)
    monkeypatch.setattr(score_check, "embedded", lambda *_: torch.cat([rows, -rows], dim=1))
    check = score_check._score_check(trainer, Both(Protocol(**words)), data)
    assert check.own == check.file == {name: scores[name] for name in check.own}
