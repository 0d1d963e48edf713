"""What an adaptation may not read: the persons of its target."""

from typing import Any

from reid_lit.errors import InputError


def check_blind(data: Any, *, own_classes: bool) -> None:
    """Refuse data of an unlabelled target that are dealt out by its persons.

    Args:
        data: The datamodule of the target, set up.
        own_classes: Whether the model gives the images classes of its own, which a sampler may read.

    Raises:
        ValueError: persons are held out for validation, or batches are drawn by person.
    """
    if getattr(data, "validation", None) is not None:
        raise InputError(
            f"dataset.val_persons={data.val_persons} holds persons of {data.split.name} out by their labels, which an"
            f" adaptation to it does not read; set dataset.val_persons=0 (callbacks.health.selection chooses an epoch"
            f" without labels, callbacks.health.oracle=true shows scores by labels apart)"
        )
    sampler = getattr(data, "sampler", None)
    if not own_classes and getattr(getattr(sampler, "func", sampler), "reads_labels", False):
        raise InputError(
            f"this sampler draws batches of {data.split.name} by its persons' labels, which an adaptation to it does"
            f" not read; set sampler=shuffle"
        )
