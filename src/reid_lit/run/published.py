"""Models that other projects have published, by ``published.yaml``: which of ours each is, and how it was tested."""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from reid_lit.errors import InputError, MissingFileError
from reid_lit.overrides import assignment, key_of

_TABLE = Path(__file__).with_name("published.yaml")
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.")
"""What DistributedDataParallel and torch.compile put before names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A recipe of another project.

    Attributes:
        entry: ``<project>/<recipe>``.
        names: How a name of a tensor begins, as a regular expression: its name in our model; None: it is of no use.
        given: Names of tensors that are no weights: which of the backbone's numbers they are, times 255.
    """

    entry: str
    names: Mapping[str, str | None]
    given: Mapping[str, str]
    _words: Sequence[str]
    _having: Mapping[str, Sequence[str]]

    def words(self, file: Path) -> list[str]:
        """The words of ``python -m reid_lit.evaluate`` that make our model of it, and test it as it was tested.

        Args:
            file: Its weights, whose names may tell another version of the code.
        """
        own = [assignment("name", self.entry.replace("/", "_")), *self._words]
        if not self._having:
            return own
        from reid_lit.backbones.weights import read_state  # it imports torch

        names = {plain_name(name) for name in read_state(file)}
        return [*own, *(word for name, words in self._having.items() if name in names for word in words)]

    def renamed(self, name: str) -> str | None:
        """A tensor's name in our model; None where it is of no use; the name itself where the table does not say."""
        plain = plain_name(name)
        for pattern, ours in self.names.items():
            if re.match(pattern, plain):
                return None if ours is None else re.sub(f"^(?:{pattern})", ours, plain, count=1)
        return plain


def plain_name(name: str) -> str:
    """A tensor's name without what wrappers put before it.

    >>> plain_name("module._orig_mod.base.layer1._orig_mod.0.bn1.bias")
    'base.layer1.0.bn1.bias'
    """
    return _WRAPPERS.sub("", name)


def published(entry: str) -> Published:
    """The entry of the table.

    Args:
        entry: ``<project>/<recipe>``, such as ``fastreid/sbs_R50``.

    Raises:
        InputError: there is no such entry, or it is none of our networks; the message says why.
    """
    project, _, recipe = entry.partition("/")
    if project not in _table():
        raise InputError(f"as={entry}: there is no such project; give one of {', '.join(entries())}")
    content = _table()[project]
    if reason := content.get("refused", {}).get(recipe):
        raise InputError(f"as={entry}: cannot be tested here: {reason}")
    if recipe not in content["recipes"]:
        near = get_close_matches(recipe, content["recipes"], n=1, cutoff=0.4)
        did_you_mean = f" (did you mean {project}/{near[0]}?)" if near else ""
        raise InputError(
            f"as={entry}: there is no such recipe{did_you_mean}; give one of {', '.join(entries(project))}"
        )
    own = content["recipes"][recipe]
    own = own if isinstance(own, dict) else {"words": own}
    return Published(
        entry=entry,
        names=content["names"],
        given=content.get("given", {}),
        _words=_merged(_flat([content["words"], own["words"]])),
        _having={**content.get("having", {}), **own.get("having", {})},
    )


def entries(project: str | None = None) -> list[str]:
    """What ``as`` can be, of one project or of all."""
    projects = [project] if project else list(_table())
    return [f"{name}/{recipe}" for name in projects for recipe in _table()[name]["recipes"]]


def check_published(values: Mapping[str, Any]) -> bool:
    """Whether the values of a command line name a published model.

    Args:
        values: ``weights`` and ``as`` among them, None where they are not given.

    Raises:
        InputError: one comes without the other, or beside a run or embeddings, or there is no such entry.
        MissingFileError: there is no such file.
    """
    weights, entry = values.get("weights"), values.get("as")
    if not weights and not entry:
        return False
    if not entry:
        raise InputError(
            f"weights={weights}: say what they are by as=<project>/<recipe>, one of {', '.join(entries())}; those of a"
            " run of reid_lit are tested by run=<folder>"
        )
    published(str(entry))
    if not weights:
        raise InputError(f"as={entry}: give its file too, weights=<file>")
    if other := next((key for key in ("run", "embeddings") if values.get(key)), None):
        raise InputError(f"weights={weights} and {other}={values[other]}: give one of them")
    if not Path(str(weights)).expanduser().is_file():
        raise MissingFileError(f"weights={weights}: there is no such file; give a *.pth or a *.safetensors")
    return True


def words_of(values: Mapping[str, Any]) -> list[str]:
    """Values as words of a command line."""
    return [assignment(key, value) for key, value in values.items()]


def _merged(words: Sequence[str]) -> list[str]:
    """The words, each key once: the last stands."""
    return list({key_of(word): word for word in words}.values())


def _flat(words: Any) -> list[str]:
    """The words of lists in lists."""
    return [words] if isinstance(words, str) else [word for each in words for word in _flat(each)]


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    return cast(dict[str, dict[str, Any]], OmegaConf.to_container(OmegaConf.load(_TABLE)))
