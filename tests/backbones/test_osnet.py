import math

import pytest
import torch
from tests.backbones import layouts
from torch import nn
from torch.nn import functional as F

from reid_lit.backbones.osnet import ChannelGate, OSBlock, osnet


def network():
    return osnet(name="osnet_x1_0", weights="none")


def test_size_and_map_are_those_of_the_recipe():
    backbone = network().eval()
    assert sum(p.numel() for p in backbone.parameters()) == 1_905_828
    with torch.no_grad():
        maps = backbone(torch.rand(2, 3, 256, 128))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = backbone(torch.rand(2, 3, 256, 128))
    assert maps.shape == half.shape == (2, 512, 16, 8)
    assert maps.isfinite().all()
    assert half.isfinite().all()
    assert maps.min() == 0


def norm(maps, state, key):
    """Batch norm in testing, from the definition."""
    mean, variance, weight, bias = (
        state[f"{key}.{name}"][:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (maps - mean) / (variance + 1e-5).sqrt() * weight + bias


def light(maps, state, key):
    maps = F.conv2d(maps, state[f"{key}.conv1.weight"])
    rows = [F.conv2d(maps[:, [c]], state[f"{key}.conv2.weight"][[c]], padding=1) for c in range(maps.shape[1])]
    return norm(torch.cat(rows, 1), state, f"{key}.bn").clamp(min=0)


def gated(maps, state):
    result = torch.empty_like(maps)
    for image in range(len(maps)):
        means = torch.stack([channel.mean() for channel in maps[image]])
        hidden = (state["gate.fc1.weight"][:, :, 0, 0] @ means + state["gate.fc1.bias"]).clamp(min=0)
        weights = 1 / (1 + (-(state["gate.fc2.weight"][:, :, 0, 0] @ hidden + state["gate.fc2.bias"])).exp())
        result[image] = maps[image] * weights[:, None, None]
    return result


def naive(maps, state):
    """The block written out, stream by stream."""
    x = norm(F.conv2d(maps, state["conv1.conv.weight"]), state, "conv1.bn").clamp(min=0)
    one = light(x, state, "conv2a")
    two = light(light(x, state, "conv2b.0"), state, "conv2b.1")
    three = light(light(light(x, state, "conv2c.0"), state, "conv2c.1"), state, "conv2c.2")
    four = light(light(light(light(x, state, "conv2d.0"), state, "conv2d.1"), state, "conv2d.2"), state, "conv2d.3")
    x = gated(one, state) + gated(two, state) + gated(three, state) + gated(four, state)
    x = norm(F.conv2d(x, state["conv3.conv.weight"]), state, "conv3.bn")
    if "downsample.conv.weight" in state:
        maps = norm(F.conv2d(maps, state["downsample.conv.weight"]), state, "downsample.bn")
    return (x + maps).clamp(min=0)


@pytest.mark.parametrize(("before", "after"), [(64, 64), (32, 128)])
@torch.no_grad()
def test_a_block_is_four_streams_under_one_gate(before, after):
    torch.manual_seed(0)
    block = OSBlock(before, after).double().eval()
    for value in block.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 0.6).mul_(torch.randint(0, 2, value.shape) * 2 - 1 if value.ndim == 4 else 1)
    maps = torch.randn(2, before, 6, 5, dtype=torch.float64)
    expected = naive(maps, block.state_dict())
    torch.testing.assert_close(block(maps), expected)
    assert (expected > 0).any()


def test_the_streams_share_their_gate():
    block = OSBlock(64, 64)
    assert [key for key, part in block.named_modules() if isinstance(part, ChannelGate)] == ["gate"]
    calls = []
    block.gate.register_forward_hook(lambda *_: calls.append(1))
    block(torch.rand(2, 64, 4, 4))
    assert len(calls) == 4


def test_the_start_is_the_authors():
    torch.manual_seed(0)
    model = network().body
    for part in model.modules():
        if isinstance(part, nn.Conv2d) and part.weight.numel() > 4000:
            fan_out = part.out_channels * part.kernel_size[0] ** 2
            assert float(part.weight.detach().std()) == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)
        if isinstance(part, nn.Conv2d) and part.bias is not None:
            assert not part.bias.any()
        if isinstance(part, nn.BatchNorm2d):
            assert torch.equal(part.weight, torch.ones_like(part.weight))
            assert not part.bias.any()


LIGHT = ("conv1.weight", "conv2.weight", *(f"bn.{key}" for key in ("weight", "bias", "running_mean", "running_var")))
CONVOLUTION = ("conv.weight", *LIGHT[2:])


