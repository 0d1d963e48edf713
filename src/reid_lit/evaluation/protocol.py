"""The choices that make two retrieval scores comparable or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from reid_lit.evaluation.lists import Lists
from reid_lit.records import Rules

CHOICES = {
    "ap": ("step", "trapezoid", "sklearn"),
    "camera_rule": ("cross_camera", "any_camera", "auto"),
    "distance": ("euclidean", "cosine"),
    "feature": ("embedding", "feature"),
}


@dataclass(frozen=True)
class Protocol:
    """How a ranking is scored.

    Attributes:
        ap: Convention of the average precision, one of ``step`` (strong baseline, FastReID, torchreid), ``trapezoid``
            (Market-1501's MATLAB code, layumi) and ``sklearn`` (open-reid: tied distances share one threshold).
        camera_rule: ``cross_camera`` removes the query's person under the query's camera; ``any_camera`` removes
            nothing but junk; ``auto`` is ``any_camera`` when there is a single camera, ``cross_camera`` otherwise.
        distance: ``euclidean`` or ``cosine``.
        feature: Which output of a model is compared: ``embedding`` (behind the neck) or ``feature`` (the pooled map).
        flip: Test-time augmentation: compare the mean of what the image and its mirror image give.
        ranks: The ranks k, from 1, at which the CMC curve is reported.
        single_gallery_shot: How often one image of each gallery person is drawn and ranked, for a CMC that is the mean
            over the draws (CUHK03's classic protocol, 10 draws); there is no mAP then. 0 ranks the whole gallery once.
        separation: Give R too, the ratio of distances within persons to those between them.

    Raises:
        ValueError: an unknown word, ranks that are not positive, or a negative number of draws.
    """

    ap: str = "step"
    camera_rule: str = "cross_camera"
    distance: str = "euclidean"
    feature: str = "embedding"
    flip: bool = False
    ranks: Sequence[int] = (1, 5, 10, 20)
    single_gallery_shot: int = 0
    separation: bool = False

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            _check(name, getattr(self, name), choices)
        object.__setattr__(self, "ranks", tuple(self.ranks))  # Hydra hands over a list
        if not self.ranks or any(rank < 1 for rank in self.ranks):
            raise ValueError(f"evaluation.ranks={list(self.ranks)}: give one rank or more, counted from 1")
        if self.single_gallery_shot < 0:
            raise ValueError(f"evaluation.single_gallery_shot={self.single_gallery_shot}: give the draws, 0 for none")

    def under(self, rules: Rules) -> "Protocol":
        """The protocol with what a data set's own rules prescribe."""
        draws = rules.single_gallery_shot or self.single_gallery_shot
        return replace(self, ap=rules.ap or self.ap, single_gallery_shot=draws)


def resolve(protocol: Protocol, lists: Lists) -> Protocol:
    """The protocol with ``camera_rule=auto`` replaced by the rule that the lists call for."""
    if protocol.camera_rule != "auto":
        return protocol
    return replace(protocol, camera_rule="any_camera" if lists.single_camera else "cross_camera")


def _check(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value in choices:
        return
    near = get_close_matches(str(value), choices, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"evaluation.{name}={value!r} is unknown; choose one of {', '.join(choices)}{hint}")
