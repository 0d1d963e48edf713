"""What the configs ask of the machine; imported by whatever composes them."""

from omegaconf import OmegaConf


def cpu_precision() -> str:
    """Lightning's word for the faster precision of this processor.

    bfloat16 where its products are done in hardware (AMX: 2.5 times as fast as float32); elsewhere bfloat16 is emulated
    and slower than float32.
    """
    import torch  # takes a second, and few configs ask

    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)  # torch has no public name for it
    return "bf16-mixed" if supported is not None and supported() else "32-true"


OmegaConf.register_new_resolver("cpu_precision", cpu_precision, replace=True)