def published():
    """The names in torchreid's files, written out from its models/osnet.py."""
    names = [f"{place}.{key}" for place in ("conv1", "conv2.2.0", "conv3.2.0", "conv5") for key in CONVOLUTION]
    for stage, number in ((stage, number) for stage in (2, 3, 4) for number in (0, 1)):
        block = f"conv{stage}.{number}"
        places = ["conv1", "conv3"] + (["downsample"] if number == 0 else [])
        names += [f"{block}.{place}.{key}" for place in places for key in CONVOLUTION]
        streams = ["conv2a", *(f"conv2{x}.{n}" for x, depth in (("b", 2), ("c", 3), ("d", 4)) for n in range(depth))]
        names += [f"{block}.{stream}.{key}" for stream in streams for key in LIGHT]
        names += [f"{block}.gate.{key}" for key in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")]
    return names


@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_under_torchreids_names_load_whole(tmp_path, prefix):
    own = {key: value for key, value in network().body.state_dict().items() if "num_batches" not in key}
    assert sorted(own) == sorted(published())
    state = {name: torch.rand_like(own[name]) for name in published()}
    rest = {
        "fc.0.weight": torch.zeros(512, 512),
        "fc.1.running_mean": torch.zeros(512),
        "classifier.weight": torch.ones(9, 512),
    }
    content = {prefix + key: value for key, value in (state | rest).items()}
    torch.save({"state_dict": content, "epoch": 3} if prefix else content, tmp_path / "osnet.pth")
    loaded = osnet(name="osnet_x1_0", weights=str(tmp_path / "osnet.pth")).body.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_a_narrower_network_is_refused(tmp_path):
    state = {key: value[: max(1, len(value) // 2)] for key, value in network().body.state_dict().items() if value.ndim}
    torch.save(state, tmp_path / "osnet_x0_5.pth")
    with pytest.raises(
        ValueError, match=r"osnet_x0_5.pth: .* of osnet_x1_0 matched .* another architecture"
    ):  # of no width that there is
        osnet(name="osnet_x1_0", weights=str(tmp_path / "osnet_x0_5.pth"))


def test_imagenet_says_what_to_download_and_how_to_give_it():
    with pytest.raises(
        FileNotFoundError,
        match=r"osnet_x1_0_imagenet.pth is on Google Drive .*MODEL_ZOO .*give none to train from scratch",
    ):
        osnet(name="osnet_x1_0", weights="imagenet")


def test_another_width_is_refused():
    with pytest.raises(ValueError, match=r"name='osnet_x2_0': give one of \[.*'osnet_ibn_x1_0', 'osnet_x0_25', .*\]"):
        osnet(name="osnet_x2_0", weights="none")


@torch.no_grad()
@pytest.mark.parametrize("instance", ["after", "inside"])
def test_an_instance_norm_follows_the_shortcut_or_takes_the_place_of_the_residuals_last_norm(instance):
    torch.manual_seed(0)
    block = OSBlock(32, 64, instance).double().eval()
    for name, value in block.state_dict().items():
        if value.is_floating_point() and name.startswith("IN."):
            value.uniform_(0.5, 1.5)
    maps = torch.randn(2, 32, 6, 5, dtype=torch.float64)

    def instance_norm(values):
        centred = values - values.mean((2, 3), keepdim=True)
        unit = centred / (values.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
        return unit * block.IN.weight[:, None, None] + block.IN.bias[:, None, None]

    reduced = block.conv1(maps)
    streams = sum(block.gate(stream(reduced)) for stream in (block.conv2a, block.conv2b, block.conv2c, block.conv2d))
    residual, shortcut = block.conv3.conv(streams), block.downsample(maps)
    if instance == "inside":
        assert not hasattr(block.conv3, "bn")
        expected = (instance_norm(residual) + shortcut).relu()
    else:
        expected = instance_norm(block.conv3.bn(residual) + shortcut).relu()
    torch.testing.assert_close(block(maps), expected)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("osnet_x0_75", 1_087_610), ("osnet_x0_5", 497_426), ("osnet_x0_25", 134_792), ("osnet_ibn_x1_0", 1_906_852), ("osnet_ain_x1_0", 1_905_828)],
)  # fmt: skip
def test_torchreids_other_osnets_are_built_and_read(tmp_path, name, parameters):
    kind, _, width = name.removeprefix("osnet_").rpartition("x")
    state = layouts.numbered(layouts.osnet(f"x{width}", kind.rstrip("_")))
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "osnet.pth")
    backbone = osnet(name=name, weights=str(tmp_path / "osnet.pth"))
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    read = sorted(float(v.flatten()[0]) for k, v in backbone.body.state_dict().items() if "num_batches" not in k)
    assert read == sorted(float(v.flatten()[0]) for k, v in state.items() if not k.startswith(("fc.", "classifier.")))
