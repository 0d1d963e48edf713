"""The dense networks of EmbAE: identity encoder, nuisance encoders, decoder."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from reid_lit.errors import InputError


class SmallBatchNorm(nn.BatchNorm1d):
    """A batch norm that takes its running statistics where a batch has fewer than two rows.

    One row has no variance. The parameters of a batch without any still get their gradient, 0, which DDP waits for.
    """

    @override
    def forward(self, input: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch channels"]:
        if len(input) > 1 or not self.training:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def encoder(features: int, hidden: int, dim: int) -> nn.Sequential:
    """Dense → ReLU → BatchNorm → Dense, (b features) → (b dim)."""
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), SmallBatchNorm(hidden), nn.Linear(hidden, dim))


class IdentityEncoder(nn.Module):
    """f_emb: the feature becomes z_id, the embedding that is compared; a neck without a classifier.

    Args:
        features: Channels of the feature that comes in.
        persons: Not used: a metric loss needs no classes.
        hidden: Channels between the two dense layers.
        dim: Channels of the embedding.

    Source: Feng et al., "Metric Embedding Autoencoders for Unsupervised Cross-Dataset Transfer Learning", ICANN 2018,
        section 3; batch norm behind the ReLU.
    """

    classifier = None

    def __init__(self, *, features: int, persons: int, hidden: int, dim: int) -> None:  # noqa: ARG002 - what necks get
        super().__init__()
        self.dim = dim
        self.layers = encoder(features, hidden, dim)

    def forward(self, feature: Float[Tensor, "batch features"]) -> Float[Tensor, "batch dim"]:
        """(b features) → (b dim)."""
        return self.layers(feature)

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> None:  # noqa: ARG002 - what necks get
        """There is no classifier."""
        return


class NuisanceEncoders(nn.Module):
    """f_nui: the feature becomes z_nui, what changes an image but not its person; one network, or one for each camera.

    A camera's network sees, and normalises over, that camera's images of the batch.

    Args:
        features: Channels of the feature that comes in.
        cameras: Number of cameras that get a network each; None is one network for all images.
        hidden: Channels between the two dense layers.
        dim: Channels of the code.

    Source: Feng et al., ICANN 2018, section 3 and the variant camθnui.

    Raises:
        ValueError: ``cameras`` is below 1.
    """

    def __init__(self, *, features: int, cameras: int | None, hidden: int, dim: int) -> None:
        super().__init__()
        if cameras is not None and cameras < 1:
            raise InputError(f"cameras={cameras}: give the number of cameras, or null for one network for all")
        self.dim = dim
        self.by_camera = cameras is not None
        self.branches = nn.ModuleList(encoder(features, hidden, dim) for _ in range(cameras or 1))

    def forward(
        self, feature: Float[Tensor, "batch features"], camera: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch dim"]:
        """(b features), cameras counted from 0 → (b dim).

        Raises:
            ValueError: a camera has no network.
        """
        if not self.by_camera:
            return self.branches[0](feature)
        order = camera.argsort(stable=True)
        counts = torch.bincount(camera, minlength=len(self.branches)).tolist()
        if len(counts) > len(self.branches):
            raise InputError(
                f"cameras={len(self.branches)}: an image of camera {len(counts) - 1}, but the nuisance encoders end at"
                f" camera {len(self.branches) - 1}; give the number of cameras of the data set"
            )
        parts = feature[order].split(counts)
        codes = torch.cat([branch(part) for branch, part in zip(self.branches, parts, strict=True)])
        return codes[order.argsort()]


class Decoder(nn.Module):
    """f_dec: z_id and z_nui together become the feature again; Dense → ReLU → Dense.

    Args:
        dim: Channels of both codes together.
        features: Channels of the feature.
        hidden: Channels between the two dense layers.

    Source: Feng et al., ICANN 2018, section 3.
    """

    def __init__(self, *, dim: int, features: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, features))

    def forward(
        self, identity: Float[Tensor, "batch identity_dim"], nuisance: Float[Tensor, "batch nuisance_dim"]
    ) -> Float[Tensor, "batch features"]:
        """z_id (b i), z_nui (b n) → (b features)."""
        return self.layers(torch.cat([identity, nuisance], dim=1))
