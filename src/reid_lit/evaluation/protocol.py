"""The choices that make two retrieval scores comparable or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from reid_lit.errors import InputError
from reid_lit.evaluation.interfaces import Expanding, Reranking
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.records import Rules

CHOICES = {
    "ap": ("step", "trapezoid", "sklearn"),
    "camera_rule": ("cross_camera", "any_camera", "auto"),
    "clothes_rule": ("general", "changed_clothes", "same_clothes"),
    "distance": ("euclidean", "cosine"),
    "feature": ("embedding", "feature", "pooled", "joined"),
    "junk": ("without", "with"),
    "track_queries": ("tracks", "images"),
    "tracks": ("none", "mean", "quality", "nearest"),
}


@dataclass(frozen=True)
class Protocol:
    """How a ranking is scored.

    Attributes:
        ap: Convention of the average precision, one of ``step`` (strong baseline, FastReID, torchreid), ``trapezoid``
            (Market-1501's MATLAB code, layumi) and ``sklearn`` (open-reid: tied distances share one threshold).
        camera_rule: ``cross_camera`` removes the query's person under the query's camera; ``any_camera`` removes
            nothing but junk; ``auto`` is ``any_camera`` when there is a single camera, ``cross_camera`` otherwise.
        clothes_rule: ``changed_clothes`` also removes the query's person in the query's clothes, ``same_clothes`` the
            query's person in all other clothes; ``general`` removes nothing more.
        distance: ``euclidean`` or ``cosine``.
        feature: Which output of a model is compared: ``embedding`` (behind the neck), ``feature`` (the pooled map; of a
            model of parts, all of them behind their reductions) ``pooled`` (its parts before them, each of unit length)
            or ``joined`` (of TransReID's jigsaw: the whole image and its pieces).
        flip: Test-time augmentation: compare the mean of the embeddings of the image and of its mirror image.
        crops: Test-time augmentation: height and width in pixels of five crops, the corners and the centre, whose
            mean is compared; with ``flip`` the mean of ten. They are smaller than the images
            (``transform.test_scale``). None compares whole images.
        ranks: The ranks k, from 1, at which the CMC curve is reported.
        single_gallery_shot: How often one image of each gallery person is drawn and ranked, for a CMC that is the mean
            over the draws (CUHK03's classic protocol, 10 draws); there is no mAP then. 0 ranks the whole gallery once.
        separation: Give R too, the ratio of distances within persons to those between them.
        expansion: Query expansion, the first step, such as :class:`.expansion.Expansion`; None for none.
        rerank: Re-ranking, such as :class:`.reciprocal.KReciprocal`; None ranks by the distance alone.
        search: How expansion and re-ranking find neighbours, such as :class:`.search.FaissSearch`; None is exact.
        junk: ``with`` counts junk among the neighbours in expansion and re-ranking, ``without`` leaves it out; neither
            ranks it.
        local: How stripes are compared beside the whole images, for a model with a local branch; None: not at all.
        tracks: Rank tracks in place of images, each by the ``mean`` of its images' unit vectors, or by that mean with
            weights, the lengths of the vectors before (``quality``); ``nearest``, for queries that are images, by the
            nearest of its images; ``none`` ranks images.
        track_queries: Of tracks: ``tracks``, or ``images``, where each query is an image and the gallery is of tracks.
        reassociation: Of tracks: the edges, in seconds, of ranges of time gaps for which MRR, rank-1 and AUC of
            re-association are given.
        memory_limit_gb: What ranking, re-ranking, expansion and search may use above the embeddings, in 10⁹ bytes; None
            for no limit.
        roc: False positive rates, in (0, 1), at which to give the true positive rate over all pairs, and its threshold.
        camera_pairs: Give the scores of each pair of query camera and gallery camera too.
        view_pairs: Give the scores of each pair of the query's view and the gallery images' view too, and those among
            images of the query's own view and of all others.
        bootstrap: How often queries are drawn again for 95 % intervals of rank-1 and mAP; 0 gives none.
        open_set: False alarm rates, in (0, 1), at which to give the detection and identification rate, and its
            threshold.
        open_set_share: Share of the queries' persons, in [0, 1), taken out of the gallery for ``open_set``; 0 where
            the persons of enough queries are not in it.
        identification: False positive identification rates, in (0, 1), at which to give the false negative
            identification rate, the mean over random galleries, with an interval.
        identification_galleries: The number of these galleries.
        identification_enrolled: Share of the queries' persons, in (0, 1], enrolled in each of them.

    Raises:
        ValueError: an unknown word, ranks or a limit that are not positive, a negative number of draws, a rate outside
            (0, 1), or no gallery.
    """

    ap: str = "step"
    camera_rule: str = "cross_camera"
    clothes_rule: str = "general"
    distance: str = "euclidean"
    feature: str = "embedding"
    flip: bool = False
    crops: Sequence[int] | None = None
    ranks: Sequence[int] = (1, 5, 10, 20)
    single_gallery_shot: int = 0
    separation: bool = False
    expansion: Expanding | None = None
    rerank: Reranking | None = None
    search: Any = None
    junk: str = "without"
    local: LocalDistance | None = None
    tracks: str = "none"
    track_queries: str = "tracks"
    reassociation: Sequence[int | float] = ()
    memory_limit_gb: float | None = None
    roc: Sequence[float] = ()
    camera_pairs: bool = False
    view_pairs: bool = False
    bootstrap: int = 0
    open_set: Sequence[float] = ()
    open_set_share: float = 0.5
    identification: Sequence[float] = ()
    identification_galleries: int = 100
    identification_enrolled: float = 0.5

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            _check(name, getattr(self, name), choices)
        object.__setattr__(self, "ranks", tuple(self.ranks))  # a config gives a list
        object.__setattr__(self, "crops", self.crops and tuple(self.crops))
        if self.crops is not None and (len(self.crops) != 2 or min(self.crops) < 1):
            raise InputError(f"crops={list(self.crops)}: give [height, width] in pixels, null for none")
        if not self.ranks or any(rank < 1 for rank in self.ranks):
            raise InputError(f"ranks={list(self.ranks)}: give one rank or more, counted from 1")
        if self.single_gallery_shot < 0:
            raise InputError(f"single_gallery_shot={self.single_gallery_shot}: give the number of draws, 0 for none")
        if self.memory_limit_gb is not None and self.memory_limit_gb <= 0:
            raise InputError(f"memory_limit_gb={self.memory_limit_gb}: give GB above 0, null for no limit")
        if self.bootstrap < 0:
            raise InputError(f"bootstrap={self.bootstrap}: give the number of resamples, such as 1000, 0 for none")
        if not 0 <= self.open_set_share < 1:
            raise InputError(f"open_set_share={self.open_set_share}: give a share from 0 to below 1")
        self._check_identification()
        self._check_local()
        self._check_tracks()
        for name in ("roc", "open_set", "identification"):
            object.__setattr__(self, name, _rates(name, getattr(self, name)))

    def _check_identification(self) -> None:
        if self.identification_galleries < 1:
            given = self.identification_galleries
            raise InputError(f"identification_galleries={given}: give the number of random galleries, such as 100")
        if not 0 < self.identification_enrolled <= 1:
            raise InputError(f"identification_enrolled={self.identification_enrolled}: give a share above 0, up to 1")

    def _check_tracks(self) -> None:
        object.__setattr__(self, "reassociation", tuple(self.reassociation))
        edges = self.reassociation
        if list(edges) != sorted({edge for edge in edges if 0 < edge < float("inf")}):
            raise InputError(
                f"reassociation={list(edges)}: give ascending seconds above 0, such as [1,10,60]; [] for none"
            )
        if edges and self.tracks == "none":
            raise InputError(f"reassociation={list(edges)}: it is measured between tracks; set tracks=mean too")
        for name in ("local", "single_gallery_shot", "view_pairs"):
            if self.tracks != "none" and getattr(self, name):
                raise InputError(f"tracks={self.tracks} and {name}: it compares single images; leave out one of them")
        self._check_track_queries()

    def _check_track_queries(self) -> None:
        if self.track_queries == "images":
            if self.tracks == "none":
                raise InputError("track_queries=images: no tracks are ranked for them; set tracks=mean or nearest too")
            if self.reassociation:
                given = f"reassociation={list(self.reassociation)}"
                raise InputError(f"track_queries=images and {given}: it is between tracks; leave out one of them")
        elif self.tracks == "nearest":
            raise InputError("tracks=nearest: it is the image nearest to a query that is one; set track_queries=images")
        for name in ("rerank", "expansion", "separation"):
            if self.tracks == "nearest" and getattr(self, name):
                raise InputError(f"tracks=nearest and {name}: it needs one vector of each track; set tracks=mean")

    def _check_local(self) -> None:
        """Raise InputError where stripes are to be compared by what compares whole images alone."""
        if self.local is None:
            return
        for name in ("expansion", "search", "separation"):
            if getattr(self, name):
                raise InputError(f"{name} and local: it compares whole images alone; leave out one of them")
        if self.rerank is not None and self.local.nearest is not None:
            raise InputError(
                f"rerank and local.nearest={self.local.nearest}: re-ranking compares images of the gallery with each"
                " other too; set local.nearest=null, which compares the stripes of all"
            )
        if self.rerank is not None and not getattr(self.rerank, "takes_local", False):
            raise InputError(
                "rerank and local: this re-ranking compares whole images alone; choose k-reciprocal with"
                " variant=reference (evaluation=aligned_rerank), or set one of them to null"
            )

    @property
    def by_neighbours(self) -> bool:
        """Whether a distance depends on other images than the two."""
        among_nearest = self.local is not None and self.local.nearest is not None
        return self.expansion is not None or self.rerank is not None or among_nearest

    @property
    def augmentation(self) -> str:
        """The test-time augmentation, in words."""
        views = {"five crops": self.crops is not None, "flip": self.flip}
        return " × ".join(name for name, used in views.items() if used) or "none"

    def under(self, rules: Rules) -> "Protocol":
        """The protocol, with the choices that a data set's own rules prescribe in place of its own."""
        draws = rules.single_gallery_shot or self.single_gallery_shot
        rule = rules.camera_rule or self.camera_rule
        return replace(self, ap=rules.ap or self.ap, single_gallery_shot=draws, camera_rule=rule)


def _rates(name: str, rates: Any) -> tuple[float, ...]:
    if isinstance(rates, str) or not isinstance(rates, Sequence) or not all(_is_rate(rate) for rate in rates):
        raise InputError(f"{name}={rates}: give rates between 0 and 1, [] for none")
    return tuple(sorted({float(rate) for rate in rates}, reverse=True))


def _is_rate(rate: Any) -> bool:
    return isinstance(rate, int | float) and 0 < rate < 1


def _check(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value in choices:
        return
    near = get_close_matches(str(value), choices, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"{name}={value!r} is unknown; choose one of {', '.join(choices)}{hint}")
