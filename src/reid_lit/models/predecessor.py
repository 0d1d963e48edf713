"""Going on from the weights of the stage before."""

from collections.abc import Collection
from pathlib import Path

from torch import nn

from reid_lit.backbones.checkpoint import read_checkpoint, weights_file
from reid_lit.backbones.weights import read_state, tensors_of
from reid_lit.errors import InputError, MissingFileError
from reid_lit.wording import counted


def take_up(model: nn.Module, weights: str | None, *, parts: Collection[str], stage: int, cure: str) -> Collection[str]:
    """Load some parts of a model from the run of the stage before; the other parts stay as they were drawn.

    Args:
        model: Changed in place.
        weights: ``model.weights``: a run folder or its checkpoint.
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
    goes_on = f"stage {stage} goes on from stage {stage - 1}"
    if weights is None:
        raise InputError(f"{goes_on}, but model.weights=null names no run of it; {cure}")
    path = Path(weights)
    file = weights_file(path) if path.is_dir() else path
    if not file.is_file():
        raise MissingFileError(f"{goes_on}, but there is no checkpoint in model.weights={path.resolve()}; {cure}")
    checkpoint = {"state_dict": read_state(file)} if file.suffix == ".safetensors" else read_checkpoint(file)
    if checkpoint.get("stage", stage - 1) != stage - 1:
        found = checkpoint["stage"]
        raise InputError(f"{goes_on}, but model.weights={path.resolve()} is a run of stage {found}; {cure}")
    given, own = tensors_of(checkpoint), model.state_dict()
    wanted = [key for key in own if key.partition(".")[0] in parts]
    lacking = [key for key in wanted if key not in given or given[key].shape != own[key].shape]
    if lacking:
        raise InputError(
            f"{goes_on}, but model.weights={path.resolve()} lacks {len(lacking)} of the"
            f" {counted(len(wanted), 'tensor')} that it needs, such as {lacking[0]} {list(own[lacking[0]].shape)}:"
            f" that run is of another stage, backbone, width or number of cameras; {cure}"
        )
    model.load_state_dict({key: given[key] for key in wanted}, strict=False)
    return given.keys()
