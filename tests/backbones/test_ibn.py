import pytest
import timm
import torch
from torch import nn

from reid_lit.backbones.ibn import InstanceBatchNorm, ibn_net50


def network(name):
    return ibn_net50(name=name, weights="none").body.model


@torch.no_grad()
@pytest.mark.parametrize("training", [True, False])
def test_the_first_half_is_normalised_by_image_and_the_second_by_batch(training):
    torch.manual_seed(0)
    layer, maps = InstanceBatchNorm(8).train(training), 3 * torch.randn(5, 8, 6, 4) + 2
    for value in layer.parameters():
        value.uniform_(0.5, 2)
    layer.BN.running_mean.uniform_(0, 3)
    mean, variance = layer.BN.running_mean.clone(), layer.BN.running_var.clone()
    result = layer(maps)
    for channel in range(8):
        part = layer.IN if channel < 4 else layer.BN
        weight, bias = part.weight[channel % 4], part.bias[channel % 4]
        for image in range(5):
            if channel < 4:
                of = maps[image, channel]
                centre, spread = of.mean(), of.var(correction=0)
            elif training:
                centre, spread = maps[:, channel].mean(), maps[:, channel].var(correction=0)
            else:
                centre, spread = mean[channel - 4], variance[channel - 4]
            expected = (maps[image, channel] - centre) / (spread + 1e-5).sqrt() * weight + bias
            torch.testing.assert_close(result[image, channel], expected, rtol=1e-4, atol=1e-4)


def norms(model, kind):
    return {key: part.num_features for key, part in model.named_modules() if isinstance(part, kind)}


def test_variant_a_has_halves_in_every_block_of_three_stages():
    model = network("resnet50_ibn_a")
    blocks = [
        (f"layer{stage}.{n}.bn1", 32 * 2 ** (stage - 1))
        for stage, size in ((1, 3), (2, 4), (3, 6))
        for n in range(size)
    ]
    assert norms(model, nn.InstanceNorm2d) == {f"{name}.IN": half for name, half in blocks}
    assert all(model.get_submodule(f"{name}.BN").num_features == half for name, half in blocks)
    assert isinstance(model.layer4[0].bn1, nn.BatchNorm2d)
    assert isinstance(model.bn1, nn.BatchNorm2d)


def test_variant_b_has_instance_norms_in_the_stem_and_after_two_stages():
    model = network("resnet50_ibn_b")
    assert norms(model, nn.InstanceNorm2d) == {"bn1": 64, "layer1.2.act3.IN": 256, "layer2.3.act3.IN": 512}


