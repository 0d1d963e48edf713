import pytest

from reid_lit.errors import InputError
from reid_lit.run.image_size import check_image_size
from reid_lit.training.settings import check_settings

VIT, SWIN, MIXER = "vit_tiny_patch16_224.augreg_in21k", "swin_tiny_patch4_window7_224.ms_in1k", "mixer_s16_224"
DINO = "vit_small_patch14_dinov2.lvd142m"


def config(compose, name, *words):
    return compose("+experiment=synthetic_softmax", "backbone=timm", f"backbone.name={name}", *words)


@pytest.mark.parametrize("name", [VIT, SWIN, DINO])
def test_a_network_of_one_size_is_refused_before_data_are_read_with_both_ways_on(compose, name):
    with pytest.raises(
        InputError,
        match=r"^transform\.size=\[\d+, \d+\]: .*(\S+) takes images of another size \(Input .*; give"
        r" \+backbone\.options\.img_size=\[\d+,\d+\].*or \+backbone\.options\.dynamic_img_size=true",
    ):
        check_settings(config(compose, name))


@pytest.mark.parametrize("name", [VIT, SWIN])
@pytest.mark.parametrize("words", [["transform.size=[224,224]"], ["+backbone.options.dynamic_img_size=true"],
                                   ["transform.size=[64,32]", "+backbone.options.img_size=[64,32]"]])  # fmt: skip
def test_the_ways_on_are_taken(compose, name, words):
    check_image_size(config(compose, name, *words))


def test_only_what_the_network_takes_is_offered(compose):
    with pytest.raises(InputError, match=r"img_size=\[256,128\], for which its tables of positions are resampled$"):
        check_image_size(config(compose, MIXER, "transform.size=[256,128]"))
    with pytest.raises(InputError, match=r"divisible by patch size \(14\)\); .*resampled$"):
        check_image_size(config(compose, DINO, "transform.size=[256,128]", "+backbone.options.dynamic_img_size=true"))


def test_tests_of_another_size_are_looked_at_too(compose):
    words = ["transform.size=[64,32]", "transform.test_scale=1.125", "+backbone.options.img_size=[64,32]"]
    with pytest.raises(InputError, match=r"^transform\.size=\[72, 36\]: "):
        check_image_size(config(compose, VIT, *words))
    check_image_size(config(compose, VIT, *words, "evaluation.crops=[64,32]"))


def test_networks_of_any_size_pass(compose):
    for backbone in ("resnet18", "densenet121", "osnet_x1_0", "ibn_net50_b", "efficientnet_lite0"):
        check_image_size(compose("+experiment=synthetic_softmax", f"backbone={backbone}"))
