"""Starting from the weights of the stage before."""

from collections.abc import Collection
from pathlib import Path

from torch import nn

from reid_lit.backbones.checkpoint import read_checkpoint, weights_file
from reid_lit.backbones.weights import read_state, tensors_of
from reid_lit.errors import InputError, MissingFileError
from reid_lit.wording import counted


def load_parts(
    model: nn.Module, weights: str | None, *, parts: Collection[str], stage: int, cure: str
) -> Collection[str]:
    """Load some parts of a model from the run of the stage before; the other parts stay as they were drawn.

    Args:
        model: Changed in place.
        weights: A run folder or its checkpoint, as the model was given it.
        parts: Names of the modules to load.
        stage: The model's own, for the messages.
        cure: How to come by such a run, for the messages.

    Returns:
        The names of all tensors of that run.

    Raises:
        ValueError: no run is named, it is of another stage than the one before, or it does not hold all of these parts
            in these shapes.
        FileNotFoundError: it has no checkpoint.
    """
    starts = f"stage {stage} starts from a run of stage {stage - 1}"
    if weights is None:
        raise InputError(f"weights=null, but {starts}; {cure}")
    path = Path(weights)
    file = weights_file(path) if path.is_dir() else path
    if not file.is_file():
        raise MissingFileError(f"weights={weights}: no checkpoint in {path.resolve()}, but {starts}; {cure}")
    checkpoint = {"state_dict": read_state(file)} if file.suffix == ".safetensors" else read_checkpoint(file)
    if checkpoint.get("stage", stage - 1) != stage - 1:
        raise InputError(f"weights={weights} is a run of stage {checkpoint['stage']}, but {starts}; {cure}")
    tensors, state = tensors_of(checkpoint), model.state_dict()
    needed = [key for key in state if key.partition(".")[0] in parts]
    lacking = [key for key in needed if key not in tensors or tensors[key].shape != state[key].shape]
    if lacking:
        raise InputError(
            f"weights={weights} lacks {len(lacking)} of the {counted(len(needed), 'tensor')} that stage {stage} loads,"
            f" such as {lacking[0]} {list(state[lacking[0]].shape)}: that run is of another stage, backbone, width or"
            f" number of cameras; {cure}"
        )
    model.load_state_dict({key: tensors[key] for key in needed}, strict=False)
    return tensors.keys()
