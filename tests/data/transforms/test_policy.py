import pytest
import torch
from torchvision.transforms import v2

from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.policy import AutoAugment


def noise(index):
    return ImageNoise(torch.as_tensor(index), seed=0, epoch=0)


def images(count):
    return torch.randint(0, 256, (count, 3, 12, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_chosen_images_are_torchvisions_and_the_others_untouched():
    batch = images(30)
    changed = AutoAugment(probability=0.4, policy="imagenet")(batch, noise(torch.arange(30)))
    policy = v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)
    for index, (image, got) in enumerate(zip(batch, changed, strict=True)):
        chosen, seed = noise([index]).uniform(2)[0]
        if chosen < 0.4:
            torch.manual_seed(int(seed * 2**24))
        assert torch.equal(got, policy(image) if chosen < 0.4 else image)


def test_an_image_does_not_depend_on_its_batch_and_the_generator_is_put_back():
    batch, change = images(8), AutoAugment(probability=1.0, policy="imagenet")
    state = torch.get_rng_state()
    whole = change(batch, noise(torch.arange(8)))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(whole[5:6], change(batch[5:6], noise([5])))


def test_how_often():
    changed = AutoAugment(probability=0.1, policy="imagenet")(images(1000), noise(torch.arange(1000)))
    assert 0.05 < (changed != images(1000)).flatten(1).any(1).float().mean() <= 0.13


def test_errors():
    with pytest.raises(ValueError, match=r"^probability=2\.0: give a number in \[0, 1\]"):
        AutoAugment(probability=2.0, policy="imagenet")
    with pytest.raises(ValueError, match=r"^policy='coco': unknown; choose one of imagenet, cifar10, svhn"):
        AutoAugment(probability=1.0, policy="coco")
