"""From a feature to an embedding and to logits."""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Lt
from jaxtyping import Float
from torch import Tensor, nn

from reid_lit.errors import InputError
from reid_lit.wording import counted

Size = Annotated[int, Ge(1)]
"""A number of channels."""
Share = Annotated[float, Ge(0), Lt(1)]
"""A probability that leaves something."""


class _Block(nn.Module):
    """Linear → BatchNorm → what follows, the embedding; then a linear classifier.

    Args:
        features: Channels of the feature that comes in.
        persons: Training persons, the classes.
        dim: Channels of the embedding.
        behind: Follows the batch norm.
        norm_std: Standard deviation of the batch norm's initial weights around 1.
        classifier_std: That of the classifier's initial weights around 0.

    Raises:
        ValueError: there are fewer than two persons to tell apart.
    """

    def __init__(
        self,
        *,
        features: int,
        persons: int,
        dim: int,
        behind: Sequence[nn.Module],
        norm_std: float,
        classifier_std: float,
    ) -> None:
        super().__init__()
        check_persons(persons)
        self.dim = dim
        linear, norm = nn.Linear(features, dim), nn.BatchNorm1d(dim)
        self.embed = nn.Sequential(linear, norm, *behind)
        self.classifier = nn.Linear(dim, persons)
        nn.init.kaiming_normal_(linear.weight, a=0, mode="fan_out")
        nn.init.zeros_(linear.bias)
        if norm_std:
            nn.init.normal_(norm.weight, 1.0, norm_std)
        nn.init.normal_(self.classifier.weight, std=classifier_std)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, feature: Float[Tensor, "batch features"]) -> Float[Tensor, "batch dim"]:
        """(b features) → (b dim)."""
        return self.embed(feature)

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch persons"]:
        """(b dim) → (b persons)."""
        return self.classifier(embedding)


class ClassBlock(_Block):
    """The head of the softmax baseline: Linear → BatchNorm → Dropout, then a linear classifier.

    The embedding is what comes before the classifier: after dropout in training (the metric losses see that too), after
    the batch norm in testing.

    Args:
        features: Channels of the feature that comes in.
        persons: Training persons, the classes.
        dim: Channels of the embedding.
        dropout: Probability that a channel of the embedding is dropped in training.
        classifier_std: Standard deviation of the classifier's initial weights.

    Source: the public code of Zheng et al. (layumi/Person_reID_baseline_pytorch), ``ClassBlock`` without the ReLU.

    Raises:
        ValueError: there are fewer than two persons to tell apart.
    """

    def __init__(self, *, features: int, persons: int, dim: Size, dropout: Share, classifier_std: float) -> None:
        super().__init__(
            features=features,
            persons=persons,
            dim=dim,
            behind=[nn.Dropout(dropout)],
            norm_std=0.02,
            classifier_std=classifier_std,
        )


class ReluBlock(_Block):
    """The head of CamStyle's baseline: Linear → BatchNorm → ReLU → Dropout, then a linear classifier.

    Args:
        features: Channels of the feature that comes in.
        persons: Training persons, the classes.
        dim: Channels of the embedding.
        dropout: Probability that a channel of the embedding is dropped in training.
        classifier_std: Standard deviation of the classifier's initial weights.

    Source: the public code of Zhong et al., "Camera Style Adaptation for Person Re-identification", CVPR 2018, which
        has it from open-reid.

    Raises:
        ValueError: there are fewer than two persons to tell apart.
    """

    def __init__(self, *, features: int, persons: int, dim: Size, dropout: Share, classifier_std: float) -> None:
        super().__init__(
            features=features,
            persons=persons,
            dim=dim,
            behind=[nn.ReLU(), nn.Dropout(dropout)],
            norm_std=0.0,
            classifier_std=classifier_std,
        )


