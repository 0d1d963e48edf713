import pytest
import torch

from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.views import check_crops, views


def images(count=2):
    return torch.rand(count, 3, 18, 9, generator=torch.Generator().manual_seed(0))


def test_five_crops_and_their_mirror_images_are_the_corners_and_the_centre():
    image = images()
    got = list(views(image, crops=[16, 8], flip=True))
    corners = [(0, 0), (0, 1), (2, 0), (2, 1), (1, 0)]  # and the centre, which lies half a pixel to the left
    crops = [image[:, :, top : top + 16, left : left + 8] for top, left in corners]
    expected = [view for crop in crops for view in (crop, torch.stack([crop[..., 7 - x] for x in range(8)], -1))]
    assert len(got) == 10
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))
    assert [view.shape[2:] for view in views(image, crops=(16, 8), flip=False)] == [(16, 8)] * 5


def test_without_crops_it_is_the_image_and_its_mirror_image():
    image = images()
    assert [torch.equal(view, image) for view in views(image, crops=None, flip=False)] == [True]
    assert [view.shape for view in views(image, crops=None, flip=True)] == [image.shape] * 2


@pytest.mark.parametrize("crops", [(19, 8), (18, 10)])
def test_crops_larger_than_the_image_are_refused(crops):
    with pytest.raises(ValueError, match=r"^crops=.*: larger than the images of 18 × 9 pixels; set transform"):
        list(views(images(), crops=crops, flip=False))


def test_crops_that_are_the_image_are_refused():
    with pytest.raises(
        ValueError, match=r"all five would be the whole image of 18 × 9 pixels; set transform\.test_scale=1\.125"
    ):
        check_crops([18, 9], (18, 9))
    check_crops([18, 8], (18, 9))


@pytest.mark.parametrize("crops", [[16], [16, 0], []])
def test_what_is_no_size_is_refused(crops):
    with pytest.raises(ValueError, match=r"^crops=.*: give \[height, width\] in pixels, null for none"):
        Protocol(crops=crops)


def test_the_stamp_says_what_is_averaged():
    asked = [{}, {"flip": True}, {"crops": [16, 8]}, {"flip": True, "crops": [16, 8]}]
    assert [Protocol(**each).augmentation for each in asked] == ["none", "flip", "five crops", "five crops × flip"]
