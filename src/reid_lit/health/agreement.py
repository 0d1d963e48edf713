"""How far the clusters of a round agree with the true persons: never used for a choice, since it uses labels."""

import numpy as np
import torch
from jaxtyping import Int
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

from reid_lit.data.base import ReidData
from reid_lit.models.base import RetrievalModel
from reid_lit.records import JUNK


def agreement(clusters: Int[Tensor, " images"], persons: Int[Tensor, " images"]) -> dict[str, float]:
    """Pairs of images in one cluster against pairs of one person; each outlier is a cluster of its own.

    Args:
        clusters: Of the images, -1 for outliers.
        persons: The true ones; images of nobody, -1, are left out.

    Returns:
        ``pair_precision``, the share of the pairs in one cluster that show one person; ``pair_recall``, the share of
        the pairs of one person that are in one cluster; ``pair_F``, their harmonic mean; ``AMI``, the adjusted mutual
        information of the images in clusters. Empty where no two images show one known person.

    Source: Vinh et al., "Information theoretic measures for clusterings comparison", JMLR 2010 (AMI); the pairs are
        those of Manning et al., *Introduction to Information Retrieval*, 2008, section 16.3.
    """
    known = persons != JUNK
    found, true = clusters[known], persons[known]
    both = found != JUNK
    same = _pairs(torch.unique(true, return_counts=True)[1].numpy())
    if not same:
        return {}
    together = _pairs(torch.unique(found[both], return_counts=True)[1].numpy())
    right = _pairs(torch.stack([found[both], true[both]]).unique(dim=1, return_counts=True)[1].numpy())
    precision, recall = right / together if together else 0.0, right / same
    mutual = float(adjusted_mutual_info_score(true[both].numpy(), found[both].numpy())) if both.any() else 0.0
    f_score = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"pair_precision": precision, "pair_recall": recall, "pair_F": f_score, "AMI": mutual}


def round_agreement(model: RetrievalModel, data: ReidData) -> dict[str, float]:
    """The agreement of the clusters that an epoch trained on; empty where the model has none, or nobody is known."""
    if model.round_labels is None:
        return {}
    persons = dict(zip(data.split.train, data.true_persons(), strict=True))
    return agreement(model.round_labels, torch.tensor([persons[shot] for shot in model.unlabelled(data.split)]))


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1)).sum() / 2)
