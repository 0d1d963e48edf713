"""How stripes of images are compared beside the whole images; needs no torch."""

from dataclasses import dataclass, replace

from reid_lit.errors import InputError

MATCHINGS = ("dmli", "unaligned")
QUERIES = 512
"""Compared at once; as many as a block of the distance has."""
FEATURES = ("local_pooled", "local")


@dataclass(frozen=True, kw_only=True)
class LocalDistance:
    """How stripes are compared, and what that weighs beside the distance of the whole images.

    Two stripes of unit length at the Euclidean distance d are (e^d − 1) / (e^d + 1) apart, in [0, 0.77). ``dmli`` is
    the least sum of these over a path from the first stripes of both images to the last ones, by steps to the next
    stripe of one or of the other: over 2 · stripes − 1 pairs. ``unaligned`` is the sum over stripes of the same place.

    Source: Luo et al., "AlignedReID++: Dynamically matching local information for person re-identification", PR 2019,
        equations 1 to 3; weights of 1 for the squared Euclidean distance of unit vectors, which is twice the cosine
        distance, and for the stripes: its public code.

    Attributes:
        matching: ``dmli`` (dynamically matching local information) or ``unaligned``.
        feature: Which stripes: ``local_pooled``, the row maxima of the map, or ``local``, behind the local branch.
        global_weight: Of the protocol's distance of the whole images.
        local_weight: Of the stripes' distance.
        nearest: For each query the stripes of so many entries are compared, the nearest by the whole image; all others
            follow in the order of that distance. None compares all.
        whole: Numbers of an embedding before its stripes; the model says it.
        channels: Of a stripe; the model says it. 0: there are no stripes.

    Raises:
        ValueError: an unknown word, weights below 0 or all 0, or ``nearest`` without a global weight or below 1.
    """

    matching: str
    feature: str
    global_weight: float
    local_weight: float
    nearest: int | None
    whole: int = 0
    channels: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("matching", MATCHINGS), ("feature", FEATURES)):
            if getattr(self, name) not in choices:
                raise InputError(f"local.{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}")
        if self.global_weight < 0 or self.local_weight <= 0:
            raise InputError(
                f"local.global_weight={self.global_weight:g}, local_weight={self.local_weight:g}: give 0 or more for"
                " the whole images, above 0 for their stripes; local=null compares whole images alone"
            )
        if self.nearest is not None and (self.nearest < 1 or not self.global_weight):
            raise InputError(
                f"local.nearest={self.nearest}: give 1 or more, and a global_weight above 0, by which the others"
                " follow; null compares the stripes of all"
            )

    @property
    def stamp(self) -> str:
        """The comparison in words."""
        name = "DMLI" if self.matching == "dmli" else "unaligned stripes"
        words = f"{self.global_weight:g} × global + {self.local_weight:g} × {name} of {self.feature}"
        return words if self.nearest is None else f"{words}, among the {self.nearest} nearest by global"

    def of(self, *, whole: int, channels: int) -> "LocalDistance":
        """The same for embeddings of this layout."""
        return replace(self, whole=whole, channels=channels)

    def needed(self, gallery: int, dim: int) -> int:
        """Bytes above the embeddings: the gallery without junk, and the tiles."""
        stripes = (dim - self.whole) // max(self.channels, 1)
        return 4 * gallery * dim + 128 * 2**20 + 4 * QUERIES * (self.nearest or 0) + 4 * QUERIES * (dim + stripes)
