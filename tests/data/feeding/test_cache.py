import gc
import multiprocessing
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from reid_lit.data.feeding import cache as module
from reid_lit.data.feeding.cache import check_room, needed_bytes, shared_cache
from reid_lit.data.feeding.loading import Loader, ShotDataset, make_loader
from reid_lit.data.feeding.samplers import BlockSampler
from reid_lit.data.transforms.transform import Transform
from reid_lit.errors import FailedError, InputError
from reid_lit.memory import shared_folder
from reid_lit.records import Shot

SIZE = (16, 8)


def images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, *SIZE), dtype=torch.uint8, generator=generator)


def named():
    return list(shared_folder().glob("reid_lit_*"))


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def free_of(monkeypatch, count):
    monkeypatch.setattr(module, "free_bytes", lambda _: (count, "the test's memory"))


@pytest.fixture
def shots(tmp_path):
    names = [f"{number}.png" for number in range(10)]
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return [Shot(path=tmp_path / name, person_id=number, camera_id=1) for number, name in enumerate(names)]


def dataset(shots, cache):
    transform = Transform(size=SIZE, interpolation="bilinear", train=[])
    return ShotDataset(shots, list(range(len(shots))), transform=transform, cache=cache)


def loader(data, workers):
    sampler = BlockSampler(count=len(data), batch_size=3)
    return make_loader(data, sampler, batch_size=3, workers=workers, train=False)


def test_what_is_stored_is_held_and_nothing_else():
    cache, stored = shared_cache(images=6, size=SIZE, trainer=None), images(2)
    assert not cache.held(range(6)).any()
    cache.store([4, 1], stored)
    assert cache.held(range(6)).tolist() == [False, True, False, False, True, False]
    loaded = cache.load([1, 4, 1])
    assert torch.equal(loaded, stored[[1, 0, 1]])
    assert loaded.is_contiguous(memory_format=torch.channels_last)
    loaded.zero_()  # a copy
    assert torch.equal(cache.load([4, 1]), stored)


def test_the_block_has_no_name_and_goes_with_its_last_user():
    cache = shared_cache(images=100_000, size=SIZE, trainer=None)
    assert named() == []
    held = needed_bytes(100_000, SIZE)
    assert held == 100_000 * (3 * 16 * 8 + 1)
    assert os.fstat(cache._file).st_blocks * 512 >= held  # reserved, not only promised
    gc.collect()  # what other tests left
    files = open_files()
    del cache
    gc.collect()
    assert open_files() == files - 2  # ours and the mapping's


@pytest.mark.filterwarnings("ignore:.*use of fork")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_second_epoch_reads_no_file(shots, workers):
    cached = loader(dataset(shots, shared_cache(images=10, size=SIZE, trainer=None)), workers)
    expected = list(loader(dataset(shots, None), 0))
    for epoch in range(2):
        for batch, other in zip(cached, expected, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(batch, other, strict=True))
        if epoch == 0:
            for shot in shots:
                shot.path.unlink()
    assert torch.equal(cached.dataset[3][0], expected[1].image[0])


@pytest.mark.filterwarnings("ignore:.*use of fork")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_is_an_error_each_time_and_is_not_held(shots, workers):
    good = shots[4].path.read_bytes()
    shots[4].path.write_bytes(b"<html>")
    cache = shared_cache(images=10, size=SIZE, trainer=None)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"4\.png: not a readable image"):
            list(loader(dataset(shots, cache), workers))
    assert not cache.held([3, 4, 5]).any()
    shots[4].path.write_bytes(good)
    assert len(list(loader(dataset(shots, cache), workers))) == 4
    assert cache.held(range(10)).all()


def test_each_cache_is_of_its_own_list():
    first, second = (shared_cache(images=3, size=SIZE, trainer=None) for _ in range(2))
    first.store([0], images(1))
    assert not second.held(range(3)).any()


def test_refused_with_the_figures_before_anything_is_made(monkeypatch):
    needed = 12936 * (3 * 256 * 128 + 1)
    free_of(monkeypatch, int(needed / 0.89))
    check_room(12936, (256, 128))
    free_of(monkeypatch, int(needed / 0.91))
    with pytest.raises(
        ValueError, match=r"12936 images of 256 × 128 pixels need 1\.27 GB, and 1\.40 GB are free in the test"
    ):
        check_room(12936, (256, 128))
    files = open_files()
    with pytest.raises(ValueError, match=r"^cache=ram: .* set machine\.cache=none or a smaller transform\.size"):
        shared_cache(images=12936, size=(256, 128), trainer=None)
    assert named() == []
    assert open_files() == files


class Ranks:
    """Threads that stand for the ranks of a machine."""

    def __init__(self, count):
        self.meeting = threading.Barrier(count, timeout=20)
        self.said = None
        self.count = count

    def broadcast(self, value):
        return self.said

    def trainer(self, rank):
        strategy = SimpleNamespace(barrier=self.meeting.wait, broadcast=self.broadcast)
        return Mock(spec=pl.Trainer, local_rank=rank, strategy=strategy)

    def run(self, **asked):
        self.said = os.urandom(8).hex()
        made = [None] * self.count

        def one(rank):
            try:
                made[rank] = shared_cache(**asked, trainer=self.trainer(rank))
            except (ValueError, RuntimeError) as error:
                made[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.count)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        return made


def test_ranks_share_one_block():
    caches = Ranks(3).run(images=5, size=SIZE)
    assert named() == []
    caches[1].store([2], images(1))
    for cache in caches:
        assert cache.held(range(5)).tolist() == [False, False, True, False, False]
        assert torch.equal(cache.load([2]), images(1))


def test_ranks_are_refused_together(monkeypatch):
    free_of(monkeypatch, 1000)
    errors = Ranks(3).run(images=5, size=SIZE)
    assert [type(error) for error in errors] == [InputError, FailedError, FailedError]
    assert "first rank" in str(errors[1])
    assert named() == []


def fill(cache):
    cache.store([1], images(1, seed=7))


@pytest.mark.slow
def test_a_worker_that_is_not_forked_shares_it_too():
    cache = shared_cache(images=3, size=SIZE, trainer=None)
    process = multiprocessing.get_context("spawn").Process(target=fill, args=(cache,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert torch.equal(cache.load([1]), images(1, seed=7))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux keeps its list there")
def test_a_failed_mapping_closes_its_file(monkeypatch):
    def fail(*_):
        raise OSError("no mapping")

    gc.collect()  # what other tests left
    files = open_files()
    monkeypatch.setattr(module.mmap, "mmap", fail)
    with pytest.raises(OSError, match="no mapping"):
        shared_cache(images=3, size=SIZE, trainer=None)
    gc.collect()
    assert open_files() == files


def test_an_unknown_cache_is_refused():
    assert Loader(batch_size=1, test_batch_size=1).cache == "none"
    with pytest.raises(ValueError, match=r"^cache='disk': unknown; use none or ram"):
        Loader(batch_size=1, test_batch_size=1, cache="disk")
