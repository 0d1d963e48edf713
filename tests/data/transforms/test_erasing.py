import math

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from reid_lit.data.transforms.erasing import ATTEMPTS, IMAGENET_MEAN, Erase, paint_masks, paint_slices
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import Flip, PadCrop, Transform

HEIGHT, WIDTH = 32, 16
SETTINGS = {"probability": 0.5, "area": (0.02, 0.4), "aspect": (0.3, 1 / 0.3), "fill": IMAGENET_MEAN}


def noise(index, seed=0):
    return ImageNoise(torch.as_tensor(index), seed=seed, epoch=0)


def images(count):
    return torch.randint(
        0, 256, (count, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def naive_box(erase, stream, height, width):
    """Algorithm 1 of the paper as the public code has it, for one image with a stream of its own."""
    chance = stream.uniform(1).item()
    drawn = stream.uniform(2 * ATTEMPTS)[0].numpy()
    place = stream.uniform(2)[0].numpy()
    if chance >= erase.probability:
        return None
    for attempt in range(ATTEMPTS):
        (least, largest), (lowest, highest) = erase.area, erase.aspect
        area = (drawn[attempt] * np.float32(largest - least) + np.float32(least)) * np.float32(height * width)
        aspect = drawn[ATTEMPTS + attempt] * np.float32(highest - lowest) + np.float32(lowest)
        tall, wide = round(float(np.sqrt(area * aspect))), round(float(np.sqrt(area / aspect)))
        if tall < height and wide < width:
            return int(place[0] * (height - tall + 1)), int(place[1] * (width - wide + 1)), tall, wide
    return None


@pytest.mark.parametrize("changes", [{}, {"probability": 1.0, "area": [0.3, 1.0]}, {"fill": "random"}], ids=str)
def test_an_image_is_erased_as_the_public_code_does_it(changes):
    erase, batch = Erase(**SETTINGS | changes), images(300)
    erased = erase(batch, noise(torch.arange(300)))
    assert erased.dtype == torch.float32
    for index, (image, got) in enumerate(zip(batch, erased, strict=True)):
        stream = noise([index])
        box = naive_box(erase, stream, HEIGHT, WIDTH)
        expected = image.float() / 255
        paint = torch.tensor(IMAGENET_MEAN).view(3, 1, 1).expand_as(expected)
        if changes.get("fill") == "random":
            paint = stream.uniform(expected.numel()).view_as(expected)
        if box is not None:
            top, left, tall, wide = box
            window = np.s_[:, top : top + tall, left : left + wide]
            expected[window] = paint[window]
        assert torch.equal(got, expected)


def test_boxes_are_drawn_as_defined():
    height, width, count = 256, 128, 10_000
    erase = Erase(**SETTINGS)
    top, left, tall, wide = erase.boxes(noise(torch.arange(count)), height, width).T
    erased = tall > 0
    assert abs(erased.float().mean().item() - 0.5) < 0.015
    assert torch.equal(erased, wide > 0)
    top, left, tall, wide = (side[erased].double() for side in (top, left, tall, wide))
    assert (tall < height).all()
    assert (wide < width).all()
    assert ((top + tall <= height) & (left + wide <= width)).all()
    assert (torch.stack([top, left]).min(dim=1).values == 0).all()
    area, aspect = tall * wide / (height * width), tall / wide
    assert 0.018 < area.min() < 0.022
    assert 0.39 < area.max() < 0.405
    assert 0.28 < aspect.min() < 0.32
    assert 3.2 < aspect.max() < 3.5
    expected = expected_boxes(height, width)
    for values, mean in ((area, expected[0]), (aspect, expected[1])):
        assert abs(values.mean() - mean) < 4 * values.std() / math.sqrt(len(values))
    share = (top + 0.5) / (height - tall + 1)  # uniform in what is free
    assert abs(share.mean() - 0.5) < 0.015
    assert abs(share.var() - 1 / 12) < 0.005


def expected_boxes(height, width):
    """Mean area and mean aspect of accepted rectangles, by a fine grid over the definition."""
    area = torch.linspace(0.02, 0.4, 1001, dtype=torch.float64)[:, None]
    aspect = torch.linspace(0.3, 1 / 0.3, 1001, dtype=torch.float64)[None]
    tall, wide = (area * aspect * height * width).sqrt().round(), (area / aspect * height * width).sqrt().round()
    fits = (tall < height) & (wide < width)
    return (tall * wide)[fits].mean() / (height * width), (tall / wide)[fits].mean()


def test_what_never_fits_is_left_alone():
    batch = images(20)
    erased = Erase(probability=1.0, area=[1.0, 1.0], aspect=[2.0, 2.0], fill="random")(batch, noise(torch.arange(20)))
    assert torch.equal(erased, batch.float() / 255)


@pytest.mark.parametrize("fill", [IMAGENET_MEAN, "random"])
def test_erasing_does_not_depend_on_how_images_are_batched(fill):
    transform = Transform(
        size=[HEIGHT, WIDTH],
        interpolation="bicubic",
        train=[PadCrop(pad=3), Erase(**SETTINGS | {"fill": fill}), Flip(probability=0.5)],
    )
    batch, index = images(12), torch.tensor([5, 9, 2, 40, 41, 7, 0, 3, 11, 12, 13, 14])
    whole = transform.training(batch, noise(index))
    parts = [transform.training(batch[part], noise(index[part])) for part in (slice(0, 5), slice(5, 6), slice(6, 12))]
    assert torch.equal(whole, torch.cat(parts))


def test_slices_are_painted_as_masks_are():
    boxes = Erase(**SETTINGS).boxes(noise(torch.arange(50)), HEIGHT, WIDTH)
    batch, paint = torch.rand(50, 3, HEIGHT, WIDTH), torch.rand(50, 3, HEIGHT, WIDTH)
    assert torch.equal(paint_masks(batch, boxes, paint), paint_slices(batch.clone(), boxes, paint))


def test_the_images_given_stay():
    for batch in (images(10), images(10).float() / 255):
        before = batch.clone()
        Erase(**SETTINGS | {"probability": 1.0})(batch, noise(torch.arange(10)))
        assert torch.equal(batch, before)


def test_modules_are_named_in_yaml():
    config = OmegaConf.create("""
        _target_: reid_lit.data.transforms.transform.Transform
        size: [32, 16]
        interpolation: bilinear
        train:
          - {_target_: reid_lit.data.transforms.transform.PadCrop, pad: 10}
          - _target_: reid_lit.data.transforms.color.ColorJitter
            probability: 1.0
            brightness: [0.8, 1.2]
            contrast: [0.85, 1.15]
            saturation: [1.0, 1.0]
            hue: [0.0, 0.0]
          - _target_: reid_lit.data.transforms.erasing.Erase
            probability: 0.5
            area: [0.02, 0.4]
            aspect: [0.3, 3.3]
            fill: [0.596, 0.558, 0.497]
    """)
    transform = instantiate(config, _convert_="all")
    assert transform.training(images(4), noise(torch.arange(4))).shape == (4, 3, HEIGHT, WIDTH)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("fill", [IMAGENET_MEAN, "random"])
def test_gpu_erases_as_the_cpu_does(fill):
    erase, batch, index = Erase(**SETTINGS | {"fill": fill}), images(64), torch.arange(64)
    there = erase(batch.cuda(), ImageNoise(index.cuda(), seed=0, epoch=0))
    assert torch.equal(erase(batch, noise(index)), there.cpu())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"probability": 2.0}, r"^probability=2\.0: give a number in \[0, 1\]"),
        ({"area": [0.4, 0.02]}, r"^area=\[0\.4, 0\.02\]: give \[least, largest\] part"),
        ({"area": [0.0, 0.4]}, "area="),
        ({"aspect": [0.3]}, r"^aspect=\[0\.3\]: give \[least, largest\] height"),
        ({"fill": "mean"}, r"^fill='mean': give random, or red, green and blue"),
        ({"fill": [124.0, 116.0, 104.0]}, "fill="),
    ],
)
def test_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        Erase(**SETTINGS | wrong)
