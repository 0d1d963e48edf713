"""Which images a run has learnt from, itself and through the runs whose weights it started from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from reid_lit.data.families import shown_among
from reid_lit.errors import InputError
from reid_lit.paths import write_text
from reid_lit.records import Shot, absolute

STARTS = ("model.weights", "backbone.weights")
"""The keys that name a run to start from."""

_TRAINED, _LABELLED = "training_list.txt", "labelled_list.txt"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The images that weights have learnt from.

    Attributes:
        trained: Absolute paths of all of them.
        labelled: Of those whose persons were read.
    """

    trained: frozenset[str] = frozenset()
    labelled: frozenset[str] = frozenset()

    def __or__(self, other: "Lineage") -> "Lineage":
        return Lineage(self.trained | other.trained, self.labelled | other.labelled)

    def write(self, folder: Path) -> None:
        """Keep it in the folder of the run."""
        for name, paths in ((_TRAINED, self.trained), (_LABELLED, self.labelled)):
            write_text(folder / name, "".join(f"{path}\n" for path in sorted(paths)))


def read_lineage(run: Path) -> Lineage:
    """The lineage of a run folder: empty without a list of images, all labelled without a list of labelled ones."""
    trained, labelled = (run / name for name in (_TRAINED, _LABELLED))
    known = _paths(trained) if trained.is_file() else frozenset()
    return Lineage(known, _paths(labelled) if labelled.is_file() else known)


def _paths(file: Path) -> frozenset[str]:
    """The lines of a list of images.

    Raises:
        InputError: it is damaged; what was trained on could not be kept apart from what is tested on.
    """
    try:
        return frozenset(filter(None, file.read_text(encoding="utf-8").split("\n")))
    except ValueError as error:
        raise InputError(
            f"{file}: damaged ({error}); it says which images were trained on. Copy the run's folder anew"
        ) from error


def inherited(config: DictConfig) -> Lineage:
    """The lineage of the runs that a run starts from; a file of weights has none."""
    lineage = Lineage()
    for key in STARTS:
        value = OmegaConf.select(config, key, default=None)
        if value not in (None, "none", "imagenet"):
            lineage |= lineage_of(value)
    return lineage


def lineage_of(weights: str) -> Lineage:
    """The lineage of a run, by its folder or by a checkpoint in it; empty for any other file."""
    path = Path(weights)
    return read_lineage(path.parents[1] if path.parent.name == "checkpoints" else path)


def check_apart(target: Iterable[Shot], labelled: frozenset[str], *, name: str) -> None:
    """Refuse a target whose persons are known to the weights that are adapted to it.

    Args:
        target: Training images of the target.
        labelled: The images whose persons the weights have learnt.
        name: The target's, for the message.

    Raises:
        ValueError: there are such images: the target is the source, or shows its persons on other images.
    """
    images = absolute(target)
    seen, of_whom = shown_among(images, labelled)
    what = f"show persons of the source ({of_whom})" if of_whom else "are those of the source"
    if seen:
        raise InputError(
            f"{len(seen)} of the {len(images)} training images of {name} {what}, such as {seen[0]}:"
            f" the run that this one starts from, or one before that, has learnt their persons, and there is nothing"
            f" to adapt to; set another target, or start from a run on another source ({' or '.join(STARTS)})"
        )
