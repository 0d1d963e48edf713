"""Starting from the weights of another run, such as that of the stage before."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from reid_lit.backbones.checkpoint import read_checkpoint, weights_file
from reid_lit.backbones.weights import read_state, tensors_of
from reid_lit.errors import InputError, MissingFileError
from reid_lit.wording import counted


def load_parts(
    model: nn.Module, weights: str | None, *, parts: Collection[str], stage: int | None, cure: str
) -> Mapping[str, Tensor]:
    """Load some parts of a model from another run; the other parts stay as they were drawn.

    Args:
        model: Changed in place.
        weights: A run folder or its checkpoint, as the model was given it.
        parts: Names of the modules to load.
        stage: The model's own, which starts from a run of the stage before; None: it starts from a run of any stage.
        cure: How to come by such a run, for the messages.

    Returns:
        All tensors of that run, by name.

    Raises:
        ValueError: no run is named, it is of another stage than the one before, or it does not hold all of these parts
            in these shapes.
        FileNotFoundError: it has no checkpoint.
    """
    own = "this training" if stage is None else f"stage {stage}"
    starts = f"{own} starts from a run{'' if stage is None else f' of stage {stage - 1}'}"
    checkpoint = _read(weights, starts, cure)
    if stage is not None and checkpoint.get("stage", stage - 1) != stage - 1:
        raise InputError(f"weights={weights} is a run of stage {checkpoint['stage']}, but {starts}; {cure}")
    tensors = tensors_of(checkpoint)
    needed = {name for name in model.state_dict() if name.partition(".")[0] in parts}
    if lacking := _load(model, tensors, needed):
        raise InputError(
            f"weights={weights} lacks {len(lacking)} of the {counted(len(needed), 'tensor')} that {own} loads,"
            f" such as {lacking[0]} {list(model.state_dict()[lacking[0]].shape)}: that run is of another"
            f" {'' if stage is None else 'stage, '}backbone, width or number of cameras; {cure}"
        )
    return tensors


def load_pool(model: nn.Module, held: Mapping[str, Tensor]) -> bool:
    """Load a run's pool; whether it has the weights of the model's, by name and shape, which may be none at all."""
    own, its = _names(model.state_dict(), "pool"), _names(held, "pool")
    return own == its and not _load(model, held, own)


def load_same_pool(model: nn.Module, weights: str | None, held: Mapping[str, Tensor], *, cure: str) -> None:
    """Load a run's pool, behind which its neck stood.

    Args:
        model: Changed in place.
        weights: The run, as the model was given it.
        held: All tensors of the run, as :func:`load_parts` gives them.
        cure: How to give that pool or to come by another run, for the message.

    Raises:
        ValueError: the run has another pool.
    """
    if not load_pool(model, held):
        raise InputError(
            f"weights={weights}: the pool of that run has other weights than model.pool, and its neck stood behind it;"
            f" give the pool that it was trained with, {cure}"
        )


def load_head(model: nn.Module, held: Mapping[str, Tensor], *, averages: bool) -> str:
    """Load a run's pool and neck where they fit: the statistics of a neck are those of features of one pool.

    Args:
        model: Changed in place.
        held: All tensors of the run, as :func:`load_parts` gives them.
        averages: Whether the model's pool gives the mean of a map, as one without weights does.

    Returns:
        What was loaded and what was not, in words.
    """
    its = _names(held, "pool")
    if not its and not averages:
        return (
            "its backbone alone: it has no weights of a pool, as after the mean of a map, and its neck would not fit"
            " behind another pool; model.pool.p=1.0 starts as the mean"
        )
    if its and not load_pool(model, held):
        return "its backbone alone: model.pool is another than its own, and its neck would not fit behind it"
    loaded = "its backbone and pool" if its else "its backbone"
    neck = _names(model.state_dict(), "neck")
    if neck and _load(model, held, neck):
        return f"{loaded}; its neck has other weights than this one"
    return f"{loaded}, and its neck" if neck else loaded


def _read(weights: str | None, starts: str, cure: str) -> Mapping[str, Any]:
    if weights is None:
        raise InputError(f"weights=null, but {starts}; {cure}")
    path = Path(weights)
    file = weights_file(path) if path.is_dir() else path
    if not file.is_file():
        raise MissingFileError(f"weights={weights}: no checkpoint in {path.resolve()}, but {starts}; {cure}")
    return {"state_dict": read_state(file)} if file.suffix == ".safetensors" else read_checkpoint(file)


def _names(tensors: Iterable[str], part: str) -> frozenset[str]:
    return frozenset(name for name in tensors if name.startswith(f"{part}."))


def _load(model: nn.Module, held: Mapping[str, Tensor], names: Collection[str]) -> list[str]:
    """Load these tensors, or, where the run lacks some of them, none; gives the names of those that it lacks."""
    state = model.state_dict()
    lacking = [name for name in state if name in names and getattr(held.get(name), "shape", None) != state[name].shape]
    if not lacking:
        model.load_state_dict({name: held[name] for name in names}, strict=False)
    return lacking
