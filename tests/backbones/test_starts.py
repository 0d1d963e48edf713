"""Starts of transformers from files of other projects, drawn by the names and shapes of their public code."""

import argparse
import functools
import logging

import pytest
import timm
import torch
from tests.backbones import layouts
from torch.nn import functional as F

from reid_lit.backbones.swin import swin
from reid_lit.backbones.vit import vit

TINY = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
DINOV2 = "vit_small_patch14_dinov2.lvd142m"
REGISTERS = "vit_small_patch14_reg4_dinov2.lvd142m"
CLIP = "vit_base_patch16_clip_quickgelu_224.openai"
SMALL = {"embed_dim": 32, "depth": 2, "num_heads": 2}


def prefixed(prefix, state):
    return {f"{prefix}{key}": value for key, value in state.items()}


@pytest.fixture
def start(tmp_path, caplog):
    """A start of a small transformer from what a file holds; the network, and what was said."""

    def started(content, name=TINY, size=(64, 32), options=(), **settings):
        torch.save(content, tmp_path / "start.pth")
        caplog.clear()
        with caplog.at_level(logging.INFO):
            backbone = vit(
                name=name, weights=str(tmp_path / "start.pth"), size=size, drop_path=0.0,
                options=SMALL | dict(options), **settings,
            )  # fmt: skip
        return backbone.eval(), caplog.text

    return started


def whole(said):
    count = said.split(" of ")[0].rsplit(" ", 1)[-1]
    return f"{count} of {count} tensors" in said and "(100.0% of its values); missing 0 [], unexpected 0 []" in said


def test_dino_and_those_that_follow_it_start_from_the_teacher(start):
    """DINO, TransReID-SSL and PersonViT save student, teacher, optimizer and the options of the command."""
    teacher, student = layouts.drawn(layouts.vit()), layouts.drawn(layouts.vit(), seed=1)
    head = layouts.drawn({"head.mlp.0.weight": (64, 32), "head.last_layer.weight_v": (100, 64)})
    content = {
        "student": prefixed("module.", prefixed("backbone.", student) | head),
        "teacher": prefixed("backbone.", teacher) | head,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
        "epoch": 100,
        "args": argparse.Namespace(arch="vit_small", patch_size=16),
        "dino_loss": {"center": torch.zeros(1, 100)},
    }
    backbone, said = start(content)
    state = backbone.body.model.state_dict()
    assert whole(said)
    assert "whose names do not begin with 'teacher.backbone.' are passed over" in said
    assert all(torch.equal(state[key], value) for key, value in teacher.items())
    for plain in (teacher, {"state_dict": prefixed("module.backbone.", teacher)}, {"teacher": content["teacher"]}):
        assert torch.equal(start(plain)[0].body.model.blocks[1].mlp.fc2.weight, teacher["blocks.1.mlp.fc2.weight"])
    ddp = content | {"teacher": prefixed("module.", content["teacher"])}  # with batch norms, as beside the ICS stem
    assert torch.equal(start(ddp)[0].body.model.cls_token, teacher["cls_token"])


