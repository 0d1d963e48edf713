import itertools
import re
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import PersonSampler, ShuffleSampler
from reid_lit.data.sets.market1501 import Market1501, read
from reid_lit.data.splits import hold_out
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.records import JUNK, Batch


class Watcher(pl.LightningModule):
    """Trains nothing and remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[str, list[tuple[int, Batch]]] = {"train": [], "val": [], "test": []}
        self.rates = []

    def training_step(self, batch, batch_idx):
        self.seen["train"].append((self.current_epoch, batch))
        return self.weight.sum() * batch.image.mean()

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append((self.current_epoch, batch))

    def test_step(self, batch, batch_idx):
        self.seen["test"].append((self.current_epoch, batch))

    def on_train_epoch_end(self):
        self.rates.append(self.lr_schedulers().get_last_lr()[0])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]


def run(data, tmp_path, *, epochs, checkpoint=None):
    watcher = Watcher()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(watcher, data, ckpt_path=checkpoint)
    trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
    return watcher, trainer


def same(first, second):
    return len(first) == len(second) and all(
        epoch == other_epoch and all(torch.equal(a, b) for a, b in zip(batch, other, strict=True))
        for (epoch, batch), (other_epoch, other) in zip(first, second, strict=True)
    )


def test_labels_follow_the_sorted_person_ids(market_data):
    data = market_data()
    data.setup()
    assert (data.persons, data.cameras) == (3, 6)
    batches = list(data.train_dataloader())
    assert [len(batch.image) for batch in batches] == [2, 2, 2]
    for batch in batches:
        assert batch.image.shape == (2, 3, 16, 8)
        assert batch.image.dtype == torch.uint8
        for person, camera, index in zip(batch.person, batch.camera, batch.index, strict=True):
            shot = data.split.train[index]
            assert (shot.person_id, shot.camera_id) == ((2, 7, 10)[person], camera)


def test_reads_once(market_data, monkeypatch):
    data = market_data()
    times = []
    monkeypatch.setattr(Market1501, "read", lambda self, report: times.append(1) or read(self.root, report=report))
    for stage in ("fit", "test", None):
        data.setup(stage)
    data.train_dataloader(), data.test_dataloader()
    assert len(times) == 1


def test_test_batches_are_query_then_gallery_untouched(market_data):
    data = market_data(train=[torch.nn.Identity()])
    (batch, *rest) = data.test_dataloader()
    batches = [batch, *rest]
    assert torch.cat([b.index for b in batches]).tolist() == list(range(8))
    assert torch.cat([b.person for b in batches]).tolist() == [1, 1, 3, JUNK, 0, 1, 1, 3]
    assert [len(b.image) for b in batches] == [3, 3, 2]
    assert torch.equal(data.on_after_batch_transfer(batch, 0).image, batch.image.float() / 255)


@pytest.mark.parametrize(
    ("world", "size"), [(1, 3), (2, 3), (3, 2), (5, 1)]
)  # smaller batches rather than an idle rank
def test_test_images_are_dealt_once_over_ranks(market_data, world, size):
    dealt = []
    for rank in range(world):
        data = market_data()
        data.trainer = SimpleNamespace(global_rank=rank, world_size=world, num_nodes=1)
        dealt.append([batch.index.tolist() for batch in data.test_dataloader()])
    assert all(dealt)
    whole = list(range(8))
    assert sorted(itertools.chain(*dealt)) == [whole[start : start + size] for start in range(0, 8, size)]


def test_two_ranks_train_on_the_batches_of_one(market_data):
    def batches(rank, world):
        data = market_data(batch_size=4)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=world, num_nodes=1, training=True)
        return [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]

    for one, first, second in zip(batches(0, 1), batches(0, 2), batches(1, 2), strict=True):
        assert all(torch.equal(a, torch.cat([b, c])) for a, b, c in zip(one, first, second, strict=True))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
@pytest.mark.filterwarnings("ignore:.*use of fork")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("sampler", ["shuffle", "person"])
def test_fit_draws_each_epoch_anew_and_a_resumed_run_repeats_it(market_data, tmp_path, workers, sampler):
    def data():
        kind = {
            "shuffle": ShuffleSampler,
            "person": lambda **asked: PersonSampler(persons=2, images=1, repeat=False, **asked),
        }
        return market_data(workers=workers, sampler=kind[sampler])

    whole, _ = run(data(), tmp_path, epochs=4)
    first, _ = run(data(), tmp_path, epochs=2)
    resumed, _ = run(data(), tmp_path, epochs=4, checkpoint=tmp_path / "2.ckpt")
    assert same(whole.seen["train"], first.seen["train"] + resumed.seen["train"])
    assert whole.rates == first.rates + resumed.rates  # every epoch is seen to end
    epochs = [[b.index.tolist() for e, b in whole.seen["train"] if e == epoch] for epoch in range(4)]
    assert len({len(epoch) for epoch in epochs}) == 1
    assert all(one != other for one, other in itertools.pairwise(epochs))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.15
def test_fit_augments_training_and_nothing_else(market_data, tmp_path):
    data = market_data(val_persons=1, split_seed=2)
    watcher, trainer = run(data, tmp_path, epochs=2)
    trainer.test(watcher, data, verbose=False)
    for epoch, batch in watcher.seen["train"]:
        raw = torch.stack([data.train_dataloader().dataset[i][0] for i in batch.index.tolist()])
        noise = ImageNoise(batch.index, seed=0, epoch=epoch)
        assert torch.equal(batch.image, data.transform.training(raw, noise))
    for stage, dataset in (("val", data.val_dataloader().dataset), ("test", data.test_dataloader().dataset)):
        assert watcher.seen[stage]
        for _, batch in watcher.seen[stage]:
            assert torch.equal(batch.image, torch.stack([dataset[i][0] for i in batch.index.tolist()]).float() / 255)


def test_validation_persons_are_taken_from_training(market):
    split = read(market)
    rest, validation = hold_out(split, 2, seed=0)
    held = {shot.person_id for shot in (*validation.query, *validation.gallery)}
    assert len(held) == 2
    assert held | {shot.person_id for shot in rest.train} == {2, 7, 10}
    assert held.isdisjoint(shot.person_id for shot in rest.train)
    assert (rest.query, rest.gallery) == (split.query, split.gallery)
    assert "held out" in rest.notes[-1]
    assert hold_out(split, 2, seed=0) == (rest, validation)


def test_validation_needs_persons(market_data, market, plant):
    with pytest.raises(ValueError, match=r"^val_persons=3: market1501 has 3 training persons.* set it to 0 … 2"):
        market_data(val_persons=3).setup()
    with pytest.raises(ValueError, match="val_persons=-1"):
        market_data(val_persons=-1).setup()
    for file in (market / "bounding_box_train").iterdir():
        file.unlink()
    plant(market / "bounding_box_train", ["0002_c1s1_000451_03.jpg", "0007_c1s1_000451_03.jpg"])
    with pytest.raises(ValueError, match="1 held-out person of market1501, none has two images"):
        market_data(val_persons=1).setup()


def test_no_validation_by_default(market_data):
    assert market_data().val_dataloader() == []


def test_junk_is_never_trained_on(market_data, market, plant):
    plant(market / "bounding_box_train", ["-1_c1s1_000401_03.jpg"])
    data = market_data()
    data.setup()
    assert JUNK not in {shot.person_id for shot in data.split.train}
    assert data.persons == 3


def test_training_errors(market_data):
    with pytest.raises(ValueError, match=r"^batch_size=8: 7 training images do not fill one batch"):
        market_data(batch_size=8).train_dataloader()
    data = market_data(batch_size=3)
    data.trainer = SimpleNamespace(global_rank=0, world_size=2, num_nodes=1)
    with pytest.raises(ValueError, match=r"^batch_size=3: cannot be dealt evenly over 2 ranks"):
        data.train_dataloader()
    for wrong in ({"workers": -1}, {"workers": "many"}, {"batch_size": 0}, {"test_batch_size": 0}):
        with pytest.raises(ValueError, match=r"^(workers|batch_size|test_batch_size)="):
            market_data(**wrong)


@pytest.mark.filterwarnings("ignore:.*use of fork")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_is_named_through_the_workers(market_data, market, workers):
    bad = market / "query" / "0001_c2s1_000301_00.jpg"
    data = market_data(workers=workers)
    data.setup("test")
    bad.write_bytes(b"<html>")  # after all images were looked at
    with pytest.raises(ValueError, match=re.escape(f"{bad}: not a readable image")):
        list(data.test_dataloader())


def test_log_counts_every_list(market_data, caplog):
    with caplog.at_level("INFO"):
        market_data().setup()
    assert "train 7 images, 3 persons, 5 cameras; query 3 images" in caplog.text
    assert "gallery 5 images (1 junk), 3 persons" in caplog.text


def test_test_images_are_larger_where_crops_are_cut_from_them(market_data):
    data = market_data()
    data.transform.test_size = (18, 9)
    assert {batch.image.shape[2:] for batch in data.test_dataloader()} == {(18, 9)}
    assert {batch.image.shape[2:] for batch in data.train_dataloader()} == {(16, 8)}


def test_other_labels_choose_what_is_trained_on_and_all_images_stay_at_hand(market_data):
    data = market_data()
    data.setup()
    count = len(data.split.train)
    labels = [5 if position % 3 else JUNK for position in range(count)]
    data.relabel(labels)
    drawn = [pair for batch in data.train_dataloader() for pair in zip(batch.index, batch.person, strict=True)]
    assert drawn
    assert all(labels[index] == person == 5 for index, person in drawn)
    assert len({int(index) for index, _ in drawn}) == len(drawn)
    plain = list(data.plain_dataloader())
    assert torch.cat([batch.index for batch in plain]).tolist() == list(range(count))
    assert {batch.image.dtype for batch in plain} == {torch.uint8}


@pytest.mark.parametrize(("world", "nodes", "shared_by"), [(1, 1, 1), (4, 1, 4), (4, 2, 2)])
def test_ranks_share_the_cores_of_their_own_machine(market_data, monkeypatch, world, nodes, shared_by):
    data, asked = market_data(batch_size=4), []
    monkeypatch.setattr(Loader, "processes", lambda self, ranks: asked.append(ranks) or 0)
    data.setup()
    asked.clear()
    data.trainer = SimpleNamespace(global_rank=0, world_size=world, num_nodes=nodes, training=True)
    for loader in (data.train_dataloader, data.test_dataloader, data.plain_dataloader):
        loader()
    assert asked == [shared_by] * 3
