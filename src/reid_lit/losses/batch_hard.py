"""Batch-hard triplet loss: each image with its farthest positive and its nearest negative of the batch."""

import logging

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.kinds import said
from reid_lit.progress import first_rank
from reid_lit.wording import counted

logger = logging.getLogger(__name__)


def batch_hard_triplet_loss(
    embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"], *, margin: float | None, squared: bool = False
) -> Float[Tensor, ""]:
    """The mean over all anchors of [d_p − d_n + margin]₊, or of log(1 + exp(d_p − d_n)) without a margin.

    d_p is the largest distance to an image of the anchor's person, d_n the smallest to one of another person; an anchor
    without a negative counts 0. The distance of two equal images has gradient 0.

    Source: Hermans et al., "In Defense of the Triplet Loss for Person Re-Identification", 2017, eq. 5 (batch hard) and
        section 2 (soft margin).

    Args:
        embedding: Compared as it is; float32.
        person: Who is on each image.
        margin: m, or None for the soft margin.
        squared: Compare squared Euclidean distances.
    """
    difference = _hardest(embedding, person, squared=squared)
    terms = F.softplus(difference) if margin is None else (difference + margin).clamp_min(0)
    return terms.sum() / len(embedding)


@torch.no_grad()
def active_share(
    embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"], *, margin: float | None, squared: bool
) -> float:
    """The share of anchors whose hardest triplet has a loss: 1 where nothing is told apart, 0 where all is learnt.

    Of the soft margin, whose loss is never 0: the share whose farthest positive is farther than the nearest negative.
    """
    difference = _hardest(embedding, person, squared=squared)
    return float((difference + (margin or 0.0) > 0).float().mean()) if len(difference) else 0.0


def _hardest(
    embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"], *, squared: bool
) -> Float[Tensor, " anchors"]:
    """d_p − d_n of each anchor that has a negative."""
    # by differences: exact for near images far from the origin, as a matrix product is not; gradient 0 at distance 0
    distance = torch.cdist(embedding, embedding, compute_mode="donot_use_mm_for_euclid_dist")
    distance = distance.square() if squared else distance
    same = person[:, None] == person
    positive = distance.masked_fill(~same, 0).amax(1)
    negative = distance.masked_fill(same, torch.inf).amin(1)
    return (positive - negative)[torch.isfinite(negative)]


def _warn_of_lone(person: Int[Tensor, " batch"]) -> None:
    """Log a warning where fewer than half of the anchors have a positive."""
    paired = int(((person[:, None] == person).sum(1) > 1).sum())
    if 2 * paired < len(person) and first_rank():
        logger.warning(
            "batch-hard triplets: in the first batch %d of %s; one that comes alone has no positive and only pushes"
            " others away; sampler=person draws several of each, such as 4",
            paired,
            said(f"{counted(len(person), 'image')} came with another of their person"),
        )


class BatchHardTripletLoss(nn.Module):
    """Batch-hard triplet loss.

    Args:
        margin: m; None is the soft margin log(1 + exp(d_p − d_n)).
        normalise: Compare embeddings of unit length (the Stronger Baseline).
        squared: Compare squared Euclidean distances.

    Source: Luo et al., TMM 2019, eq. 3 and the public code: margin 0.3 on f_t; the Stronger Baseline (VIPriors 2021):
        on L2-normalised f_i.

    Raises:
        InputError: the margin is negative.
    """

    def __init__(self, *, margin: float | None, normalise: bool, squared: bool) -> None:
        super().__init__()
        if margin is not None and margin < 0:
            raise InputError(f"margin={margin}: give a number of at least 0, or null for the soft margin")
        self.margin = margin
        self.normalise = normalise
        self.squared = squared
        self._looked = False

    def forward(self, embedding: Float[Tensor, "batch dim"], person: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """A scalar ≥ 0; a warning is logged where most anchors of the first training batch have no positive."""
        if self.training and not self._looked and not torch.compiler.is_compiling():
            self._looked = True  # later batches are not looked at: that would wait for the device in each step
            _warn_of_lone(person)
        compared = F.normalize(embedding) if self.normalise else embedding
        return batch_hard_triplet_loss(compared, person, margin=self.margin, squared=self.squared)
