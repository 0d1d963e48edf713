import math

import pytest
import torch

from reid_lit.data.transforms.geometry import RotateShift, ScaledCrop, Translation, sampled_places
from reid_lit.data.transforms.noise import ImageNoise


def noise(index):
    return ImageNoise(torch.as_tensor(index), seed=0, epoch=0)


def images(count, height=8, width=6):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def naive(image, angle, down, right):
    """Bilinear sampling of one image, pixel by pixel, with the edges repeated."""
    _, height, width = image.shape
    out = torch.zeros_like(image)
    for i in range(height):
        for j in range(width):
            y, x = i - (height - 1) / 2 + down, j - (width - 1) / 2 + right
            row = math.sin(angle) * x + math.cos(angle) * y + (height - 1) / 2
            column = math.cos(angle) * x - math.sin(angle) * y + (width - 1) / 2
            top, left = math.floor(row), math.floor(column)
            for r, c in ((top, left), (top + 1, left), (top, left + 1), (top + 1, left + 1)):
                weight = (1 - abs(row - r)) * (1 - abs(column - c))
                out[:, i, j] += weight * image[:, min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
    return out


def test_each_image_is_turned_and_moved_by_its_own_numbers():
    image = images(5)
    got = RotateShift(degrees=30.0, shift=0.25)(image, noise([3, 1, 4, 1, 5]))
    for k, (turn, down, right) in enumerate((noise([3, 1, 4, 1, 5]).uniform(3) * 2 - 1).tolist()):
        expected = naive(image[k], math.radians(30) * turn, 0.25 * 8 * down, 0.25 * 6 * right)
        torch.testing.assert_close(got[k], expected, rtol=0, atol=1e-5)
    assert 0 <= got.min() <= got.max() <= 1


def test_a_whole_pixel_and_a_quarter_turn_are_exact():
    image = images(1, 6, 6)
    zero, one = torch.zeros(1), torch.ones(1)
    moved = torch.nn.functional.grid_sample(
        image, sampled_places(zero, one, zero, height=6, width=6), padding_mode="border", align_corners=False
    )
    torch.testing.assert_close(moved[:, :, :-1], image[:, :, 1:])
    torch.testing.assert_close(moved[:, :, -1], image[:, :, -1])  # the edge again
    grid = sampled_places(one * math.pi / 2, zero, zero, height=6, width=6)
    turned = torch.nn.functional.grid_sample(image, grid, align_corners=False)
    torch.testing.assert_close(turned, image.rot90(1, (2, 3)))


def test_no_angle_and_no_shift_leave_the_images_and_bytes_become_floats():
    image = (images(4) * 255).round().to(torch.uint8)
    still = RotateShift(degrees=0.0, shift=0.0)(image, noise(torch.arange(4)))
    torch.testing.assert_close(still, image.float() / 255)


def test_it_does_not_depend_on_how_images_are_batched():
    image, move = images(6), RotateShift(degrees=20.0, shift=0.2)
    halves = [move(image[part], noise(torch.arange(6)[part])) for part in (slice(0, 3), slice(3, 6))]
    assert torch.equal(move(image, noise(torch.arange(6))), torch.cat(halves))


@pytest.mark.parametrize(
    ("name", "value", "most"), [("degrees", -1.0, 180), ("degrees", 181.0, 180), ("shift", 1.5, 1), ("shift", -0.1, 1)]
)
def test_errors(name, value, most):
    with pytest.raises(ValueError, match=rf"^{name}={value}: give a number in \[0, {most}\]"):
        RotateShift(**({"degrees": 20.0, "shift": 0.2} | {name: value}))


def test_a_part_of_another_size_is_cut_out_and_resized():
    image = images(6, 16, 8)
    got = ScaledCrop(area=[0.5, 1.0], aspect=[1.5, 3.0])(image, noise(range(6)))
    stream = noise(range(6))
    place, drawn = stream.uniform(2), stream.uniform(20)
    for k in range(6):
        for n in range(10):
            area, aspect = (0.5 + 0.5 * drawn[k, n]) * 16 * 8, 1.5 + 1.5 * drawn[k, 10 + n]
            tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if tall <= 16 and wide <= 8:
                break
        top, left = place[k, 0] * (16 - tall), place[k, 1] * (8 - wide)
        for i, j in ((0, 0), (7, 3), (15, 7)):
            y, x = top + (i + 0.5) * tall / 16 - 0.5, left + (j + 0.5) * wide / 8 - 0.5
            torch.testing.assert_close(got[k, :, i, j], pixel(image[k], y, x), rtol=0, atol=1e-4)


def pixel(image, y, x):
    """Bilinear, with the edges repeated."""
    _, height, width = image.shape
    top, left, total = math.floor(y), math.floor(x), 0.0
    for r, c in ((top, left), (top + 1, left), (top, left + 1), (top + 1, left + 1)):
        weight = (1 - abs(y - r)) * (1 - abs(x - c))
        total = total + weight * image[:, min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
    return total


def test_where_no_part_fits_the_image_stays():
    image = images(3)
    torch.testing.assert_close(ScaledCrop(area=[0.9, 1.0], aspect=[8.0, 9.0])(image, noise([0, 1, 2])), image)


@pytest.mark.parametrize(("name", "value"), [("area", [0.5, 1.5]), ("area", [0.0, 1.0]), ("aspect", [3.0, 2.0])])
def test_a_part_that_is_none_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name}="):
        ScaledCrop(**{"area": [0.5, 1.0], "aspect": [1.0, 2.0]} | {name: value})


def test_a_translated_image_is_an_enlarged_one_at_a_random_place():
    ramp = torch.arange(16.0).expand(400, 3, 18, 16) / 16  # a pixel says in which column it was
    moved = Translation(scale=1.125, probability=0.5)(ramp, noise(torch.arange(400)))
    step = (moved[:, 0, 9, 9] - moved[:, 0, 9, 8]) * 16
    enlarged = (step - 1 / 1.125).abs() < 1e-3
    assert 160 < enlarged.sum() < 240
    torch.testing.assert_close(moved[~enlarged], ramp[~enlarged])
    middle = (moved[enlarged][:, 0, 9, 7:9].mean(1) * 16 - 7.5) * 1.125  # columns of the enlarged image, ± 1
    assert middle.min() < -0.9
    assert middle.max() > 0.9
    assert middle.abs().max() <= 1.001


@pytest.mark.parametrize(("scale", "probability", "words"), [(0.9, 0.5, "scale=0.9"), (1.1, 1.5, "probability=1.5")])
def test_a_translation_that_is_none_is_refused(scale, probability, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        Translation(scale=scale, probability=probability)
