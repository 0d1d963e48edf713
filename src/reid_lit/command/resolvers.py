"""What the configs ask of the machine; imported by whatever composes them."""

import itertools
from pathlib import Path

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


def new_folder(path: str) -> str:
    """A folder that no other process has, made here: ``path``, or ``path_2`` and so on where that is there already.

    Two commands that start in the same second would share a folder that is named by the time.
    """
    names = itertools.chain([path], (f"{path}_{number}" for number in itertools.count(2)))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return next(name for name in names if _is_made(Path(name)))


def _is_made(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


OmegaConf.register_new_resolver("cpu_precision", cpu_precision, replace=True)
OmegaConf.register_new_resolver("new_folder", new_folder, replace=True, use_cache=True)
