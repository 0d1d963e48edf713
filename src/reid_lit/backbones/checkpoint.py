"""Files of weights: which one a run is tested by, and how any is read without executing what it holds."""

from pathlib import Path
from typing import Any

from reid_lit.errors import InputError


def weights_file(folder: Path) -> Path:
    """The checkpoint of a run that is tested: of the chosen epoch if there is one, else the last."""
    chosen = folder / "checkpoints" / "chosen.ckpt"
    return chosen if chosen.is_file() else chosen.with_name("last.ckpt")


def read_checkpoint(file: Path) -> dict[str, Any]:
    """A checkpoint as ``torch.load(weights_only=True)`` reads it.

    Raises:
        InputError: the file holds code (an arbitrary pickle) or is damaged; nothing of it was executed.
    """
    import torch  # here, so that a page or a report can name the file without loading torch

    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, ... for the many kinds of damage
        raise InputError(
            f"{file}: refused, since it is damaged or holds code in addition to tensors ({str(error).splitlines()[0]});"
            " save a plain state_dict, or a *.safetensors"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: holds a {type(content).__name__}, not a state_dict; save model.state_dict()")
    return content
