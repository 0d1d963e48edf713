"""Weights as other projects save them: the same network under other names, beside other objects, for another size."""

import logging
import types
import warnings
import zipfile

import numpy as np
import pytest
import timm
import torch
from timm.layers import resample_abs_pos_embed
from torch import nn

from reid_lit.backbones import weights
from reid_lit.backbones.base import normalised
from reid_lit.backbones.checkpoint import read_checkpoint
from reid_lit.backbones.timm import timm_backbone

RESNET, VIT = "resnet18.tv_in1k", "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
SWIN, DINO, CLIP = (
    "swin_tiny_patch4_window7_224.ms_in1k",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_small_patch16_224.dino",
)


def drawn(name, seed=1, **options):
    """A network's tensors, no two of them alike."""
    torch.manual_seed(seed)
    state = timm.create_model(name, num_classes=0, **options).state_dict()
    return {key: torch.rand_like(value) if value.is_floating_point() else value for key, value in state.items()}


@pytest.fixture(scope="module")
def resnet():
    return drawn(RESNET)


def loaded(path, name=RESNET, **options):
    return timm_backbone(name=name, weights=str(path), options=options).body.model.state_dict()


def saved(folder, content):
    torch.save(content, folder / "weights.pth")
    return folder / "weights.pth"


def same(state, expected):
    return all(torch.equal(value, expected[key]) for key, value in state.items() if "num_batches" not in key)


def numbered(state, names):
    heads = {name: str(place) for place, name in enumerate(names)}
    return {f"{heads[key.partition('.')[0]]}.{key.partition('.')[2]}": value for key, value in state.items()}


CHILDREN = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]


@pytest.mark.parametrize(
    "named",
    [
        lambda state: {f"_orig_mod.{key}": value for key, value in state.items()},
        lambda state: {f"module._orig_mod.{key}": value for key, value in state.items()},
        lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
        lambda state: {key.replace("layer1.", "layer1._orig_mod."): value for key, value in state.items()},
        lambda state: {f"net.feature_extractor.{key}": value for key, value in state.items()},
        lambda state: {f"module.base.{key}": value for key, value in numbered(state, CHILDREN).items()},
        lambda state: numbered(state, [name for name in CHILDREN if name != "relu"]),
        lambda state: {"student": {"backbone." + key: value for key, value in state.items()}, "epoch": 3},
        lambda state: {"state_dict": state, "rank1": np.float64(0.87), "best": np.int64(3), "f": np.float32(1.5)},
        lambda state: {"model": state, "ema": {"decay": 0.9}},
    ],
    ids=["compiled", "ddp", "compiled ddp", "a compiled part", "any prefix", "numbers", "numbers without relu",
         "nested", "numpy", "beside others"],
)  # fmt: skip
def test_the_same_network_under_other_names(tmp_path, resnet, named):
    assert same(loaded(saved(tmp_path, named(resnet))), resnet)


def test_of_a_network_and_its_average_the_network_is_taken_and_it_is_said(tmp_path, resnet, caplog):
    average = drawn(RESNET, seed=2)
    content = {f"module.encoder_k.{key}": value for key, value in average.items()}
    content |= {f"module.encoder_q.{key}": value for key, value in resnet.items()}
    with caplog.at_level(logging.INFO):
        assert same(loaded(saved(tmp_path, {"state_dict": content})), resnet)
    assert "102 whose names do not begin with 'module.encoder_q.' are passed over" not in caplog.text
    assert "100 whose names do not begin with 'module.encoder_q.' are passed over" in caplog.text


def test_of_two_networks_neither_is_guessed(tmp_path, resnet):
    content = {"first": drawn(RESNET, seed=2), "second": resnet}
    with pytest.raises(ValueError, match=r"weights=.*holds 2 such networks, .* begin with '.+\.' and '.+\.'; save"):
        loaded(saved(tmp_path, content))
    content = {"first": resnet, "second": resnet}  # alike: either is right
    assert same(loaded(saved(tmp_path, content)), resnet)


