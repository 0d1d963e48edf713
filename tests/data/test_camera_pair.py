"""Images of two cameras as a translation sees them."""

import numpy as np
import pytest
import torch
from PIL import Image

from reid_lit.data.camera_pair import PairDataset, PairImages, PairSampler, View, as_bytes, as_seen, pair_loader
from reid_lit.records import Shot


def drawn(counts=(5, 3), epoch=0, flip=0.5, seed=1):
    sampler = PairSampler(counts=counts, flip=flip, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("counts", [(5, 3), (3, 5)])
def test_an_epoch_is_as_long_as_the_longer_list_and_shows_a_in_turn(counts):
    pairs = drawn(counts)
    assert len(pairs) == 5
    assert sorted(a.position for a, _ in pairs) == sorted(k % counts[0] for k in range(5))
    assert all(b.position < counts[1] for _, b in pairs)
    assert drawn(counts) == pairs
    assert drawn(counts, epoch=1) != pairs
    assert len({b.position for epoch in range(9) for _, b in drawn(counts, epoch)}) == counts[1]


def test_half_of_the_images_are_mirrored_each_for_itself():
    views = [pair for epoch in range(100) for pair in drawn(epoch=epoch)]
    for part in range(2):
        assert np.mean([pair[part].mirror for pair in views]) == pytest.approx(0.5, abs=0.07)
    assert any(a.mirror != b.mirror for a, b in views)
    assert not any(a.mirror or b.mirror for a, b in drawn(flip=0.0))


@pytest.fixture
def shots(tmp_path):
    made = []
    for k in range(3):
        image = np.random.default_rng(k).integers(0, 256, (12, 8, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"{k}.png")
        made.append(Shot(tmp_path / f"{k}.png", k, 0))
    return made


def test_a_view_is_a_cut_of_the_resized_image_in_the_range_of_the_networks(shots):
    images = PairImages(size=[8, 6], load=[12, 8], flip=0.5, batch_size=1)
    dataset = PairDataset((shots, shots), images)
    a, b = dataset[View(1, 0.99, 0.5, False), View(2, 0.0, 0.0, True)]
    pixels = [torch.from_numpy(np.array(Image.open(shot.path))).permute(2, 0, 1) for shot in shots]
    torch.testing.assert_close(a, pixels[1][:, 4:12, 1:7].float() / 127.5 - 1)
    torch.testing.assert_close(b, (pixels[2][:, 0:8, 0:6].float() / 127.5 - 1).flip(-1))
    assert torch.equal(as_bytes(as_seen(pixels[0])), pixels[0])


def test_batches_are_of_both_cameras(shots):
    images = PairImages(size=[8, 8], load=[8, 8], flip=0.0, batch_size=2)
    a, b = next(iter(pair_loader((shots, shots[:1]), images, seed=0, workers=0)))
    assert a.shape == b.shape == (2, 3, 8, 8)
    assert torch.equal(b[0], b[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": [8]}, r"^size=\[8\]: not \[height, width\]"),
        ({"load": [4, 8]}, r"^load=\[4, 8\]: below size=\[8, 8\]"),
        ({"batch_size": 0}, r"^batch_size=0: holds no image"),
    ],
)
def test_what_cannot_be_shown_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PairImages(**{"size": [8, 8], "load": [8, 8], "flip": 0.5, "batch_size": 1} | changes)
