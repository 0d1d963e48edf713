import pytest
import timm
import torch

from reid_lit.backbones.base import normalised
from reid_lit.backbones.timm import check_statistics, densenet, timm_backbone


@pytest.mark.parametrize("name", ["vit_base_patch16_clip_quickgelu_224.openai", "resnet50_clip.openai"])
def test_a_recipe_of_clip_without_its_file_is_told_of_the_file_first(name):
    with pytest.raises(
        ValueError, match=r"^weights=imagenet: .* starts from a file of OpenAI's weights; give backbone"
    ) as e:
        check_statistics("mean", [0.5, 0.4, 0.3], [0.48, 0.46, 0.41], name=name, weights="imagenet")
    assert "open_clip_model.safetensors" in str(e.value)
    assert "null" not in str(e.value)
    check_statistics("mean", [0.5, 0.4, 0.3], [0.48, 0.46, 0.41], name=name, weights="open_clip_model.safetensors")


@pytest.mark.parametrize(
    ("name", "dim", "parameters"),
    [("resnet18.tv_in1k", 512, 11.18), ("resnet50.tv_in1k", 2048, 23.51), ("hrnet_w18.ms_aug_in1k", 2048, 19.25)],
)
def test_maps_and_sizes_are_those_of_the_recipe(name, dim, parameters):
    backbone = timm_backbone(name=name, weights="none").eval()
    with torch.no_grad():
        assert backbone(torch.rand(1, 3, 256, 128)).shape == (1, dim, 8, 4)
    assert backbone.dim == dim
    assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(parameters, abs=0.006)


def test_densenet_pools_the_batch_norm_without_a_relu():
    maps = {}
    for last_relu in (False, True):
        torch.manual_seed(0)
        backbone = densenet(name="densenet121.tv_in1k", weights="none", last_relu=last_relu).eval()
        assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(6.95, abs=0.006)
        with torch.no_grad():
            maps[last_relu] = backbone(torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(0)))
    assert maps[False].min() < 0
    torch.testing.assert_close(maps[True], maps[False].relu())


def test_the_backbone_normalises_with_its_own_statistics():
    backbone = timm_backbone(name="mobilenetv1_100.ra4_e3600_r224_in1k", weights="none").eval()
    image = torch.rand(1, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(backbone(image), backbone.body.model.forward_features((image - 0.5) / 0.5))
    assert "mean" not in backbone.state_dict()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("swin_tiny_patch4_window7_224.ms_in1k", {"img_size": (224, 112)}),
        ("vit_tiny_patch16_224.augreg_in21k", {"dynamic_img_size": True}),
    ],
)
def test_families_with_other_layouts_become_maps(name, options):
    backbone = timm_backbone(name=name, weights="none", options=options).eval()
    with torch.no_grad():
        maps = backbone(torch.rand(1, 3, 224, 112))
    assert maps.ndim == 4
    assert maps.shape[1] == backbone.dim


def test_an_unknown_model_names_near_ones():
    with pytest.raises(ValueError, match=r"'resnt50': timm .* has no such model; near names: \['resnet50"):
        timm_backbone(name="resnt50", weights="none")


def test_imagenet_weights_need_their_tag():
    assert "resnet50.tv_in1k" in timm.list_pretrained("resnet50.*")
    with pytest.raises(ValueError, match=r"'resnet50': write the tag of the weights, one of \[.*'resnet50.tv_in1k'"):
        timm_backbone(name="resnet50", weights="imagenet")


def test_resnets_start_as_torchvision_does():
    backbone = timm_backbone(name="resnet18.tv_in1k", weights="none", options={"zero_init_last": False})
    assert float(backbone.body.model.layer1[0].bn2.weight.detach().sum()) == 64


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_images_are_normalised_in_their_own_memory_layout(layout):
    image = torch.rand(2, 3, 5, 4).contiguous(memory_format=layout)
    mean, std = torch.rand(1, 3, 1, 1), torch.rand(1, 3, 1, 1) + 0.1
    result = normalised(image, mean, std)
    torch.testing.assert_close(result, (image - mean) / std, rtol=1e-5, atol=1e-5)
    assert result.is_contiguous(memory_format=layout)


def test_a_mean_that_is_not_the_weights_own_is_refused_with_both_values():
    name = "mobilenetv1_100.ra4_e3600_r224_in1k"
    wrong = [0.485, 0.456, 0.406]
    with pytest.raises(ValueError, match="the ImageNet weights of") as error:
        timm_backbone(name=name, weights="imagenet", mean=wrong)
    for fact in ("mean=[0.485, 0.456, 0.406]", name, "[0.5, 0.5, 0.5]", "give null"):
        assert fact in str(error.value)
    with pytest.raises(ValueError, match=r"^std=\[0.229, 0.224, 0.225\]: the ImageNet weights of mobilenet"):
        timm_backbone(name=name, weights="imagenet", std=[0.229, 0.224, 0.225])
    backbone = timm_backbone(name=name, weights="none", mean=wrong, std=[0.2, 0.3, 0.4])
    torch.testing.assert_close(backbone.mean.flatten(), torch.tensor(wrong))
    torch.testing.assert_close(backbone.std.flatten(), torch.tensor([0.2, 0.3, 0.4]))


@pytest.mark.parametrize(
    ("key", "value"),
    [("mean", [123.7, 116.3, 103.5]), ("mean", [0.5]), ("std", [0.2, 0.0, 0.2]), ("std", [58.4, 57.1, 57.4])],
)
def test_a_mean_that_is_none_is_refused(key, value):
    with pytest.raises(ValueError, match=rf"^{key}=.*: give red, green, blue in \[0, 1\].*\(divide by 255"):
        timm_backbone(name="resnet18.tv_in1k", weights="none", **{key: value})
