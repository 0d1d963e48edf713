"""What the configs ask of the machine; imported by whatever composes them."""

import os
import string

from omegaconf import OmegaConf

_DEPTHWISE = ("efficientnet", "tf_efficientnet", "mobilenet")
"""How names of networks begin whose convolutions are depthwise: in bfloat16 they are slower than in float32."""


def cpu_precision(backbone: str = "") -> str:
    """Lightning's word for the faster precision of this processor.

    bfloat16 where its products are done in hardware (AMX: 2.5 times as fast as float32 for a ResNet-18, AVX512-BF16:
    1.7 times); elsewhere bfloat16 is emulated and slower than float32. Measured by ``scripts/bench_cpu.py``.

    Args:
        backbone: The backbone's name. A network of depthwise convolutions is faster in float32 (1.7 times for an
            EfficientNet-Lite0).
    """
    import torch  # takes a second, and few configs ask

    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # torch has no public names for them
    supported = any(getattr(torch.cpu, name, bool)() for name in names)
    return "bf16-mixed" if supported and not str(backbone).startswith(_DEPTHWISE) else "32-true"


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
