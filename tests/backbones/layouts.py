"""Names and shapes of tensors in other projects' files, written down from their public code."""

import torch

NORM = ("weight", "bias", "running_mean", "running_var")
CHANNELS = {
    "x1_0": (64, 256, 384, 512),
    "x0_75": (48, 192, 288, 384),
    "x0_5": (32, 128, 192, 256),
    "x0_25": (16, 64, 96, 128),
}
DEPTHS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def norm(name, channels, *, instance=False):
    return {f"{name}.{key}": (channels,) for key in (NORM[:2] if instance else NORM)}


def linear(name, before, after):
    return {f"{name}.weight": (after, before), f"{name}.bias": (after,)}


def resnet(depth=50, *, ibn=False, non_local=(0, 0, 0, 0)):
    """torchvision's, FastReID's and reid-strong-baseline's ResNet; IBN-Net-a's norms, FastReID's non-local blocks."""
    shapes = {"conv1.weight": (64, 3, 7, 7)} | norm("bn1", 64)
    expansion, before = (1 if depth == 18 else 4), 64
    for stage, blocks in enumerate(DEPTHS[depth], start=1):
        width, after = 32 * 2**stage, 32 * 2**stage * expansion
        for block in range(blocks):
            place = f"layer{stage}.{block}"
            kernels = [(width, before, 3, 3), (width, width, 3, 3)]
            if depth != 18:
                kernels = [(width, before, 1, 1), (width, width, 3, 3), (after, width, 1, 1)]
            for number, shape in enumerate(kernels, start=1):
                shapes[f"{place}.conv{number}.weight"] = shape
                shapes |= norm(f"{place}.bn{number}", shape[0])
            if ibn and stage < 4:
                shapes = {name: shape for name, shape in shapes.items() if not name.startswith(f"{place}.bn1.")}
                shapes |= norm(f"{place}.bn1.IN", width // 2, instance=True) | norm(f"{place}.bn1.BN", width // 2)
            if before != after:
                shapes[f"{place}.downsample.0.weight"] = (after, before, 1, 1)
                shapes |= norm(f"{place}.downsample.1", after)
            before = after
        for number in range(non_local[stage - 1]):
            place = f"NL_{stage}.{number}"
            for name in ("g", "theta", "phi"):
                shapes |= {f"{place}.{name}.weight": (1, after, 1, 1), f"{place}.{name}.bias": (1,)}
            shapes |= {f"{place}.W.0.weight": (after, 1, 1, 1), f"{place}.W.0.bias": (after,)} | norm(
                f"{place}.W.1", after
            )
    return shapes


def osnet(width="x1_0", kind=""):
    """torchreid's OSNet (``kind``: ``ibn``, ``ain``), with its last linear layer."""
    channels = CHANNELS[width]
    shapes = {"conv1.conv.weight": (channels[0], 3, 7, 7)} | norm("conv1.bn", channels[0], instance=kind != "")
    for stage in (2, 3, 4):
        before, after = channels[stage - 2 : stage]
        for block in (0, 1):
            shapes |= _block(f"conv{stage}.{block}", before if block == 0 else after, after, kind, stage)
        if stage < 4:
            shapes |= _convolution(f"pool{stage}.0" if kind == "ain" else f"conv{stage}.2.0", after, after)
    shapes |= _convolution("conv5", channels[3], channels[3])
    return shapes | linear("fc.0", channels[3], 512) | norm("fc.1", 512) | linear("classifier", 512, 751)


def _convolution(name, before, after):
    return {f"{name}.conv.weight": (after, before, 1, 1)} | norm(f"{name}.bn", after)


def _block(place, before, after, kind, stage):
    middle = after // 4
    shapes = _convolution(f"{place}.conv1", before, middle)
    for depth in (1, 2, 3, 4):
        for layer in range(depth):
            name = f"{place}.conv2{'abcd'[depth - 1]}" + (f".{layer}" if depth > 1 else "")
            if kind == "ain":
                name = f"{place}.conv2.{depth - 1}.layers.{layer}"
            shapes |= {f"{name}.conv1.weight": (middle, middle, 1, 1), f"{name}.conv2.weight": (middle, 1, 3, 3)}
            shapes |= norm(f"{name}.bn", middle)
    for name, sizes in (("fc1", (middle // 16, middle)), ("fc2", (middle, middle // 16))):
        shapes |= {f"{place}.gate.{name}.weight": (*sizes, 1, 1), f"{place}.gate.{name}.bias": sizes[:1]}
    inside = kind == "ain" and (stage, place[-1]) not in ((3, "0"), (4, "1"))
    shapes |= _convolution(f"{place}.conv3", middle, after)
    if inside:
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith(f"{place}.conv3.bn")}
    if inside or (kind == "ibn" and stage == 2):
        shapes |= norm(f"{place}.IN", after, instance=True)
    return shapes | (_convolution(f"{place}.downsample", before, after) if before != after else {})


def fastreid(body, *, old=False, pool=False):
    """FastReID's model: before September 2020 (``old``) or after, with a learned pooling or without."""
    shapes = {f"backbone.{name}": shape for name, shape in body.items()}
    shapes |= norm("heads.bnneck" if old else "heads.bottleneck.0", 2048)
    shapes["heads.classifier.weight" if old else "heads.weight"] = (751, 2048)
    return shapes | ({"heads.pool_layer.p": (1,)} if pool else {})


def strong_baseline(body, features):
    """reid-strong-baseline's model."""
    shapes = {f"base.{name}": shape for name, shape in body.items()}
    return shapes | norm("bottleneck", features) | {"classifier.weight": (751, features)}


def layumi(body, features=2048):
    """layumi's model, which keeps torchvision's classifier."""
    shapes = {f"model.{name}": shape for name, shape in body.items()} | linear("model.fc", features, 1000)
    shapes |= linear("classifier.add_block.0", features, 512) | norm("classifier.add_block.1", 512)
    return shapes | linear("classifier.classifier.0", 512, 751)


def vit(dim=32, depth=2, tokens=9, patch=16):
    """A vision transformer of DINO, TransReID and PersonViT, which all name it as timm does."""
    shapes = {"cls_token": (1, 1, dim), "pos_embed": (1, tokens, dim)}
    shapes |= {"patch_embed.proj.weight": (dim, 3, patch, patch), "patch_embed.proj.bias": (dim,)}
    for block in range(depth):
        shapes |= norm(f"blocks.{block}.norm1", dim, instance=True) | linear(f"blocks.{block}.attn.qkv", dim, 3 * dim)
        shapes |= linear(f"blocks.{block}.attn.proj", dim, dim) | norm(f"blocks.{block}.norm2", dim, instance=True)
        shapes |= linear(f"blocks.{block}.mlp.fc1", dim, 4 * dim) | linear(f"blocks.{block}.mlp.fc2", 4 * dim, dim)
    return shapes | norm("norm", dim, instance=True)


def ics_vit(dim=32, tokens=9):
    """TransReID-SSL's ViT with its convolutional stem, ``PatchEmbed_VOLO`` and ``IBN`` of ``dino/ours_vit.py``."""
    shapes = vit(dim, tokens=tokens) | {"patch_embed.proj.weight": (dim, 64, 8, 8)} | linear("fc", dim, 1000)
    for place, channels, width in ((0, 3, 7), (3, 64, 3), (6, 64, 3)):
        shapes[f"patch_embed.conv.{place}.weight"] = (64, channels, width, width)
    for place in (1, 4):
        shapes |= norm(f"patch_embed.conv.{place}.IN", 32, instance=True) | norm(f"patch_embed.conv.{place}.BN", 32)
    return shapes | norm("patch_embed.conv.7", 64)


def pass_vit(dim=32, patches=8):
    """PASS's ViT: three tokens of parts, and positions apart (``VisionTransformer`` of ``PASS/vision_transformer.py``)."""
    shapes = vit(dim, tokens=patches)
    names = ("part_token1", "part_token2", "part_token3", "cls_pos", "part1_pos", "part2_pos", "part3_pos")
    return shapes | dict.fromkeys(names, (1, 1, dim))


def dinov2(dim=32, depth=2, tokens=10, registers=0):
    """DINOv2's ``DinoVisionTransformer``, of patches of 14 pixels."""
    shapes = vit(dim, depth, tokens, 14) | {"mask_token": (1, dim)}
    shapes |= {f"blocks.{block}.ls{number}.gamma": (dim,) for block in range(depth) for number in (1, 2)}
    return shapes | ({"register_tokens": (1, registers, dim)} if registers else {})


def clip_visual(dim=32, depth=2, tokens=9, out=16):
    """The image tower of OpenAI's CLIP, ``VisionTransformer`` of ``clip/model.py``; CLIP-ReID's ``image_encoder``."""
    shapes = {"class_embedding": (dim,), "positional_embedding": (tokens, dim), "proj": (dim, out)}
    shapes["conv1.weight"] = (dim, 3, 16, 16)
    for block in range(depth):
        place = f"transformer.resblocks.{block}"
        shapes |= {f"{place}.attn.in_proj_weight": (3 * dim, dim), f"{place}.attn.in_proj_bias": (3 * dim,)}
        shapes |= linear(f"{place}.attn.out_proj", dim, dim) | norm(f"{place}.ln_1", dim, instance=True)
        shapes |= linear(f"{place}.mlp.c_fc", dim, 4 * dim) | linear(f"{place}.mlp.c_proj", 4 * dim, dim)
        shapes |= norm(f"{place}.ln_2", dim, instance=True)
    return shapes | norm("ln_pre", dim, instance=True) | norm("ln_post", dim, instance=True)


def huggingface_vit(dim=32, depth=2, tokens=9):
    """``ViTModel`` of transformers."""
    shapes = {"embeddings.cls_token": (1, 1, dim), "embeddings.position_embeddings": (1, tokens, dim)}
    shapes |= {f"embeddings.patch_embeddings.projection.{key}": shape
               for key, shape in (("weight", (dim, 3, 16, 16)), ("bias", (dim,)))}  # fmt: skip
    for block in range(depth):
        place = f"encoder.layer.{block}"
        for name in ("attention.attention.query", "attention.attention.key", "attention.attention.value"):
            shapes |= linear(f"{place}.{name}", dim, dim)
        shapes |= linear(f"{place}.attention.output.dense", dim, dim) | linear(f"{place}.output.dense", 4 * dim, dim)
        shapes |= linear(f"{place}.intermediate.dense", dim, 4 * dim)
        for name in ("layernorm_before", "layernorm_after"):
            shapes |= norm(f"{place}.{name}", dim, instance=True)
    return shapes | norm("layernorm", dim, instance=True)


def huggingface_clip(dim=32, depth=2, tokens=9):
    """``CLIPVisionTransformer`` of transformers."""
    shapes = {"embeddings.class_embedding": (dim,), "embeddings.position_embedding.weight": (tokens, dim)}
    shapes["embeddings.patch_embedding.weight"] = (dim, 3, 16, 16)
    for block in range(depth):
        place = f"encoder.layers.{block}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= linear(f"{place}.self_attn.{name}", dim, dim)
        shapes |= linear(f"{place}.mlp.fc1", dim, 4 * dim) | linear(f"{place}.mlp.fc2", 4 * dim, dim)
        shapes |= norm(f"{place}.layer_norm1", dim, instance=True) | norm(f"{place}.layer_norm2", dim, instance=True)
    return shapes | norm("pre_layrnorm", dim, instance=True) | norm("post_layernorm", dim, instance=True)


def solider(dim=24, depths=(1, 1, 1, 1), heads=(3, 6, 12, 24)):
    """SOLIDER's Swin, ``SwinTransformer`` of SOLIDER-REID's ``model/backbones/swin_transformer.py``."""
    shapes = {"patch_embed.projection.weight": (dim, 3, 4, 4), "patch_embed.projection.bias": (dim,)}
    shapes |= norm("patch_embed.norm", dim, instance=True)
    for stage, (depth, count) in enumerate(zip(depths, heads, strict=True)):
        wide = dim * 2**stage
        for block in range(depth):
            place = f"stages.{stage}.blocks.{block}"
            shapes |= norm(f"{place}.norm1", wide, instance=True) | norm(f"{place}.norm2", wide, instance=True)
            shapes[f"{place}.attn.w_msa.relative_position_bias_table"] = (169, count)
            shapes[f"{place}.attn.w_msa.relative_position_index"] = (49, 49)
            shapes |= linear(f"{place}.attn.w_msa.qkv", wide, 3 * wide) | linear(f"{place}.attn.w_msa.proj", wide, wide)
            shapes |= linear(f"{place}.ffn.layers.0.0", wide, 4 * wide) | linear(
                f"{place}.ffn.layers.1", 4 * wide, wide
            )
        if stage < 3:
            shapes[f"stages.{stage}.downsample.reduction.weight"] = (2 * wide, 4 * wide)
            shapes |= norm(f"stages.{stage}.downsample.norm", 4 * wide, instance=True)
        shapes |= norm(f"norm{stage}", wide, instance=True)
        for name in ("semantic_embed_w", "semantic_embed_b"):
            shapes |= linear(f"{name}.{stage}", 2, dim * 2 ** min(stage + 1, 3))
    return shapes


def numbered(shapes):
    """A state_dict of such shapes, each tensor filled by a number of its own."""
    return {name: torch.full(shape, 1 + place / 1000) for place, (name, shape) in enumerate(shapes.items())}


def drawn(shapes, seed=0):
    """A state_dict of such shapes whose network gives features of a usual size."""
    torch.manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        norms = name.endswith(("running_var", ".weight")) and len(shape) == 1
        state[name] = 0.5 + torch.rand(shape) if norms else torch.randn(shape) * torch.Size(shape[1:]).numel() ** -0.5
    return state
