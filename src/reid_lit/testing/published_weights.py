"""The tensors of a published model in a model of ours: every one in its place, or a refusal that says which are not."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from reid_lit.backbones.base import Backbone
from reid_lit.backbones.nearest import nearest
from reid_lit.backbones.weights import read_state
from reid_lit.errors import InputError
from reid_lit.models.base import RetrievalModel
from reid_lit.run.published import Published, plain_name

_log = logging.getLogger(__name__)

_CLASSIFIER = ".classifier."
_COUNTER = "num_batches_tracked"


@dataclass(slots=True, kw_only=True)
class PublishedWeights:
    """A published model's tensors by the names that they have in ours.

    Attributes:
        recipe: The entry of the table.
        file: Where they are.
        content: The file's tensors by its own names.
        tensors: By our names.
        given: Tensors that are no weights, by the name of the backbone's numbers that they have to be.
    """

    recipe: Published
    file: Path
    content: Mapping[str, Tensor]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    given: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path, recipe: Published) -> "PublishedWeights":
        """Read a file without executing anything that it holds.

        Raises:
            MissingFileError: there is no such file.
            InputError: it holds code, is damaged, or is no file of weights.
        """
        content = read_state(file)
        read = cls(recipe=recipe, file=file, content=content)
        for name, value in content.items():
            if (number := recipe.given.get(plain_name(name))) is not None:
                read.given[number] = value
            elif (ours := recipe.renamed(name)) is not None and not ours.endswith(_COUNTER):
                read.tensors[ours] = value
        return read

    @property
    def persons(self) -> int:
        """The classes of the classifier, which no test needs; 2 where the file has none."""
        rows = (len(value) for name, value in self.tensors.items() if name.endswith(f"{_CLASSIFIER}weight"))
        return max(next(rows, 2), 2)

    def load_into(self, model: RetrievalModel) -> None:
        """Give a model these tensors, and say so in the stamp of its results.

        Raises:
            InputError: some of the model's are missing, some of the file's have no place or another shape, are not
                finite, or were made for images normalised otherwise.
        """
        target = {name: value for name, value in model.state_dict().items() if not name.endswith(_COUNTER)}
        fits = {name: value for name, value in self.tensors.items() if _shape(target.get(name)) == value.shape}
        report = self._report(target, fits)
        missing = [name for name in target if name not in fits and _CLASSIFIER not in name]
        if missing or len(fits) < len(self.tensors):
            known = nearest(self.content)
            raise InputError(f"weights={self.file}: as={self.recipe.entry}: {report}{known and '; ' + known}")
        if broken := next((name for name, value in fits.items() if not value.isfinite().all()), None):
            raise InputError(f"weights={self.file}: {broken} of our names holds values that are not finite")
        self._check_given(model.backbone)
        model.load_state_dict(fits, strict=False)
        model.stamp = {"weights": f"{self.file.name} as {self.recipe.entry}; what they learnt from is not known"}
        _log.info("%s: as %s: %s", self.file, self.recipe.entry, report)

    def _report(self, target: Mapping[str, Tensor], fits: Mapping[str, Tensor]) -> str:
        """What matched, by the parts of our model; what is missing, has no place, or another shape."""
        found, whole = Counter(map(_group, fits)), Counter(map(_group, target))
        parts = ", ".join(f"{group} {found[group]} of {count}" for group, count in whole.items())
        share = sum(value.numel() for value in fits.values()) / sum(value.numel() for value in target.values())
        reshaped = [
            f"{name} is {list(value.shape)} and {list(target[name].shape)} here"
            for name, value in self.tensors.items()
            if name in target and name not in fits
        ]
        missing = [name for name in target if name not in self.tensors]
        unexpected = [name for name in self.tensors if name not in target]
        lists = {"missing": missing, "of another shape": reshaped, "unexpected": unexpected}
        said = "".join(f"; {word} {_few(names)}" for word, names in lists.items() if names)
        return f"matched {share:.1%} ({parts}){said}"

    def _check_given(self, backbone: Backbone) -> None:
        for name, value in self.given.items():
            own = 255 * getattr(backbone, name).flatten()
            if value.numel() != 3 or not torch.allclose(value.flatten().float(), own, atol=0.5):
                raise InputError(
                    f"weights={self.file}: as={self.recipe.entry}: its {name} is {_rounded(value.flatten())}, and here"
                    f" {_rounded(own)}: it was trained with other numbers than the published models"
                )


def _shape(value: Tensor | None) -> torch.Size | None:
    return None if value is None else value.shape


def _group(name: str) -> str:
    """The part of our model that a tensor belongs to."""
    return "classifier" if _CLASSIFIER in name else name.partition(".")[0]


def _few(names: list[str]) -> str:
    """How many names there are, the first of them, and how many in each part where there are more.

    >>> _few(["a.b", "a.c", "d.e", "d.f"])
    '4 (a.b, a.c, d.e …: a 2, d 2)'
    """
    if len(names) <= 3:
        return f"{len(names)} ({', '.join(names)})"
    counted = ", ".join(f"{group} {count}" for group, count in Counter(map(_group, names)).items())
    return f"{len(names)} ({', '.join(names[:3])} …: {counted})"


def _rounded(values: Iterable[Tensor]) -> list[float]:
    return [round(float(value), 1) for value in values]
