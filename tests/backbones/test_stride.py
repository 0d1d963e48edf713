"""What the options of conf/backbone are, and the trick "last stride"."""

import hydra
import pytest
import torch
from hydra.utils import get_method
from omegaconf import OmegaConf
from torch import nn

from reid_lit.backbones.stride import set_last_stride
from reid_lit.paths import packaged

SIZES = {
    "resnet18": (512, 11.18), "resnet34": (512, 21.28), "resnet50": (2048, 23.51), "resnet101": (2048, 42.50),
    "seresnet50": (2048, 26.04), "seresnet101": (2048, 47.28), "seresnext50": (2048, 25.51),
    "seresnext101": (2048, 46.91), "ibn_net50_a": (2048, 23.508), "ibn_net50_b": (2048, 23.510),
}  # fmt: skip
"""Channels and millions of parameters, as in the recipe."""
CHANGED = {
    name: {f"layer4.0.{'conv1' if name in ('resnet18', 'resnet34', 'seresnet50', 'seresnet101') else 'conv2'}",
           "layer4.0.downsample.0"}
    for name in SIZES
}  # fmt: skip


def build(file, **changes):
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        config = hydra.compose("train", [f"backbone={file}"]).backbone
    arguments = {**OmegaConf.to_container(config), "weights": "none", **changes}
    return get_method(arguments.pop("_target_"))(**arguments)


@pytest.fixture(scope="module", params=SIZES)
def option(request):
    return request.param, build(request.param).eval()


def strides(model):
    return {key: part.stride for key, part in model.named_modules() if hasattr(part, "stride")}


@torch.no_grad()
def test_options_have_the_recipes_sizes_and_finite_maps_in_both_precisions(option):
    name, backbone = option
    dim, millions = SIZES[name]
    assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(millions, abs=0.006)
    image = torch.rand(2, 3, 64, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = backbone(image)
    for maps in (backbone(image), half):
        assert maps.shape[:2] == (2, dim)
        assert maps.isfinite().all()


@torch.no_grad()
def test_the_last_stride_changes_two_convolutions_and_nothing_else(option):
    name, backbone = option
    model, before = backbone.body.model, strides(backbone.body.model)
    weights = {key: value.clone() for key, value in model.layer4.state_dict().items()}
    image = torch.rand(1, 3, 256, 128)
    assert backbone(image).shape == (1, SIZES[name][0], 8, 4)
    set_last_stride(model, 1, name=name)
    after = strides(model)
    assert {key for key in before if after[key] != before[key] and key in dict(convolutions(model))} == CHANGED[name]
    assert {after[key] for key in CHANGED[name]} == {(1, 1)}
    assert backbone(image).shape == (1, SIZES[name][0], 16, 8)
    assert {part.dilation for _, part in convolutions(model)} == {(1, 1)}
    assert all(torch.equal(value, weights[key]) for key, value in model.layer4.state_dict().items())


def convolutions(model):
    return [(key, part) for key, part in model.named_modules() if isinstance(part, nn.Conv2d)]


@pytest.mark.parametrize("name", ["resnet18", "seresnet50", "ibn_net50_b"])
@torch.no_grad()
def test_the_key_sets_the_stride(name):
    assert build(name, last_stride=1).eval()(torch.rand(1, 3, 64, 32)).shape[2:] == (4, 2)


DEPTHWISE = {
    "mobilenet_v1": "blocks.4.0.conv_dw", "mobilenet_v2": "blocks.5.0.conv_dw",
    "efficientnet_lite0": "blocks.5.0.conv_dw", "efficientnet_lite1": "blocks.5.0.conv_dw",
    "efficientnet_lite2": "blocks.5.0.conv_dw", "timm": "blocks.4.0.conv_dw",
}  # fmt: skip
"""The depthwise convolution that halves the map last; timm's example is a MobileNet v3."""


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(DEPTHWISE))
def test_the_last_stride_of_a_mobile_network_is_that_of_a_depthwise_convolution(name):
    halved, kept = build(name).eval(), build(name, last_stride=1).eval()
    kept.load_state_dict(halved.state_dict())
    before, after = strides(halved.body.model), strides(kept.body.model)
    assert {key: after[key] for key in before if after[key] != before[key]} == {DEPTHWISE[name]: (1, 1)}
    assert kept.body.model.get_submodule(DEPTHWISE[name]).groups > 1
    image = torch.rand(1, 3, 256, 128)
    assert halved(image).shape == (1, halved.dim, 8, 4)
    assert kept(image).shape == (1, halved.dim, 16, 8)
    seen = {}
    for key, backbone in (("halved", halved), ("kept", kept)):
        layer = backbone.body.model.get_submodule(DEPTHWISE[name])
        layer.register_forward_hook(lambda _, inputs, output, key=key: seen.update({key: (inputs[0], output)}))
        backbone(image)
    torch.testing.assert_close(seen["halved"][0], seen["kept"][0])
    first = (
        1 if name.startswith("efficientnet") else 0
    )  # TensorFlow pads an even map behind alone, so its grid begins at 1
    torch.testing.assert_close(seen["kept"][1][:, :, first::2, first::2], seen["halved"][1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["densenet121", "hrnet_w18", "osnet_x1_0"])
def test_a_network_without_that_stage_says_so(name):
    with pytest.raises(ValueError, match=r"last_stride=1: layer4, or .* has no such stage; give 2, or choose"):
        build(name, last_stride=1)
    assert build(name).dim


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("vit_tiny_patch16_224", "no such stage"),
        ("efficientnet_blur_b0", r"blocks.5.0.aa \(BlurPool2d\)"),
    ],
)
def test_a_transformer_and_a_stage_of_another_kind_say_what_was_found(name, found):
    with pytest.raises(ValueError, match=rf"; {name} has {found}; give 2"):
        build("timm", name=name, last_stride=1)