@torch.no_grad()
def test_variant_b_normalises_after_the_shortcut_and_before_the_relu():
    torch.manual_seed(0)
    block = network("resnet50_ibn_b").layer1[2].eval()
    maps = torch.randn(2, 256, 8, 4)
    out = block.bn1(block.conv1(maps)).relu()
    out = block.bn3(block.conv3(block.bn2(block.conv2(out)).relu())) + maps
    centred = out - out.mean((2, 3), keepdim=True)
    expected = (centred / (out.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()).relu()
    torch.testing.assert_close(block(maps), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet50_ibn_a", "resnet50_ibn_b"])
def test_instance_norms_keep_no_statistics_and_do_the_same_in_training(name):
    model, image = network(name), torch.rand(2, 64, 8, 4)
    for part in model.modules():
        if isinstance(part, nn.InstanceNorm2d):
            assert part.running_mean is None
            maps = image.repeat(1, 8, 1, 1)[:, : part.num_features]
            torch.testing.assert_close(part.train()(maps), part.eval()(maps), rtol=0, atol=0)


@pytest.fixture(scope="module", params=["resnet50_ibn_a", "resnet50_ibn_b"])
def released(request, tmp_path_factory):
    """A file of random numbers under the names of the authors' release, with the classifier."""
    torch.manual_seed(1)
    state = {}
    for key, value in network(request.param).state_dict().items():
        public = key.replace(".act3.IN.", ".IN.")
        state[public] = torch.rand_like(value) if value.is_floating_point() else value
    folder = tmp_path_factory.mktemp("release")
    torch.save(state | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, folder / "plain.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / "module.pth")
    return request.param, state, folder


def test_names_of_the_release_are_those_published(released):
    name, state, _ = released
    expected = {
        "resnet50_ibn_a": {
            "layer3.5.bn1.IN.weight",
            "layer1.0.bn1.BN.running_var",
            "layer4.0.bn1.weight",
            "bn1.weight",
        },
        "resnet50_ibn_b": {"layer1.2.IN.weight", "layer2.3.IN.bias", "bn1.weight", "layer4.2.bn3.running_mean"},
    }
    assert expected[name] <= set(state)


@pytest.mark.parametrize("file", ["plain.pth", "module.pth"])
def test_files_of_the_release_load_whole(released, file):
    name, state, folder = released
    loaded = ibn_net50(name=name, weights=str(folder / file), last_stride=1).body.model.state_dict()
    assert len([key for key in state if "num_batches" not in key]) == len([k for k in loaded if "num_batches" not in k])
    for key, value in loaded.items():
        if "num_batches" not in key:
            torch.testing.assert_close(value, state[key.replace(".act3.IN.", ".IN.")], rtol=0, atol=0)


def test_runs_of_our_own_load_too(tmp_path):
    model = network("resnet50_ibn_b")
    (tmp_path / "checkpoints").mkdir()
    state = {f"backbone.body.model.{key}": value + 1 for key, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "checkpoints" / "last.ckpt")
    again = ibn_net50(name="resnet50_ibn_b", weights=str(tmp_path)).body.model
    torch.testing.assert_close(again.layer1[2].act3.IN.weight, model.layer1[2].act3.IN.weight + 1)


def test_plain_resnets_and_the_other_variant_are_refused(released, tmp_path):
    name, _, folder = released
    plain = timm.create_model("resnet50.tv_in1k", num_classes=0)
    torch.save(plain.state_dict(), tmp_path / "plain.pth")
    refusal = r"\d\.\d% of its values.* All batch and instance norms must match: is it a file of another architecture\? choose the backbone"
    with pytest.raises(ValueError, match=refusal):
        ibn_net50(name=name, weights=str(tmp_path / "plain.pth"))
    with pytest.raises(ValueError, match=refusal):
        ibn_net50(name=f"resnet50_ibn_{'b' if name.endswith('a') else 'a'}", weights=str(folder / "plain.pth"))


def test_imagenet_is_taken_from_torchs_cache_or_says_what_to_fetch_and_where(released, monkeypatch, tmp_path):
    name, state, folder = released
    file = {"resnet50_ibn_a": "resnet50_ibn_a-d9d0bb7b.pth", "resnet50_ibn_b": "resnet50_ibn_b-9ca61e85.pth"}[name]
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("reid_lit.backbones.imagenet.unreachable", lambda url: "no network")
    with pytest.raises(FileNotFoundError) as error:
        ibn_net50(name=name, weights="imagenet")
    for fact in (
        f"{file}, is not in {tmp_path / 'checkpoints'}",
        f"https://github.com/XingangPan/IBN-Net/releases/download/v1.0/{file} cannot be reached (no network)",
        "give none to train from scratch, or a file or a run folder",
    ):
        assert fact in str(error.value)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / file).symlink_to(folder / "plain.pth")
    model = ibn_net50(name=name, weights="imagenet").body.model
    torch.testing.assert_close(model.conv1.weight, state["conv1.weight"], check_stride=False)


def test_another_name_is_refused():
    with pytest.raises(
        ValueError,
        match=r"name='resnet18_ibn_a': give one of \['resnet101_ibn_a', 'resnet50_ibn_a', 'resnet50_ibn_b'\]",
    ):
        ibn_net50(name="resnet18_ibn_a", weights="none")