@torch.no_grad()
def test_the_ics_stem_of_transreid_ssl_is_its_three_convolutions(start):
    state = layouts.drawn(layouts.ics_vit())
    with pytest.raises(ValueError, match=r"was trained with patch_embed\.conv\.\S+ \[.*lacks; give backbone\.stem=ics"):
        start({"teacher": prefixed("module.backbone.", state)})
    backbone, said = start({"teacher": prefixed("module.backbone.", state)}, stem="ics")
    assert whole(said)
    image = torch.rand(2, 3, 64, 32)
    x = (image - backbone.mean) / backbone.std
    for place, stride in ((0, 2), (3, 1), (6, 1)):
        weight = state[f"patch_embed.conv.{place}.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)
        norm = functools.partial(_norm, state)
        name = f"patch_embed.conv.{place + 1}"
        x = norm(name, x) if place == 6 else torch.cat([_instance(state, f"{name}.IN", x[:, :32]),
                                                        norm(f"{name}.BN", x[:, 32:])], 1)  # fmt: skip
        x = x.relu()
    x = F.conv2d(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=8).flatten(2).mT
    body = backbone.body.model
    x = torch.cat([state["cls_token"].expand(2, -1, -1), x], 1) + state["pos_embed"]
    torch.testing.assert_close(backbone(image).class_token, body.norm(body.blocks(x))[:, 0], rtol=1e-4, atol=1e-5)
    assert backbone(torch.rand(1, 3, 90, 45)).grid == (6, 3)
    for change, words in (
        ({"stem": "conv"}, r"stem=conv: there is none of that name; give ics or null"),
        ({"stem": "ics", "stride": 12}, r"stride=12: patches behind stem=ics do not overlap"),
    ):
        with pytest.raises(ValueError, match=words):
            vit(name=TINY, weights="none", size=(64, 32), drop_path=0.0, options=SMALL, **change)


def _norm(state, name, x):
    return F.batch_norm(x, *(state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")))


def _instance(state, name, x):
    return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])


@torch.no_grad()
def test_pass_starts_with_its_three_tokens_of_parts(start):
    state = layouts.drawn(layouts.pass_vit())
    with pytest.raises(
        ValueError, match=r"was trained with reg_token \[1, 3, 32\], which vit_tiny\S+ lacks; give \+back"
    ):
        start({"teacher": prefixed("backbone.", state)})
    backbone, said = start({"teacher": prefixed("backbone.", state)}, options={"reg_tokens": 3})
    assert whole(said)
    image, body = torch.rand(2, 3, 64, 32), backbone.body.model
    x = F.conv2d((image - 0.5) / 0.5, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=16)
    parts = [state[f"part_token{number}"] for number in (1, 2, 3)]
    tokens = [each.expand(2, -1, -1) for each in (state["cls_token"], *parts)]
    positions = [state["cls_pos"], *(state[f"part{number}_pos"] for number in (1, 2, 3)), state["pos_embed"]]
    x = torch.cat([*tokens, x.flatten(2).mT], 1) + torch.cat(positions, 1)
    torch.testing.assert_close(backbone(image).class_token, body.norm(body.blocks(x))[:, 0], rtol=1e-4, atol=1e-5)
    longer, _ = start(state, size=(128, 64), options={"reg_tokens": 3})  # its eight patches are 4 × 2
    table = F.interpolate(state["pos_embed"].mT.unflatten(2, (4, 2)), (8, 4), mode="bilinear").flatten(2).mT
    torch.testing.assert_close(longer.body.model.pos_embed[:, 4:], table)


@torch.no_grad()
def test_dinov2_starts_from_its_own_names(start):
    size = (42, 28)
    state = layouts.drawn(layouts.dinov2())
    backbone, said = start(state, DINOV2, size)
    assert "missing 0 [], unexpected 1 ['mask_token']" in said
    body = backbone.body.model
    assert torch.equal(body.blocks[1].ls2.gamma, state["blocks.1.ls2.gamma"])
    resized = F.interpolate(state["pos_embed"][:, 1:].mT.unflatten(2, (3, 3)), (3, 2), mode="bilinear").flatten(2).mT
    torch.testing.assert_close(body.pos_embed, torch.cat([state["pos_embed"][:, :1], resized], 1))
    chunks = {f"backbone.{key.replace('blocks.', 'blocks.0.')}": value for key, value in state.items()}
    assert torch.equal(start({"teacher": chunks}, DINOV2, size)[0].body.model.pos_embed, body.pos_embed)
    with_registers = layouts.drawn(layouts.dinov2(registers=4))
    with pytest.raises(
        ValueError, match=r"with register_tokens \[1, 4, 32\], .*name=vit_small_patch14_reg4_dinov2\.lvd142m"
    ):
        start(with_registers, DINOV2, size)
    body = start(with_registers, REGISTERS, size)[0].body.model
    table = with_registers["pos_embed"]
    torch.testing.assert_close(body.cls_token, with_registers["cls_token"] + table[:, :1])
    assert torch.equal(body.reg_token, with_registers["register_tokens"])
    resized = F.interpolate(table[:, 1:].mT.unflatten(2, (3, 3)), (3, 2), mode="bilinear").flatten(2).mT
    torch.testing.assert_close(body.pos_embed, resized)


@pytest.mark.parametrize("prefix", ["visual.", "image_encoder.", ""])
def test_clips_image_tower_starts_from_openais_names(start, prefix):
    state = layouts.drawn(layouts.clip_visual())
    text = layouts.drawn({"transformer.resblocks.0.ln_1.weight": (24,), "token_embedding.weight": (99, 24)})
    backbone, said = start(prefixed(prefix, state) | (text if prefix else {}), CLIP)
    body = backbone.body.model
    assert "missing 0 [], unexpected 0 []" in said
    assert torch.equal(body.cls_token[0, 0], state["class_embedding"])
    assert torch.equal(body.pos_embed[0], state["positional_embedding"])
    assert torch.equal(body.norm_pre.weight, state["ln_pre.weight"])
    assert torch.equal(body.blocks[1].attn.qkv.bias, state["transformer.resblocks.1.attn.in_proj_bias"])
    assert torch.equal(body.blocks[0].mlp.fc2.weight, state["transformer.resblocks.0.mlp.c_proj.weight"])


def test_names_of_transformers_are_known(start):
    state = layouts.drawn(layouts.huggingface_vit())
    backbone, said = start(prefixed("vit.", state))
    assert whole(said)
    parts = [state[f"encoder.layer.1.attention.attention.{name}.weight"] for name in ("query", "key", "value")]
    assert torch.equal(backbone.body.model.blocks[1].attn.qkv.weight, torch.cat(parts))
    assert torch.equal(backbone.body.model.blocks[1].norm2.bias, state["encoder.layer.1.layernorm_after.bias"])
    state = layouts.drawn(layouts.huggingface_clip())
    text = prefixed("text_model.", layouts.drawn({"encoder.layers.0.self_attn.q_proj.weight": (24, 24)}))
    backbone, said = start(prefixed("vision_model.", state) | text, CLIP)
    assert whole(said)
    parts = [state[f"encoder.layers.0.self_attn.{name}.bias"] for name in ("q_proj", "k_proj", "v_proj")]
    assert torch.equal(backbone.body.model.blocks[0].attn.qkv.bias, torch.cat(parts))
    assert torch.equal(backbone.body.model.cls_token[0, 0], state["embeddings.class_embedding"])


@torch.no_grad()
def test_solider_starts_with_its_semantic_weight(tmp_path, monkeypatch, caplog):
    create = timm.create_model
    small = {"embed_dim": 24, "depths": (1, 1, 1, 1)}
    monkeypatch.setattr("reid_lit.backbones.transformers.timm.create_model", lambda *a, **k: create(*a, **k | small))
    state = layouts.drawn(layouts.solider())
    torch.save({"teacher": prefixed("backbone.", state)}, tmp_path / "swin_tiny.pth")
    make = functools.partial(
        swin, name="swin_tiny_patch4_window7_224.ms_in22k_ft_in1k", weights=str(tmp_path / "swin_tiny.pth"),
        size=(64, 32), drop_path=0.0,
    )  # fmt: skip
    with pytest.raises(
        ValueError, match=r"with layers\.1\.downsample\.scale\.\S+ \[.*; give backbone\.semantic=0\.2, as"
    ):
        make()
    with pytest.raises(ValueError, match=r"semantic=2\.0: give a weight in \[0, 1\], such as 0\.2, or null"):
        make(semantic=2.0)
    with caplog.at_level(logging.INFO):
        backbone = make(semantic=0.2).eval()
    assert "(100.0% of its values); missing 0 []" in caplog.text
    body, x = backbone.body.model, torch.rand(1, 6, 4, 48)
    unfolded = F.unfold(x.permute(0, 3, 1, 2), 2, stride=2).mT
    name = "stages.1.downsample"
    merged = F.layer_norm(unfolded, (192,), state[f"{name}.norm.weight"], state[f"{name}.norm.bias"])
    merged = merged @ state[f"{name}.reduction.weight"].T
    says = torch.tensor([0.2, 0.8])
    scale = F.softplus(state["semantic_embed_w.1.weight"] @ says + state["semantic_embed_w.1.bias"])
    shift = state["semantic_embed_b.1.weight"] @ says + state["semantic_embed_b.1.bias"]
    got = body.layers[2].downsample(x).flatten(1, 2)
    torch.testing.assert_close(got, merged * scale + shift, rtol=1e-4, atol=1e-5)
    block = body.layers[3].blocks[0]
    assert torch.equal(block.mlp.fc2.weight, state["stages.3.blocks.0.ffn.layers.1.weight"])
    table = state["stages.3.blocks.0.attn.w_msa.relative_position_bias_table"]
    assert torch.equal(block.attn.relative_position_bias_table, table)
    assert torch.equal(body.norm.weight, state["norm3.weight"])
    assert not any(value.requires_grad for name, value in body.named_parameters() if "scale" in name or "shift" in name)
    assert backbone(torch.rand(1, 3, 64, 32)).isfinite().all()
