"""What the configs ask of the machine; imported by whatever composes them."""

import os
import string
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

_DEPTHWISE = ("efficientnet", "tf_efficientnet", "mobilenet")
"""How names of networks begin whose convolutions are depthwise: in bfloat16 they are slower than in float32."""

_LEAST_SIDE = 32
"""Pixels of a side of an image that four halvings leave 2 of."""


def cpu_precision(backbone: str = "", size: Any = None) -> str:
    """Lightning's word for the faster precision of this processor.

    bfloat16 where its products are done in hardware (AMX: 2.5 times as fast as float32 for a ResNet-18, AVX512-BF16:
    1.7 times); elsewhere bfloat16 is emulated and slower than float32. Measured by ``scripts/bench_cpu.py``.

    Args:
        backbone: The backbone's name. A network of depthwise convolutions is faster in float32 (1.7 times for an
            EfficientNet-Lite0).
        size: Height and width of the images. Where one is below 32, the last stage of most networks gets maps one pixel
            wide, and torch's bfloat16 on a CPU leaves some of the gradient of its convolutions of stride 2 unwritten
            (seen with torch 2.15): such images are trained on in float32.
    """
    import torch  # takes a second, and few configs ask

    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # torch has no public names for them
    supported = any(getattr(torch.cpu, name, bool)() for name in names)
    if str(backbone).startswith(_DEPTHWISE) or _is_below(size, _LEAST_SIDE):
        return "32-true"
    return "bf16-mixed" if supported else "32-true"


def _is_below(size: Any, least: int) -> bool:
    """Whether a side is shorter; what is no size is refused elsewhere."""
    sides = size if isinstance(size, Sequence) and not isinstance(size, str) else ()
    return any(isinstance(side, int) and side < least for side in sides)


def process_mark() -> str:
    """A few letters that no other process of this machine has, for folders that are named by the second."""
    number, letters = os.getpid(), ""
    while number:
        number, place = divmod(number, len(_LETTERS))
        letters = _LETTERS[place] + letters
    return letters


_LETTERS = string.digits + string.ascii_lowercase


OmegaConf.register_new_resolver("cpu_precision", cpu_precision, replace=True)
OmegaConf.register_new_resolver("process_mark", process_mark, replace=True)
