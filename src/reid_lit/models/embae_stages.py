"""The stages of EmbAE's autoencoder and their variants: what each trains, and which settings fit together."""

from reid_lit.errors import InputError

VARIANTS = ("plain", "fix", "new", "cam")
PARTS = ("neck", "nuisance", "decoder")


def trained_parts(stage: int, variant: str | None, *, epoch: int, nuisance_epochs: int) -> frozenset[str]:
    """Which of ``neck`` (θ_emb), ``nuisance`` (θ_nui) and ``decoder`` (θ_dec) learn in an epoch; the rest is frozen.

    Args:
        stage: 2, the autoencoder on the source, or 3, on the target.
        variant: Of stage 3: ``plain`` trains all; ``fix`` freezes θ_nui; ``new`` and ``cam`` train a new θ_nui alone,
            then all but it.
        epoch: Counted from 0.
        nuisance_epochs: Epochs in which ``new`` and ``cam`` train θ_nui.

    Source: Feng et al., ICANN 2018, section 3.
    """
    if stage == 2:
        return frozenset({"nuisance", "decoder"})
    if variant in ("new", "cam") and epoch < nuisance_epochs:
        return frozenset({"nuisance"})
    return frozenset(PARTS if variant == "plain" else {"neck", "decoder"})


def ever_trained(stage: int, variant: str | None, *, nuisance_epochs: int) -> frozenset[str]:
    """The parts that learn in any epoch."""
    first, later = (
        trained_parts(stage, variant, epoch=epoch, nuisance_epochs=nuisance_epochs) for epoch in (0, nuisance_epochs)
    )
    return first | later


def inherited_parts(stage: int, variant: str | None) -> frozenset[str]:
    """The parts whose weights are those of the stage before; ``new`` and ``cam`` start with a new θ_nui."""
    if stage == 2:
        return frozenset({"backbone", "neck"})
    return frozenset({"backbone", "neck", "decoder"} | ({"nuisance"} if variant in ("plain", "fix") else set()))


def check_stage(stage: int, variant: str | None, cameras: int | None, nuisance_epochs: int) -> None:
    """Raise InputError unless the settings fit together.

    Raises:
        ValueError: the stage or its variant is unknown, or ``cameras`` or ``nuisance_epochs`` does not fit the variant.
    """
    if stage not in (2, 3):
        raise InputError(f"stage={stage}: give 2 or 3; stage 1 is model=strong with neck=embae")
    if stage == 2 and variant is not None:
        raise InputError(f"variant={variant} belongs to stage 3; set variant=null or stage=3")
    if stage == 3 and variant not in VARIANTS:
        raise InputError(f"variant={variant or 'null'} is unknown; choose one of {', '.join(VARIANTS)}")
    if stage == 3 and (variant == "cam") != (cameras is not None):
        raise InputError(
            f"variant={variant} with cameras={'null' if cameras is None else cameras}: cam has a nuisance encoder for"
            f" each camera of the target, so give their number; the other variants have one for all, cameras=null"
        )
    if nuisance_epochs < 1:
        raise InputError(f"nuisance_epochs={nuisance_epochs}: give 1 or more")
