"""Transformers as tokens and maps: their forward is timm's, at any size of images."""

import logging

import pytest
import timm
import torch
from torch.nn import functional as F

from reid_lit.backbones.base import as_map, map_size, normalised
from reid_lit.backbones.positions import resized_positions
from reid_lit.backbones.swin import swin
from reid_lit.backbones.vit import _say_fitted, vit
from reid_lit.layers.pooling import GeneralizedMeanPool, GlobalAveragePool, pooled
from reid_lit.records import Tokens

SMALL = {"embed_dim": 32, "depth": 3, "num_heads": 2}
TINY, DINO, CLIP, REGISTERS = (
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_base_patch16_clip_quickgelu_224.openai",
    "vit_small_patch14_reg4_dinov2.lvd142m",
)
SWIN = "swin_tiny_patch4_window7_224.ms_in22k_ft_in1k"


def small(name=TINY, size=(64, 32), **options):
    torch.manual_seed(0)
    return vit(name=name, weights="none", size=size, options=SMALL, **{"drop_path": 0.0} | options).eval()


@torch.no_grad()
@pytest.mark.parametrize("name", [TINY, DINO, CLIP, REGISTERS])
def test_the_forward_pass_is_timms(name):
    size = (42, 28) if "patch14" in name else (64, 32)
    backbone = small(name, size)
    theirs = timm.create_model(name, num_classes=0, img_size=size, **SMALL).eval()
    theirs.load_state_dict(backbone.body.model.state_dict())
    image = torch.rand(2, 3, *size)
    tokens, expected = backbone(image), theirs.forward_features(normalised(image, backbone.mean, backbone.std))
    torch.testing.assert_close(tokens.class_token, expected[:, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(tokens.patches, expected[:, theirs.num_prefix_tokens :], rtol=0, atol=1e-6)
    last = theirs.norm(theirs.blocks[-1](tokens.before))
    torch.testing.assert_close(last, expected, rtol=0, atol=1e-6)
    rows = size[0] // theirs.patch_embed.patch_size[0]
    assert tokens.grid[0] == rows
    torch.testing.assert_close(as_map(tokens)[1, :, 1, 0], tokens.patches[1, tokens.grid[1]])


@torch.no_grad()
def test_the_average_pool_takes_the_class_token_and_other_pools_the_patches():
    backbone = small()
    tokens = backbone(torch.rand(2, 3, 64, 32))
    assert pooled(GlobalAveragePool(), tokens) is tokens.class_token
    generalised = GeneralizedMeanPool(p=1.0, learned=False, floor=1e-6)
    torch.testing.assert_close(pooled(generalised, tokens), tokens.patches.clamp_min(1e-6).mean(1))
    maps = small(class_token=False)(torch.rand(2, 3, 64, 32))
    assert maps.shape == (2, 32, 4, 2)
    assert pooled(GlobalAveragePool(), maps).shape == (2, 32)


@torch.no_grad()
@pytest.mark.parametrize(
    ("size", "stride", "grid", "now"),
    [
        ((288, 128), None, (18, 8), (256, 128)),  # 144 patches, a square
        ((256, 64), None, (16, 4), (128, 128)),  # as many as in another grid
        ((64, 64), 8, (7, 7), (64, 32)),
    ],
)
def test_a_run_says_the_grid_of_its_table_and_of_a_file_it_is_said(tmp_path, caplog, size, stride, grid, now):
    theirs = small(size=size, stride=stride)
    (tmp_path / "checkpoints").mkdir()
    file = tmp_path / "checkpoints" / "last.ckpt"
    torch.save({"state_dict": {f"backbone.{key}": value for key, value in theirs.state_dict().items()}}, file)
    (tmp_path / "config.yaml").write_text(f"transform: {{size: {[*size]}}}\nbackbone: {{stride: {stride or 'null'}}}\n")
    made = {"name": TINY, "size": now, "options": SMALL, "drop_path": 0.0}
    table = theirs.body.model.pos_embed
    expected = resized_positions(table, grid, (now[0] // 16, now[1] // 16), prefix=1)
    with caplog.at_level(logging.INFO):
        for weights in (tmp_path, file):
            assert torch.equal(vit(**made, weights=str(weights)).body.model.pos_embed, expected)
    assert "is taken for a grid" not in caplog.text
    (tmp_path / "config.yaml").unlink()
    with caplog.at_level(logging.INFO):
        vit(**made, weights=str(tmp_path))
    count, root = grid[0] * grid[1], round((grid[0] * grid[1]) ** 0.5)
    said = f"its table of {count} positions is taken for a grid of {root} × {root}, and resized to"
    assert (said in caplog.text) == (count != now[0] * now[1] // 256)


@torch.no_grad()
def test_overlapping_patches_see_what_fits():
    backbone = small(size=(256, 128), stride=12)
    tokens = backbone(torch.rand(1, 3, 256, 128))
    assert tokens.grid == (21, 10)
    assert map_size(backbone, (256, 128)) == (21, 10)
    image = torch.rand(1, 3, 40, 31)  # 3 × 2 patches: the last 3 columns of pixels are in none
    changed = image.clone()
    changed[..., 28:] = 0
    assert torch.equal(backbone(image).class_token, backbone(changed).class_token)


@torch.no_grad()
def test_images_are_resized_to_the_nearest_size_that_patches_divide_and_it_is_said(caplog):
    _say_fitted.cache_clear()
    with caplog.at_level(logging.INFO):
        backbone = small(DINO, (256, 128))
    assert "images of 256 × 128 are resized to 252 × 126" in caplog.text
    assert "patches of 14 pixels divide; transform.size=[252,126] loads them so" in caplog.text
    image = torch.rand(1, 3, 256, 128)
    normal = normalised(image, backbone.mean, backbone.std)
    resized = F.interpolate(normal, (252, 126), mode="bilinear")
    tokens = backbone(image)
    assert tokens.grid == (18, 9)
    torch.testing.assert_close(tokens.class_token, backbone.body(resized).class_token)


@torch.no_grad()
def test_a_table_of_positions_is_resized_bilinearly_and_keeps_the_class_position(tmp_path):
    square = small(size=(64, 64))
    torch.save(square.body.model.state_dict(), tmp_path / "square.pth")
    table = square.body.model.pos_embed
    expected = F.interpolate(table[:, 1:].mT.reshape(1, 32, 4, 4), (4, 2), mode="bilinear").flatten(2).mT
    torch.manual_seed(5)
    got = vit(
        name=TINY, weights=str(tmp_path / "square.pth"), size=(64, 32), drop_path=0.0, options=SMALL
    ).body.model.pos_embed
    torch.testing.assert_close(got[:, :1], table[:, :1])
    torch.testing.assert_close(got[:, 1:], expected)
    loaded = vit(name=TINY, weights=str(tmp_path / "square.pth"), size=(64, 32), drop_path=0.0, options=SMALL).eval()
    image = torch.rand(1, 3, 64, 32)  # an image of another grid gets what a table of that grid would give it
    torch.testing.assert_close(square(image).class_token, loaded(image).class_token)


def test_drop_path_rises_to_the_last_block():
    rates = [getattr(block.drop_path1, "drop_prob", 0.0) for block in small(drop_path=0.2).body.model.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2])


def test_what_is_added_reaches_every_token():
    backbone = small()
    added = torch.zeros(2, 32, requires_grad=True)
    tokens = backbone(torch.rand(2, 3, 64, 32), added=added)
    assert isinstance(tokens, Tokens)
    (tokens.class_token * torch.linspace(-1, 1, 32)).sum().backward()  # a plain sum is 0 behind a norm
    assert (added.grad != 0).any(1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stride": 17}, r"stride=17: give pixels between patches of 16, from 1 to so many, or null"),
        ({"drop_path": 1.0}, r"drop_path=1.0: give a share in \[0, 1\)"),
        ({"last_stride": 1}, r"last_stride=1: layer4, or .*give 2"),
    ],
)
def test_a_number_out_of_range_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        small(**change)


def test_another_family_is_refused_with_its_cure():
    with pytest.raises(ValueError, match=r"ResNet is no plain vision transformer .*give backbone=timm"):
        vit(name="resnet18.tv_in1k", weights="none", size=(64, 32), drop_path=0.0)


def test_weights_that_are_in_no_cache_are_not_fetched(monkeypatch):
    monkeypatch.setattr("reid_lit.backbones.imagenet.imagenet_file", lambda _: None)
    with pytest.raises(
        FileNotFoundError, match=r"in no local cache, and a run fetches none; it is at huggingface\.co/"
    ):
        vit(name=TINY, weights="imagenet", size=(64, 32), drop_path=0.0)


@torch.no_grad()
@pytest.mark.parametrize("size", [(224, 224), (64, 32)])
def test_swin_is_timms_with_whole_windows(size):
    torch.manual_seed(0)
    backbone = swin(name=SWIN, weights="none", size=size, drop_path=0.0).eval()
    plain = {} if size == (224, 224) else {"img_size": size, "always_partition": True}
    theirs = timm.create_model(SWIN, num_classes=0, **plain).eval()
    theirs.load_state_dict(backbone.body.model.state_dict())
    if plain:  # 2 × 1 positions are in one window, which is not shifted
        for block in (*theirs.layers[3].blocks, *theirs.layers[2].blocks):
            block.shift_size, block.attn_mask = (0, 0), None
    image = torch.rand(1, 3, *size)
    expected = theirs.forward_features(normalised(image, backbone.mean, backbone.std)).permute(0, 3, 1, 2)
    torch.testing.assert_close(backbone(image), expected, rtol=0, atol=1e-5)
    assert backbone(torch.rand(1, 3, 90, 45)).shape[2:] == (3, 1)