class PlainNeck(nn.Module):
    """No neck: the embedding is the feature itself, f.

    Args:
        features: Channels of the feature that comes in.
        persons: Training persons, the classes.
        classifier: Whether there is a classifier; without an ID loss it would not be trained.

    Source: Luo et al., "A Strong Baseline and Batch Normalization Neck for Deep Person Re-identification", TMM 2019,
        Fig. 10 a–c; the classifier with a bias and torch's initialisation: its public code.

    Raises:
        ValueError: there are fewer than two persons to tell apart.
    """

    def __init__(self, *, features: int, persons: int, classifier: bool) -> None:
        super().__init__()
        check_persons(persons)
        self.dim = features
        self.classifier = nn.Linear(features, persons) if classifier else None

    def forward(self, feature: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """(b features) → the same."""
        return feature

    def classify(self, embedding: Float[Tensor, "batch features"]) -> Float[Tensor, "batch persons"] | None:
        """(b features) → (b persons)."""
        return None if self.classifier is None else self.classifier(embedding)


class DropoutNeck(nn.Module):
    """No neck: the embedding is the feature itself; the classifier sees it after dropout.

    Args:
        features: Channels of the feature that comes in.
        persons: Training persons (or clusters), the classes.
        dropout: Probability that a channel of the feature is dropped before the classifier.
        classifier_std: Standard deviation of the classifier's initial weights; None: √(2 / persons), He's of what goes
            out.

    Source: the public code of Fan et al., "Unsupervised Person Re-identification: Clustering and Fine-tuning", TOMM
        2018.

    Raises:
        ValueError: there are fewer than two persons to tell apart.
    """

    def __init__(self, *, features: int, persons: int, dropout: Share, classifier_std: float | None) -> None:
        super().__init__()
        check_persons(persons)
        self.dim = features
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(features, persons)
        nn.init.normal_(self.classifier.weight, std=(2 / persons) ** 0.5 if classifier_std is None else classifier_std)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, feature: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """(b features) → the same."""
        return feature

    def classify(self, embedding: Float[Tensor, "batch features"]) -> Float[Tensor, "batch persons"]:
        """(b features) → (b persons)."""
        return self.classifier(self.dropout(embedding))


class BatchNormNeck(nn.Module):
    """BNNeck: the feature f_t becomes f_i by a batch norm without shift, then a linear classifier without bias.

    Args:
        features: Channels of the feature that comes in.
        persons: Training persons, the classes.
        classifier: Whether there is a classifier; without an ID loss it would not be trained.
        classifier_std: Standard deviation of its initial weights.

    Source: Luo et al., TMM 2019, section III-E, Fig. 5 b and 10 d–g; initialisation by the public code.

    Raises:
        ValueError: there are fewer than two persons to tell apart.
    """

    def __init__(self, *, features: int, persons: int, classifier: bool, classifier_std: float) -> None:
        super().__init__()
        check_persons(persons)
        self.dim = features
        self.norm = nn.BatchNorm1d(features)
        self.norm.bias.requires_grad_(False)
        self.classifier = nn.Linear(features, persons, bias=False) if classifier else None
        if self.classifier is not None:
            nn.init.normal_(self.classifier.weight, std=classifier_std)

    def forward(self, feature: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """f_t (b features) → f_i (b features)."""
        return self.norm(feature)

    def classify(self, embedding: Float[Tensor, "batch features"]) -> Float[Tensor, "batch persons"] | None:
        """f_i (b features) → (b persons)."""
        return None if self.classifier is None else self.classifier(embedding)


def check_persons(persons: int) -> None:
    """Raise InputError unless there are two persons or more to classify.

    Raises:
        ValueError: there are fewer than two persons.
    """
    if persons == 0:
        raise InputError(
            "no training person is known, and a classifier needs at least 2: images without persons can only be adapted"
            " to, by dataset=transfer dataset.target=… (ARN), or by the experiments of PUL and AdaBN"
        )
    if persons < 2:
        raise InputError(
            f"{counted(persons, 'training person')}: a classifier needs at least 2; look at the folder of the data set"
        )
