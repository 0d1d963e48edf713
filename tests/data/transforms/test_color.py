import pytest
import torch
from torchvision.transforms.v2 import functional as oracle

from reid_lit.data.transforms.color import ColorJitter, brightened, contrasted, saturated, turned
from reid_lit.data.transforms.noise import ImageNoise

RANGES = {"brightness": [0.5, 1.6], "contrast": [0.4, 1.8], "saturation": [0.0, 2.0], "hue": [-0.3, 0.4]}
NEUTRAL = {"probability": 1.0, **{key: [1.0, 1.0] for key in RANGES}, "hue": [0.0, 0.0]}
CHANGES = (oracle.adjust_brightness, oracle.adjust_contrast, oracle.adjust_saturation, oracle.adjust_hue)


def noise(index):
    return ImageNoise(torch.as_tensor(index), seed=0, epoch=0)


def images(count):
    batch = torch.randint(0, 256, (count, 3, 12, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return batch // torch.arange(1, count + 1, dtype=torch.uint8)[:, None, None, None]  # of different brightness


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (brightened, oracle.adjust_brightness),
        (contrasted, oracle.adjust_contrast),
        (saturated, oracle.adjust_saturation),
    ],
)
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
def test_a_change_is_torchvisions(change, expected, factor):
    batch = images(6)
    for image in batch:
        got = change(image[None].float() / 255, torch.full((1, 1, 1, 1), factor))[0]
        assert (got - expected(image.float() / 255, factor)).abs().max() < 1e-5


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.0, 0.13, 0.5])
def test_a_turn_of_the_colour_wheel_is_torchvisions(turn):
    for image in images(6):
        got = turned(image[None].float() / 255, torch.full((1, 1, 1, 1), turn))[0]
        assert (got - oracle.adjust_hue(image.float() / 255, turn)).abs().max() < 1e-5


def test_an_image_is_changed_as_often_as_asked_for():
    batch, index = images(1).repeat(2000, 1, 1, 1), torch.arange(2000)
    changed = ColorJitter(**NEUTRAL | {"probability": 0.3, "brightness": [0.5, 0.6]})(batch, noise(index))
    share = (changed != batch.float() / 255).flatten(1).any(1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.04)


def test_each_image_has_its_own_factors_in_a_fixed_order():
    batch = images(40)
    changed = ColorJitter(probability=1.0, **RANGES)(batch, noise(torch.arange(40)))
    for index, (image, got) in enumerate(zip(batch, changed, strict=True)):
        factors = [
            low + share * (high - low)
            for share, (low, high) in zip(noise([index]).uniform(5)[0, 1:].tolist(), RANGES.values(), strict=True)
        ]
        expected = image.float() / 255
        for change, factor in zip(CHANGES, factors, strict=True):
            expected = change(expected, factor)
        assert (got - expected).abs().max() < 1 / 255


def test_what_is_not_asked_for_is_left_alone_and_takes_the_same_numbers():
    batch, index = images(8), torch.arange(8)
    assert torch.equal(ColorJitter(**NEUTRAL)(batch, noise(index)), batch.float() / 255)
    stream = noise(index)
    ColorJitter(**NEUTRAL | {"contrast": [0.5, 1.5]})(batch, stream)
    other = noise(index)
    other.uniform(5)
    assert torch.equal(stream.uniform(1), other.uniform(1))


def test_colours_do_not_depend_on_how_images_are_batched():
    jitter, batch, index = ColorJitter(probability=1.0, **RANGES), images(8), torch.arange(8)
    whole = jitter(batch, noise(index))
    assert torch.equal(whole, torch.cat([jitter(batch[i : i + 1], noise(index[i : i + 1])) for i in range(8)]))
    by_pixel = batch.contiguous(memory_format=torch.channels_last)
    assert torch.equal(whole, jitter(by_pixel, noise(index)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_gpu_changes_colours_as_the_cpu_does():
    jitter, batch, index = ColorJitter(probability=1.0, **RANGES), images(64), torch.arange(64)
    there = jitter(batch.cuda(), ImageNoise(index.cuda(), seed=0, epoch=0))
    assert torch.equal(jitter(batch, noise(index)), there.cpu())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hue": [-0.6, 0.0]}, r"^hue=.*\[least, largest\] turn"),
        ({"probability": 1.5}, r"^probability=1\.5: give a number in \[0, 1\]"),
    ],
)
def test_wrong_turns_and_probabilities(wrong, message):
    with pytest.raises(ValueError, match=message):
        ColorJitter(**NEUTRAL | wrong)


@pytest.mark.parametrize("wrong", [{"brightness": [1.2, 0.8]}, {"contrast": [-0.1, 1.0]}, {"saturation": [1.0]}])
def test_errors(wrong):
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))}=\[.*\]: give \[least, largest\] factor ≥ 0"):
        ColorJitter(**NEUTRAL | wrong)
