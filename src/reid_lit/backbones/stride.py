"""The trick "last stride": a map of twice the height and width from a network as it is."""

from torch import nn

from reid_lit.errors import InputError


def set_last_stride(model: nn.Module, stride: int, *, name: str) -> None:
    """Let the last stage of a ResNet-like network keep its input's resolution, without dilation.

    The stride is in another convolution in each family (3×3 or, Caffe style, 1×1), so it is looked for, not named; the
    weights stay as they are.

    Args:
        model: The network; changed in place.
        stride: 1, or 2 for leaving it as it is.
        name: Its name, for the messages.

    Raises:
        ValueError: the stride is another, or the network's last stage does not begin with exactly two convolutions of
            stride 2 (one of the block, one of its shortcut).

    Source: Luo et al., *A Strong Baseline and Batch Normalization Neck*, TMM 2019, "Last stride".
    """
    if stride not in (1, 2):
        raise InputError(f"last_stride={stride}: give 2 (as the network is) or 1 (a map of twice the size)")
    if stride == 2:
        return
    stage = getattr(model, "layer4", None)
    block = next(iter(stage.children())) if isinstance(stage, nn.Sequential) else nn.Module()
    convolutions = {f"layer4.0.{key}": part for key, part in block.named_modules() if isinstance(part, nn.Conv2d)}
    halving = {key: part for key, part in convolutions.items() if part.stride == (2, 2)}
    if len(halving) != 2:
        layers = list(halving) if stage is not None else "no layer4"
        raise InputError(
            f"last_stride=1: the last stage of {name} should begin with two convolutions of stride 2, but has {layers};"
            f" give 2 (the Strong Baseline's experiments give 1), or choose a ResNet, SE-ResNet, SE-ResNeXt or IBN-Net"
        )
    for convolution in halving.values():
        convolution.stride = (1, 1)