def test_names_that_only_the_order_tells_are_not_guessed(tmp_path, resnet):
    plain = {key: value for key, value in resnet.items() if "num_batches" not in key}
    content = {f"stem.tensor_{place}": value for place, value in enumerate(plain.values())}
    with pytest.raises(
        ValueError,
        match=r"0 of 100 .*unexpected 100 \['stem\.tensor_0', .*the shapes of its tensors are the network's one by one,"
        r" only the names differ: stem\.tensor_0 stands where conv1\.weight",
    ):
        loaded(saved(tmp_path, content))


def test_a_message_quotes_the_files_own_names(tmp_path, resnet):
    content = {f"module.model.{key}": value for key, value in resnet.items() if not key.startswith("layer4")}
    content["module.model.stem.bias"] = torch.ones(3)
    with pytest.raises(ValueError, match=r"unexpected 1 \['module\.model\.stem\.bias'\]"):
        loaded(saved(tmp_path, content))


def test_values_that_are_not_finite_are_refused(tmp_path, resnet):
    content = resnet | {"layer4.1.conv2.weight": torch.full_like(resnet["layer4.1.conv2.weight"], float("nan"))}
    with pytest.raises(ValueError, match=r"layer4\.1\.conv2\.weight holds values that are not finite"):
        loaded(saved(tmp_path, content))


def test_numpys_own_classes_are_not_called(tmp_path, monkeypatch):
    file = saved(tmp_path, {"a": torch.ones(2), "rank1": np.float64(0.5), "shape": np.dtype("V8")})
    content = read_checkpoint(file)
    assert type(content["rank1"]).__module__ == type(content["shape"]).__module__ == "reid_lit.backbones.checkpoint"


def test_another_class_is_named_and_no_terminal_codes_are(tmp_path, resnet):
    file = saved(tmp_path, {"state_dict": resnet, "args": types.SimpleNamespace(lr=1)})
    with pytest.raises(
        ValueError, match=r"refused, .*\(it asks for types\.SimpleNamespace\); in .*model\.state_dict\(\)"
    ) as error:
        loaded(file)
    assert "\x1b" not in str(error.value)
    assert "weights_only" not in str(error.value)


def test_positions_of_another_size_are_resampled(tmp_path):
    state = drawn(VIT)
    got = loaded(saved(tmp_path, {"model": {f"module.{key}": value for key, value in state.items()}}), VIT,
                 img_size=[64, 32])  # fmt: skip
    expected = resample_abs_pos_embed(state["pos_embed"], new_size=[4, 2])
    torch.testing.assert_close(got["pos_embed"], expected)
    assert same({key: value for key, value in got.items() if key != "pos_embed"}, state)
    assert same(loaded(tmp_path / "weights.pth", VIT, dynamic_img_size=True), state)


@pytest.mark.parametrize("name", [SWIN, DINO, CLIP])
def test_tables_of_other_families_are_resampled_too(tmp_path, name):
    state = drawn(name)
    if name == DINO:  # as its authors name it
        state["mask_token"] = torch.zeros(1, 384)
    size = [56, 28] if name == DINO else [64, 32]
    torch.manual_seed(7)
    got = loaded(saved(tmp_path, state), name, img_size=size)
    start = timm.create_model(name, num_classes=0, img_size=size).state_dict()
    tables = [key for key in got if "pos_embed" in key or "bias_table" in key]
    assert tables
    for key, value in got.items():
        if key in tables:
            assert value.shape == start[key].shape
            assert value.mean() > 0.3, "drawn from [0, 1): the start of a table has mean 0"
        else:
            assert torch.equal(value, state[key])


def test_weights_by_name_are_resampled_too(tmp_path, monkeypatch):
    state = drawn(VIT)
    overlay = {
        "file": str(saved(tmp_path, state | {"head.weight": torch.zeros(1000, 192), "head.bias": torch.zeros(1000)}))
    }
    create = timm.create_model
    monkeypatch.setattr("reid_lit.backbones.timm.require_imagenet", lambda *_: None)
    monkeypatch.setattr(
        "reid_lit.backbones.timm.timm.create_model",
        lambda *a, **k: create(*a, **k, **({"pretrained_cfg_overlay": overlay} if k["pretrained"] else {})),
    )
    got = timm_backbone(name=VIT, weights="imagenet", options={"img_size": [64, 32]}).body.model.state_dict()
    torch.testing.assert_close(got["pos_embed"], resample_abs_pos_embed(state["pos_embed"], new_size=[4, 2]))


