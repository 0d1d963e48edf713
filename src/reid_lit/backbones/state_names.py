"""How the tensors of a file of weights are named: by a network itself, by wrappers around it, or by numbers."""

import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reid_lit.errors import InputError

COMPILED = "_orig_mod."
"""What torch.compile puts before the names of what it wraps."""

_STAGES = ("layer1", "layer2", "layer3", "layer4")
_NUMBERED = (("conv1", "bn1", "relu", "maxpool", *_STAGES), ("conv1", "bn1", "maxpool", *_STAGES))
"""A ResNet as ``nn.Sequential``: its children in torchvision's order, and those of open-reid's successors."""
_MEANT = (("encoder_q.", "encoder_k."), ("base_encoder.", "momentum_encoder."), ("teacher.", "student."))
"""Of two networks in a file the one that its project goes on with: of MoCo what learns by its gradient, of DINO the
average of that."""
_WRAPPERS = re.compile(r"(?:(?:module|model|backbone|body|base)\.)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read a file of weights for a network.

    Attributes:
        tensors: By the network's own names.
        names: The file's own name of each, where it is one tensor of the file.
        prefix: What stands before the names in the file, without :data:`COMPILED`.
        matched: The tensors that the network has too, in the same shape; in the network's order.
        share: How much of the network's values they are, in [0, 1].
    """

    tensors: Mapping[str, Tensor]
    names: Mapping[str, str]
    prefix: str
    matched: Mapping[str, Tensor]
    share: float

    @classmethod
    def of(
        cls, tensors: Mapping[str, Tensor], target: Mapping[str, Tensor], *, names: Mapping[str, str], prefix: str
    ) -> "Reading":
        """The reading that gives these tensors to a network of ``target``'s names and shapes."""
        matched = {
            key: tensors[key] for key, value in target.items() if key in tensors and tensors[key].shape == value.shape
        }
        share = sum(value.numel() for value in matched.values()) / sum(value.numel() for value in target.values())
        return cls(tensors=tensors, names=names, prefix=prefix, matched=matched, share=share)

    def reshaped(self, target: Mapping[str, Tensor]) -> list[str]:
        """The network's names that the file has, in another shape."""
        return [key for key in target if key in self.tensors and key not in self.matched]


def readings(
    file: Mapping[str, Tensor], target: Mapping[str, Tensor], rename: Callable[[str], str]
) -> Iterator[Reading]:
    """The ways to read a file, by whatever stands before the network's names in it; that of most names first.

    Args:
        file: Tensors by the file's own names.
        target: Tensors by the network's.
        rename: Gives the network's name for a name of the file.
    """
    orders: list[Callable[[str], str]] = [str, *(_by_number(order) for order in _NUMBERED)]
    found: Counter[tuple[str, int]] = Counter()
    plain = {key.replace(COMPILED, ""): key for key in file}
    for key in plain:
        for place in (0, *(dot.end() for dot in re.finditer(r"\.(?=.)", key))):
            for number, order in enumerate(orders if key[place].isdecimal() else orders[:1]):
                found[key[:place], number] += rename(order(key[place:])) in target
    for (prefix, number), count in found.most_common():
        if not count:
            return
        inner = {key: rename(orders[number](key.removeprefix(prefix))) for key in plain if key.startswith(prefix)}
        tensors = {name: file[plain[key]] for key, name in inner.items()}
        names = {name: plain[key] for key, name in inner.items()}
        yield Reading.of(tensors, target, names=names, prefix=prefix)


def chosen(found: Sequence[Reading]) -> Reading:
    """The reading that is meant, of several that each give a whole network.

    Raises:
        InputError: the file holds several networks, and nothing says which is meant.
    """
    first, *others = found
    if all(_are_equal(first, other) for other in others):
        return first
    for meant, other in _MEANT:
        wanted = [reading for reading in found if f".{meant}" in f".{reading.prefix}"]
        left = [reading for reading in found if f".{other}" in f".{reading.prefix}"]
        if len(wanted) == 1 and len(wanted) + len(left) == len(found):
            return wanted[0]
    wrapped = [reading for reading in found if _WRAPPERS.fullmatch(reading.prefix)]
    if len(wrapped) == 1:
        return wrapped[0]
    prefixes = " and ".join(repr(reading.prefix) for reading in found)
    raise InputError(
        f"it holds {len(found)} such networks, whose names begin with {prefixes}; save the one that is meant alone:"
        f" {{key: value for key, value in state_dict.items() if key.startswith({found[0].prefix!r})}}"
    )


def converted(body: nn.Module, file: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Reading | None:
    """The file as timm itself converts it for a network: official names, tables of positions for another image size.

    None where timm has no conversion for this family, or cannot convert this file.
    """
    convert = getattr(sys.modules[type(body).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about timm's own code
            tensors = convert(dict(file), body)
    except Exception:  # it is written for files of its own family, and another one may end anywhere in it
        return None
    kept = {key: value for key, value in tensors.items() if isinstance(value, Tensor)}
    return Reading.of(kept, target, names={key: key for key in kept if key in file}, prefix="")


def in_one_order(file: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> str:
    """A hint where only the names differ: the shapes agree one by one; empty elsewhere."""
    counted = {key: value for key, value in file.items() if not key.endswith("num_batches_tracked")}
    shapes = [value.shape for value in counted.values()]
    if not target or shapes[: len(target)] != [value.shape for value in target.values()]:
        return ""
    (theirs, *_), (ours, *_) = counted, target
    return (
        f"; the shapes of its tensors are the network's one by one, only the names differ: {theirs} stands where {ours}"
        " is expected. Where they are the same network, save the file under these names"
    )


def _by_number(order: Sequence[str]) -> Callable[[str], str]:
    """Names that begin with a child's number, by the child's own name."""

    def named(key: str) -> str:
        head, dot, rest = key.partition(".")
        return f"{order[int(head)]}{dot}{rest}" if head.isdecimal() and int(head) < len(order) else key

    return named


def _are_equal(one: Reading, other: Reading) -> bool:
    return one.matched.keys() == other.matched.keys() and all(
        torch.equal(value, other.matched[key]) for key, value in one.matched.items()
    )
