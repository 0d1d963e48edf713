"""What an adaptation may not read: the persons of its target."""

from reid_lit.errors import InputError
from reid_lit.models.training_data import TrainingData


def check_blind(data: TrainingData, *, own_classes: bool) -> None:
    """Raise InputError if the labels of an unlabelled target decide what is trained on.

    Args:
        data: The datamodule of the target, set up.
        own_classes: Whether the model gives the images classes of its own, which a sampler may read.

    Raises:
        ValueError: persons are held out for validation, or batches are drawn by person.
    """
    if data.validation is not None:
        raise InputError(
            f"val_persons={data.val_persons} holds persons of {data.split.name} out by their labels, which an"
            f" adaptation does not read; set dataset.val_persons=0 (callbacks.health.selection chooses an epoch"
            f" without labels, callbacks.health.oracle=true logs scores that use labels)"
        )
    if not own_classes and data.draws_by_person:
        raise InputError(
            f"this sampler draws batches of {data.split.name} by its persons' labels, which an adaptation does not"
            f" read; set sampler=shuffle"
        )