def test_torchvisions_names_of_other_families_are_known(tmp_path):
    from torchvision import models

    image = torch.rand(2, 3, 64, 64)
    for model, name, options in (
        (models.mobilenet_v2(), "mobilenetv2_100", {}),
        (models.VisionTransformer(64, 16, 12, 3, 192, 768, num_classes=5), "vit_tiny_patch16_224", {"img_size": 64}),
    ):
        state = model.state_dict()
        for value in state.values():
            if value.is_floating_point() and value.ndim > 1:
                value.normal_(0, value[0].numel() ** -0.5)
            elif value.is_floating_point():
                value.uniform_(0.5, 1.5)
        backbone = timm_backbone(name=name, weights=str(saved(tmp_path, state)), options=options).eval()
        with torch.no_grad():
            normal = normalised(image, backbone.mean, backbone.std)
            if name == "mobilenetv2_100":
                expected = model.eval().features(normal)
            else:
                tokens = model.eval()._process_input(normal)
                expected = model.encoder(torch.cat([model.class_token.expand(2, -1, -1), tokens], 1))[:, 1:]
                expected = expected.transpose(1, 2).unflatten(2, (4, 4))
            torch.testing.assert_close(backbone(image), expected, rtol=1e-4, atol=1e-4)


def test_a_refusal_names_the_network_that_a_file_is_of(tmp_path, resnet):
    with pytest.raises(ValueError, match=r"At least 95% must match: this is a resnet18; is it a file of another arch"):
        loaded(saved(tmp_path, {f"net.{key}": value for key, value in resnet.items()}), "resnet50.tv_in1k")


def test_a_damaged_file_of_safetensors_is_a_line(tmp_path):
    for content in (b"", b'\x09\0\0\0\0\0\0\0{"a": 1}', b"\xff" * 64):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.safetensors: damaged, or no file of safetensors \(.*; copy it anew"):
            weights.read_state(tmp_path / "a.safetensors")


def test_what_is_packed_or_larger_than_the_memory_is_not_read(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(4_000_000))
    with pytest.raises(ValueError, match=r"bomb\.pth: refused, since its [\d,]+ bytes would become 4,000,000"):
        read_checkpoint(tmp_path / "bomb.pth")
    file = saved(tmp_path, {"a": torch.zeros(1000)})
    monkeypatch.setattr("reid_lit.backbones.checkpoint.free_memory", lambda: (1000, "the machine's memory"))
    with pytest.raises(ValueError, match=r"weights\.pth: 0\.0 GB, and 0\.0 GB of the machine's memory are free"):
        read_checkpoint(file)


class Table(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.layer = nn.Linear(100, 100)
        self.table = nn.Parameter(torch.zeros(rows))


def test_a_tensor_in_another_shape_is_never_left_at_its_start(tmp_path):
    file = saved(tmp_path, Table(7).state_dict())
    with pytest.raises(ValueError, match=r"table is \[7\] in it and \[9\] in small, and cannot be resampled"):
        weights.load(Table(9), file, name="small")


def test_what_is_missing_is_a_warning(tmp_path, caplog):
    state = Table(7).state_dict()
    del state["table"]
    with caplog.at_level(logging.INFO):
        weights.load(Table(7), saved(tmp_path, state), name="small")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "missing 1 ['table']" in caplog.text


def test_a_torchscript_archive_and_a_text_are_named(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about its own deprecation
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "script.pt")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ValueError, match=r"script\.pt: refused, .*\(a TorchScript archive, which is code\)") as error:
        loaded(tmp_path / "script.pt")
    assert "weights_only" not in str(error.value)
    with pytest.raises(ValueError, match=r"text\.pth: refused, .*\(it is no file of torch\.save\)"):
        loaded(tmp_path / "text.pth")