@torch.no_grad()
def test_an_average_pool_of_a_shortcut_keeps_the_map_unless_it_blurs():
    model = build("timm", name="resnet18d", last_stride=1).eval().body.model
    pool = model.layer4[0].downsample[0]
    maps = torch.rand(2, 3, 5, 4)
    assert torch.equal(pool(maps), maps)
    assert model.forward_features(torch.rand(1, 3, 64, 32)).shape[2:] == (4, 2)
    model.layer4[0].downsample[0] = nn.AvgPool2d(3, stride=2, padding=1)
    with pytest.raises(ValueError, match=r"resnet18d has layer4.0.downsample.0 \(AvgPool2d\); give 2"):
        set_last_stride(model, 1, name="resnet18d")


@pytest.mark.parametrize("stride", [0, 3, 16])
def test_another_stride_is_refused(stride):
    with pytest.raises(ValueError, match=f"last_stride={stride}: give 2 .* or 1"):
        build("resnet18", last_stride=stride)


@torch.no_grad()
def test_the_stems_relu_can_be_left_out():
    torch.manual_seed(0)
    backbone = build("resnet18", stem_relu=False).eval()
    model, seen = backbone.body.model, []
    model.maxpool.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = torch.rand(1, 3, 64, 32)
    backbone(image)
    normal = (image - backbone.mean) / backbone.std
    torch.testing.assert_close(seen[0], model.bn1(model.conv1(normal)))
    assert seen[0].min() < 0
    with pytest.raises(ValueError, match=r"stem_relu=false: mobilenetv1_100 has no ReLU act1.*leave it true"):
        build("resnet18", name="mobilenetv1_100", stem_relu=False, options=None)


def test_mobilenet_is_as_in_the_recipe():
    backbone = build("mobilenet_v1").eval()
    assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(3.21, abs=0.006)
    with torch.no_grad():
        assert backbone(torch.rand(1, 3, 256, 128)).shape == (1, 1024, 8, 4)
