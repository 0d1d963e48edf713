"""Batches of some clusters and several images of each, for a fixed number of steps."""

import random
from collections.abc import Sequence
from typing import Any, ClassVar

from typing_extensions import override

from reid_lit.data.feeding.samplers import EpochSampler, by_class
from reid_lit.errors import InputError
from reid_lit.wording import counted


class ClusterSampler(EpochSampler):
    """A random image of each cluster and K - 1 others of it, cluster after cluster in random order, cut into batches.

    The others are drawn without replacement where there are K or more of them, else with. A cluster of one image gives
    that one, so a batch may have a few short groups. The incomplete last batch of a pass over the clusters is left out,
    and passes follow each other until the epoch has its steps.

    Source: the public code of Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022
        (``RandomMultipleGallerySamplerNoCam``, ``IterLoader``).

    Args:
        images: K, images of a cluster, 2 or more.
        iterations: Batches of an epoch.
        labels: The cluster of each training image.
        batch_size: Images of a global batch.
        rank: This process, 0 … world-1.
        world: The number of processes.
        seed: Seed of the draws.

    Raises:
        ValueError: a number is too small, the ranks cannot have equal shares, or (when an epoch is drawn) a pass over
            the clusters fills no batch.
    """

    reads_labels = True

    def __init__(
        self,
        *,
        images: int,
        iterations: int,
        labels: Sequence[int],
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, rank=rank, world=world, seed=seed)
        if images < 2:
            raise InputError(f"images={images}: a batch has 2 images of a cluster or more")
        if iterations < 1:
            raise InputError(f"iterations={iterations}: an epoch has 1 batch or more")
        self.images, self.iterations, self.batch_size = images, iterations, batch_size
        self.labels = labels
        self.positions = by_class(labels)

    @override
    def batches(self) -> int:
        return self.iterations

    @override
    def draw(self, epoch: int) -> list[list[int]]:
        source = random.Random(f"clusters {self.seed} {epoch}")
        batches: list[list[int]] = []
        while len(batches) < self.iterations:
            batches += self._pass(source)
        return batches[: self.iterations]

    def _pass(self, source: random.Random) -> list[list[int]]:
        size, order = self.batch_size, source.sample(list(self.positions), len(self.positions))
        drawn = [
            position for cluster in order for position in self._group(source.choice(self.positions[cluster]), source)
        ]
        if len(drawn) < size:
            raise InputError(
                f"batch_size={size}: {counted(len(order), 'cluster')} and up to {self.images} images of each give"
                f" {len(drawn)}, which fill no batch; set it to {len(drawn)} or less, or look at why there are so few"
                f" clusters"
            )
        return [drawn[start : start + size] for start in range(0, len(drawn) - size + 1, size)]

    def _group(self, first: int, source: random.Random) -> list[int]:
        others, number = self._others(first), self.images - 1
        if not others:
            return [first]
        return [first, *(source.sample(others, number) if len(others) > number else source.choices(others, k=number))]

    def _others(self, first: int) -> list[int]:
        """What may be shown beside the first image of a cluster."""
        return [position for position in self.positions[self.labels[first]] if position != first]


class CrossCameraClusterSampler(ClusterSampler):
    """A :class:`ClusterSampler` whose other images are of other cameras than the first, where the cluster has such.

    It reads camera labels, which are known where cameras are.

    Source: the same public code (``RandomMultipleGallerySampler``), which has it from Ge et al., "Self-paced
        Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID", NeurIPS 2020.

    Args:
        cameras: The camera of each training image.
        settings: As of :class:`ClusterSampler`.
    """

    reads_cameras: ClassVar[bool] = True

    def __init__(self, *, cameras: Sequence[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.cameras = cameras

    @override
    def _others(self, first: int) -> list[int]:
        positions = self.positions[self.labels[first]]
        elsewhere = [position for position in positions if self.cameras[position] != self.cameras[first]]
        return elsewhere or super()._others(first)
