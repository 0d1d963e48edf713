"""Going on from the weights of the stage before."""

import os
from collections.abc import Collection
from pathlib import Path

from torch import nn

from reid_lit.backbones.weights import read_state
from reid_lit.records import Split


def take_up(model: nn.Module, weights: str | None, *, parts: Collection[str], stage: int, cure: str) -> None:
    """Load some parts of a model from the run of the stage before; the other parts stay as they were drawn.

    Args:
        model: Changed in place.
        weights: ``model.weights``: a run folder or its checkpoint.
        parts: Names of the modules to load.
        stage: The model's own, for the messages.
        cure: How to come by such a run, for the messages.

    Raises:
        ValueError: no run is named, or it does not hold all of these parts in these shapes.
        FileNotFoundError: it has no checkpoint.
    """
    goes_on = f"stage {stage} goes on from stage {stage - 1}"
    if weights is None:
        raise ValueError(f"{goes_on}, but model.weights=null names no run of it; {cure}")
    path = Path(weights)
    if not (path / "checkpoints" / "last.ckpt" if path.is_dir() else path).is_file():
        raise FileNotFoundError(f"{goes_on}, but there is no checkpoint in model.weights={path.resolve()}; {cure}")
    given, own = read_state(path), model.state_dict()
    wanted = [key for key in own if key.partition(".")[0] in parts]
    lacking = [key for key in wanted if key not in given or given[key].shape != own[key].shape]
    if lacking:
        raise ValueError(
            f"{goes_on}, but model.weights={path.resolve()} lacks {len(lacking)} of the {len(wanted)} tensors that it"
            f" needs, such as {lacking[0]} {list(own[lacking[0]].shape)}: that run is of another stage, backbone, width"
            f" or number of cameras; {cure}"
        )
    model.load_state_dict({key: given[key] for key in wanted}, strict=False)


def check_target(weights: str | None, split: Split) -> None:
    """Refuse a target that is the source: a data set whose training images the run before was trained on.

    Args:
        weights: ``model.weights``: a run folder or its checkpoint; a folder without a list of its images says nothing.
        split: The target.

    Raises:
        ValueError: it is.
    """
    path = Path(weights or "")
    file = (path if path.is_dir() else path.parent.parent) / "training_list.txt"
    if weights is None or not file.is_file():
        return
    own = {os.path.abspath(shot.path) for shot in split.train}  # noqa: PTH100 - resolve() asks the disk
    seen = sorted(own & {*file.read_text().splitlines()})
    if seen:
        raise ValueError(
            f"{len(seen)} of the {len(own)} training images of {split.name} are those of the source, model.weights="
            f"{weights}, such as {seen[0]}: the target is the source, and there is nothing to adapt to; set dataset="
            f"<another data set>"
        )
