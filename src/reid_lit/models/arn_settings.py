"""Which settings of ARN can be trained."""

from collections.abc import Mapping

from reid_lit.errors import InputError

PARTS = ("backbone", "shared", "private", "decoder", "classifier")


def check_weights(*, reconstruction_weight: float, difference_weight: float, private: bool, labels: bool) -> None:
    """Raise InputError unless the weights are ≥ 0 and some loss trains each part.

    Args:
        reconstruction_weight: β.
        difference_weight: γ.
        private: Whether there are private encoders.
        labels: Whether a loss reads the source's persons.
    """
    if min(reconstruction_weight, difference_weight) < 0:
        raise InputError(
            f"reconstruction_weight={reconstruction_weight} and difference_weight={difference_weight}: a weight is ≥ 0"
        )
    if private and not (reconstruction_weight or difference_weight):
        raise InputError(
            "private=true with reconstruction_weight=0 and difference_weight=0: nothing trains the private encoders;"
            " set private=false"
        )
    if not labels and not private and not reconstruction_weight:
        raise InputError(
            "private=false, reconstruction_weight=0 and criterion=null: nothing is trained; leave one of them as it was"
        )


def check_training(train_backbone_epochs: int, lr_scales: Mapping[str, float], *, cached_maps: bool) -> None:
    """Raise InputError unless the epochs are ≥ 0, maps are kept of a frozen backbone alone, and all rates are ≥ 0."""
    if cached_maps and train_backbone_epochs > 0:
        raise InputError(
            f"cached_maps=true with train_backbone_epochs={train_backbone_epochs}: maps are computed once, and training"
            f" the backbone changes them; set train_backbone_epochs=0"
        )
    if train_backbone_epochs < 0:
        raise InputError(f"train_backbone_epochs={train_backbone_epochs}: give 0, which freezes the backbone, or more")
    if set(lr_scales) != set(PARTS) or min(lr_scales.values()) < 0:
        raise InputError(f"lr_scales={dict(lr_scales)}: give each of {', '.join(PARTS)} a number ≥ 0")
