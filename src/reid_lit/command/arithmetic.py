"""The arithmetic that trainings and tests share."""

import torch


def set_arithmetic() -> None:
    """Let float32 products be rounded, in every command that computes: a run is tested as it was trained."""
    torch.set_float32_matmul_precision("high")
