"""Training with person labels against a memory of one vector a person, which is made anew in each epoch."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from reid_lit.errors import InputError
from reid_lit.losses.cluster_memory import ClusterMemory
from reid_lit.models.density_clusters import centres
from reid_lit.models.rounds import training_features
from reid_lit.models.supervised import Supervised
from reid_lit.records import JUNK, Batch


class PersonMemory(Supervised):
    """A :class:`~reid_lit.models.supervised.Supervised` with Cluster-Contrast's memory, whose clusters are persons.

    Before each epoch all training images are embedded as a test shows them, and the memory starts with the mean of each
    person's embeddings at unit length. Within the epoch it follows the embeddings of the batches.

    Args:
        frozen: Names of parts of the backbone that keep their weights, such as ``body.model.patch_embed``.
        settings: As of Supervised; one of the losses is a :class:`~reid_lit.losses.cluster_memory.ClusterMemory`.

    Source: Li and Gong, "Prototypical Contrastive Learning-based CLIP Fine-tuning for Object Re-identification", 2023,
        and its public code; the memory: Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification", ACCV
        2022, with true persons.

    Raises:
        ValueError: no loss keeps a memory, or the backbone has no such part.
    """

    def __init__(self, *, frozen: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.memories = [part for part in self.criterion.modules() if isinstance(part, ClusterMemory)]
        if not self.memories:
            raise InputError("model=person_memory trains against a memory of the persons; set loss=id_memory")
        parts = dict(self.backbone.named_modules())
        for name in frozen:
            if name not in parts:
                raise InputError(
                    f"frozen=[{name}]: the backbone has no such part; give some of {', '.join(parts)[:200]}"
                )
            parts[name].requires_grad_(False)

    @override
    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        split = self.data.split
        number = {person: place for place, person in enumerate(split.persons)}
        labels = torch.tensor([number.get(shot.person_id, JUNK) for shot in split.train], device=self.device)
        name = f"the memory of epoch {self.current_epoch}"
        features = training_features(self, self._unit, dim=self.neck.dim, name=name)
        start = centres(features, labels)
        for memory in self.memories:
            memory.restart(start)

    def _unit(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        embedding = self(batch.image.contiguous(memory_format=self._memory_format)).embedding
        return torch.nn.functional.normalize(embedding.float(), dim=1)
