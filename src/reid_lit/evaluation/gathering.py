"""Gathers embeddings over batches and processes, then evaluates: the retrieval scores as a torchmetrics ``Metric``."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from reid_lit.errors import InputError
from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.on_disk import Distractors
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import Result, evaluate
from reid_lit.evaluation.track_scores import evaluate_tracks
from reid_lit.evaluation.tracks import Tracks, tracks_of
from reid_lit.records import Split
from reid_lit.wording import counted

TOLERANCE = 1e-2
"""Relative difference between two embeddings of one image that batches of other shapes cause in bfloat16."""


class RetrievalScores(Metric):
    """Scores of embeddings that arrive in batches, in any order, from any number of ranks.

    Args:
        queries: Number of query images; an entry whose ``index`` is below is a query, the others are the gallery.
        images: Number of query and gallery images; by default up to the highest index seen, so that images missing at
            the end go unnoticed.
        protocol: How to score.
        chunk: Queries scored at once.
        distractors: More of the gallery, on disk; the same for all ranks.
        tracks: Of the test, where the protocol ranks them.
        lists: Of the test: what is known of its images beside person and camera, which come with the batches.

    Attributes:
        ranker: The images of all ranks and their distances, after ``compute``; distractors are not among them.

    Raises:
        ValueError: no query.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    embedding: list[Tensor]
    person: list[Tensor]
    camera: list[Tensor]
    index: list[Tensor]
    ranker: Ranker

    def __init__(
        self,
        *,
        queries: int,
        images: int | None = None,
        protocol: Protocol | None = None,
        chunk: int = 256,
        distractors: Distractors | None = None,
        lists: Lists | None = None,
        tracks: Tracks | None = None,
    ) -> None:
        super().__init__()
        if queries < 1:
            raise InputError(f"queries={queries}: a retrieval evaluation needs one query or more")
        self.queries, self.images, self.chunk = queries, images, chunk
        self.protocol = protocol or Protocol()
        self.distractors = distractors
        self.lists, self.tracks = lists, tracks
        for state in ("embedding", "person", "camera", "index"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    @classmethod
    def of(cls, split: Split, protocol: Protocol, *, distractors: Distractors | None = None) -> "RetrievalScores":
        """The scores of a test: its own rules come before the protocol, and what is known of its images counts.

        Args:
            split: The query and gallery, in whose order the images are numbered.
            protocol: How to score.
            distractors: More of the gallery, on disk.
        """
        protocol = protocol.under(split.rules)
        return cls(
            queries=len(split.query),
            images=len(split.query) + len(split.gallery),
            protocol=protocol,
            distractors=distractors,
            lists=Lists.of(split.query, split.gallery),
            tracks=tracks_of(split, protocol),
        )

    def update(
        self,
        embedding: Float[Tensor, "b d"],
        person: Int[Tensor, " b"],
        camera: Int[Tensor, " b"],
        index: Int[Tensor, " b"],
    ) -> None:
        """Keep a batch.

        Args:
            embedding: Embeddings; kept as float32.
            person: Person ids; -1 is junk.
            camera: Camera ids, counted from 0.
            index: Position in the list of query, then gallery.
        """
        self.embedding.append(embedding.detach().float().flatten())
        for state, values in (("person", person), ("camera", camera), ("index", index)):
            getattr(self, state).append(values.long())

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the states; a rank without an image takes part with empty tensors of the right type."""
        if not self.index:
            self.embedding.append(torch.zeros(0, device=self.device))
            for state in ("person", "camera", "index"):
                getattr(self, state).append(torch.zeros(0, dtype=torch.int64, device=self.device))
        super().sync(*args, **kwargs)

    def compute(self) -> Result:
        """The scores of all images, each counted once.

        Raises:
            ValueError: images are missing, or one index came with two embeddings; or see :func:`evaluate`.
        """
        embedding, person, camera = self.gathered()
        cut = self.queries
        lists = Lists(person[:cut], camera[:cut], person[cut:], camera[cut:])
        if self.lists is not None:
            lists = self.lists.to(person.device).of_persons(lists)
        if self.protocol.tracks != "none" and self.tracks is not None:
            self.ranker, result = evaluate_tracks(
                embedding, lists, self.tracks, self.protocol, distractors=self.distractors
            )
            return result
        self.ranker = Ranker(embedding[:cut], embedding[cut:], lists, self.protocol)
        return evaluate(self.ranker, chunk=self.chunk, distractors=self.distractors)

    def gathered(self) -> tuple[Float[Tensor, "images d"], Int[Tensor, " images"], Int[Tensor, " images"]]:
        """Embedding, person and camera of every image seen by this rank (by all, in ``compute``), in the list's order.

        Raises:
            ValueError: images are missing, or one index came with two embeddings.
        """
        if len(self.index) == 0:
            raise InputError(f"no image of {self.images or 'all'} arrived; call update with the test batches first")
        index, order = dim_zero_cat(self.index).sort(stable=True)
        embedding = dim_zero_cat(self.embedding).view(len(index), -1)
        first = torch.cat([torch.ones_like(index[:1]).bool(), index[1:] != index[:-1]])
        keep = order[first]
        _check_complete(index[first], max(self.images or int(index[-1]) + 1, self.queries + 1))
        _check_repeats(embedding[order[~first]], embedding[keep[index[~first]]], index[~first])
        return embedding[keep], dim_zero_cat(self.person)[keep], dim_zero_cat(self.camera)[keep]


def _check_complete(index: Int[Tensor, " seen"], images: int) -> None:
    """Raise InputError unless ``index``, ascending and each once, is 0 … images - 1."""
    if int(index[-1]) >= images or int(index[0]) < 0:
        raise InputError(
            f"index {int(index[0])} to {int(index[-1])} for {counted(images, 'image')}; images= is query plus gallery"
        )
    seen = torch.zeros(images, dtype=torch.bool, device=index.device)
    seen[index] = True
    missing = (~seen).nonzero()[:, 0].tolist()
    if missing:
        raise InputError(
            f"{counted(len(missing), 'image is', 'images are')} missing of {images}, the first at index {missing[:3]}; "
            "let the test loaders deal every image of query and gallery (no limit_test_batches)"
        )


def _check_repeats(
    again: Float[Tensor, "repeats d"], first: Float[Tensor, "repeats d"], index: Int[Tensor, " repeats"]
) -> None:
    """Raise InputError where two embeddings of one index differ."""
    differs = (again - first).norm(dim=1) > TOLERANCE * first.norm(dim=1)
    if differs.any():
        raise InputError(
            f"{counted(int(differs.sum()), 'image')} came again with another embedding, the first at index "
            f"{index[differs][:3].tolist()}; number query and gallery in one list, and reset() between evaluations"
        )
