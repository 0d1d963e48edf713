import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.policy import AutoAugment, FastReidAutoAugment

MAGNITUDES = "torchvision"


def noise(index):
    return ImageNoise(torch.as_tensor(index), seed=0, epoch=0)


def images(count):
    return torch.randint(0, 256, (count, 3, 12, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_chosen_images_are_torchvisions_and_the_others_untouched():
    batch = images(30)
    changed = AutoAugment(probability=0.4, policy="imagenet", magnitudes=MAGNITUDES)(batch, noise(torch.arange(30)))
    policy = v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)
    for index, (image, got) in enumerate(zip(batch, changed, strict=True)):
        chosen, seed = noise([index]).uniform(2)[0]
        if chosen < 0.4:
            torch.manual_seed(int(seed * 2**24))
        assert torch.equal(got, policy(image) if chosen < 0.4 else image)


def test_an_image_does_not_depend_on_its_batch_and_the_generator_is_put_back():
    batch, change = images(8), AutoAugment(probability=1.0, policy="imagenet", magnitudes=MAGNITUDES)
    state = torch.get_rng_state()
    whole = change(batch, noise(torch.arange(8)))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(whole[5:6], change(batch[5:6], noise([5])))


def test_how_often():
    changed = AutoAugment(probability=0.1, policy="imagenet", magnitudes=MAGNITUDES)(
        images(1000), noise(torch.arange(1000))
    )
    assert 0.05 < (changed != images(1000)).flatten(1).any(1).float().mean() <= 0.13


def test_errors():
    with pytest.raises(ValueError, match=r"^probability=2\.0: give a number in \[0, 1\]"):
        AutoAugment(probability=2.0, policy="imagenet", magnitudes=MAGNITUDES)
    with pytest.raises(ValueError, match=r"^magnitudes='timm': unknown; choose one of fastreid, torchvision"):
        AutoAugment(probability=1.0, policy="imagenet", magnitudes="timm")
    with pytest.raises(ValueError, match=r"^policy='coco': unknown; choose one of imagenet, cifar10, svhn"):
        AutoAugment(probability=1.0, policy="coco", magnitudes=MAGNITUDES)


# what FastReID's functions give for levels 0 to 9 of 10, typed from its formulas
BITS = [4, 4, 4, 5, 5, 6, 6, 6, 7, 7]
THRESHOLDS = [0, 25, 51, 76, 102, 128, 153, 179, 204, 230]
FACTORS = [0.1, 0.28, 0.46, 0.64, 0.82, 1.0, 1.18, 1.36, 1.54, 1.72]
DEGREES = [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]
SHEARS = [0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.24, 0.27]
SHARES = [0.0, 0.045, 0.09, 0.135, 0.18, 0.225, 0.27, 0.315, 0.36, 0.405]

SHADES = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16).repeat(3, 1, 1)
COLOURS = torch.randint(0, 256, (3, 20, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def changed(image, operation, level, seed=0):
    """An image after one operation, by a policy of it alone."""
    augment = FastReidAutoAugment(interpolation="bilinear", fill=128)
    augment._policies = [((operation, 1.0, level), (operation, -1.0, level))]  # a probability that is never met
    torch.manual_seed(seed)
    return augment(image)


def pillow(image, change):
    return functional.pil_to_tensor(change(Image.fromarray(image.permute(1, 2, 0).numpy())))


@pytest.mark.parametrize("level", range(10))
def test_bits_and_thresholds_are_fastreids(level):
    kept = pillow(SHADES, lambda image: ImageOps.posterize(image, BITS[level]))
    assert torch.equal(changed(SHADES, "Posterize", level), kept)
    inverted = pillow(SHADES, lambda image: ImageOps.solarize(image, THRESHOLDS[level]))
    assert torch.equal(changed(SHADES, "Solarize", level), inverted)


@pytest.mark.parametrize("level", range(10))
def test_factors_are_fastreids_whatever_is_drawn(level):
    for operation in ("Brightness", "Color", "Contrast"):
        enhance = getattr(ImageEnhance, operation)
        expected = pillow(COLOURS, lambda image, enhance=enhance: enhance(image).enhance(FACTORS[level]))
        for seed in range(3):
            difference = changed(COLOURS, operation, level, seed).int() - expected.int()
            assert difference.abs().max() <= 2, operation  # of 255; Pillow rounds the grey image too
    sharp = functional.adjust_sharpness(COLOURS, FACTORS[level])
    assert (changed(COLOURS, "Sharpness", level).int() - sharp.int()).abs().max() <= 1


@pytest.mark.parametrize("level", range(10))
def test_turns_shears_and_moves_are_fastreids_to_either_side(level):
    height, width = COLOURS.shape[1:]
    space = FastReidAutoAugment._AUGMENTATION_SPACE
    wanted = {
        "ShearX": SHEARS[level], "ShearY": SHEARS[level], "Rotate": DEGREES[level],
        "TranslateX": SHARES[level] * width, "TranslateY": SHARES[level] * height,
    }  # fmt: skip
    for operation, value in wanted.items():
        magnitudes, signed = space[operation]
        assert float(magnitudes(10, height, width)[level]) == pytest.approx(value)
        assert signed
    sides = [functional.rotate(COLOURS, turn, "bilinear", fill=128) for turn in (DEGREES[level], -DEGREES[level])]
    got = [changed(COLOURS, "Rotate", level, seed) for seed in range(8)]
    assert all(any(torch.equal(image, side) for image in got) for side in sides)


def test_every_operation_of_the_policies_has_its_magnitudes():
    for policy in v2.AutoAugmentPolicy:
        operations = {name for pair in FastReidAutoAugment(policy)._policies for name, *_ in pair}
        assert operations - {"AutoContrast", "Equalize", "Invert"} <= {
            name for name, entry in FastReidAutoAugment._AUGMENTATION_SPACE.items()
            if entry is not v2.AutoAugment._AUGMENTATION_SPACE[name]
        }  # fmt: skip
    magnitudes = AutoAugment(probability=1.0, policy="imagenet", magnitudes="fastreid").change
    assert isinstance(magnitudes, FastReidAutoAugment)
