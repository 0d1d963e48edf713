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
