"""What the folder of a run may ask for: the parts that our own configs name, and no place to write to.

Run folders and weights are passed from hand to hand. What a run was started with is composed again, so its words could
name any function of any package. Whatever is replayed is checked here before anything is built from it.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra._internal.utils import _locate
from omegaconf import DictConfig, OmegaConf

from reid_lit.errors import InputError
from reid_lit.overrides import key_of, value_of
from reid_lit.paths import packaged
from reid_lit.run.moved import renamed

PLACES = frozenset({"folder", "dirpath", "save_dir", "log_dir", "root_dir", "default_root_dir", "weights_save_path"})
"""Keys of parts that say where files are written."""
_OWN_PLACES = frozenset({"run_dir", "hydra.run.dir", "file", "output"})
"""Keys of a command that say where files are written: a replayed word for one is left out."""
_TARGET = re.compile(r"""_target_["'\s]*[:=]["'\s]*([^\s"',}\]]*)""")
_RESOLVER = re.compile(r"\$\{.*:", re.DOTALL)
_CURE = "if you know who made it and what it runs, give trust=true"


@functools.cache
def own_parts() -> frozenset[str]:
    """Every ``_target_`` of our own ``conf/``."""
    texts = (file.read_text(encoding="utf-8") for file in packaged("conf").rglob("*.yaml"))
    return frozenset(name for text in texts for name in _TARGET.findall(text)) - {"???"}


def is_own_part(name: Any) -> bool:
    """Whether a ``_target_`` is one of our own parts.

    A name that our configs do not write is looked up, and its object compared with theirs: ``torch.optim.sgd.SGD`` is
    ``torch.optim.SGD``, while ``torch.nn.functional.torch.hub.load`` begins like one and is none. Only packages that
    our configs name are looked into.
    """
    if not isinstance(name, str):
        return False
    if name in own_parts():
        return True
    last = name.rpartition(".")[2]
    alike = [part for part in own_parts() if part.rpartition(".")[2] == last]
    if not alike or name.partition(".")[0] not in {part.partition(".")[0] for part in alike}:
        return False
    try:
        return any(_locate(name) is _locate(part) for part in alike)
    except ImportError:
        return False


def check_parts(config: Any, *, source: str, typed: Sequence[str] = ()) -> None:
    """Raise InputError unless every part of a config is one of our own, and writes where the run's folder says.

    Args:
        config: What is to be built, such as a composed config or that of a run.
        source: Where it comes from, for the message.
        typed: The words of this command line, which the user answers for.
    """
    named = {name for word in typed for name in _TARGET.findall(word)}
    typed_keys = {key_of(word) for word in typed}
    tree = OmegaConf.to_container(config, resolve=False) if isinstance(config, DictConfig) else config
    for place, key, value in _leaves(renamed(tree)):
        if key == "_target_" and value not in named and not is_own_part(value):
            raise InputError(
                f"{source}: {place or 'it'} asks for {value!r}, which is no part of reid_lit and could run anything;"
                f" {_CURE}"
            )
        if key in PLACES and f"{place}.{key}" not in typed_keys and not _is_within_the_run(value):
            raise InputError(f"{source}: {place}.{key} would write to {value!r}, outside of the run's folder; {_CURE}")
    for key in ("before", "before_overrides"):
        if isinstance(tree, Mapping) and tree.get(key) and key not in {word.partition(".")[0] for word in typed_keys}:
            for text in _texts(tree[key]):
                check_word(text, source=f"{source}: {key}")


def check_no_resolvers(config: Any, *, source: str) -> None:
    """Raise InputError if a stored config computes a value when it is read, such as from the environment."""
    tree = OmegaConf.to_container(config, resolve=False) if isinstance(config, DictConfig) else config
    for text in _texts(tree):
        if _RESOLVER.search(text):
            raise InputError(f"{source}: {text!r} would be computed when it is read; {_CURE}")


def kept_words(words: Sequence[str], *, source: str) -> list[str]:
    """The words of an earlier run that another command may repeat.

    Args:
        words: Overrides of the run.
        source: Where they come from, for the message.

    Raises:
        ValueError: one is about Hydra itself, reads the environment, chooses a file of the disk as an option, or names
            a part that is not ours.
    """
    kept = [word for word in words if key_of(word) not in _OWN_PLACES]
    for word in kept:
        check_word(word, source=source)
    return kept


def check_word(word: str, *, source: str) -> None:
    """Raise InputError for a word that no run of ours is started with."""
    key = key_of(word)
    if word.startswith("-") or key.partition(".")[0].partition("/")[0] == "hydra":
        raise InputError(f"{source}: {word!r} is about Hydra itself, not about a training; {_CURE}")
    if _RESOLVER.search(word):
        raise InputError(f"{source}: {word!r} would read the environment or compute a value; {_CURE}")
    if _is_option(key) and re.search(r"\.\.|^/|^file:|^pkg:|:/|\\", value_of(word).strip("\"'")):
        raise InputError(f"{source}: {word!r} chooses a file outside of conf/; {_CURE}")
    for name in _TARGET.findall(word):
        if not is_own_part(name):
            raise InputError(
                f"{source}: {word!r} asks for {name!r}, which is no part of reid_lit and could run anything; {_CURE}"
            )


def _is_option(key: str) -> bool:
    """Whether a word chooses an option of a group."""
    group = key.partition("@")[0].partition("/")[0]
    return "." not in group and (packaged("conf") / group).is_dir()


def _is_within_the_run(value: Any) -> bool:
    if not isinstance(value, str):
        return value is None
    return value.startswith(("${run_dir}", "${output}", "${file}")) and ".." not in value


def _leaves(node: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """The place, key and value of every leaf of a tree of mappings and lists."""
    pairs: Any = node.items() if isinstance(node, Mapping) else enumerate(node)
    for key, value in pairs:
        if isinstance(value, (Mapping, list, tuple)):
            yield from _leaves(value, f"{place}.{key}".lstrip("."))
        else:
            yield place, str(key), value


def _texts(node: Any) -> Iterator[str]:
    """Every string of a tree, keys too."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node
