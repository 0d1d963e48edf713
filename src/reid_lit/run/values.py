"""The values of a config against the annotations of the parts that get them, before any data are read."""

import functools
import inspect
import json
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from reid_lit.errors import InputError
from reid_lit.overrides import literal

_HYDRAS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
_WIRED = ("dataset", "model", "trainer")
"""Parts that hold copies of others: looked at last, so that a value is named by its own key."""
_COPY = re.compile(r"\$\{([\w.]+)\}")
_STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


def check_values(config: DictConfig) -> None:
    """Raise InputError for the first value that its part cannot take, by the part's own annotations.

    A number is finite, a truth is ``true`` or ``false``, a choice is one of those that the annotation lists. What else
    a part asks of a value it says itself when it is built.

    Raises:
        InputError: a value has another type than the constructor's argument, or there is no such argument.
    """
    raw: Any = OmegaConf.to_container(config, resolve=False)
    tree: Any = OmegaConf.to_container(config, resolve=True)
    for key in sorted(tree, key=lambda key: key in _WIRED):
        for place, part in _parts(tree[key], key):
            _check_part(place, part, raw)


def _parts(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every part below a node, the inner ones first."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _parts(value, f"{place}.{key}")
        if "_target_" in node:
            yield place, node
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _parts(value, f"{place}.{number}")


def _check_part(place: str, part: Mapping[str, Any], raw: Mapping[str, Any]) -> None:
    target = get_object(part["_target_"])
    arguments, takes_any = _arguments(target)
    for name, value in part.items():
        if name in _HYDRAS or _holds_parts(value):
            continue
        key = source_key(raw, f"{place}.{name}")
        if name not in arguments:
            if takes_any:
                continue
            known = ", ".join(arguments)
            raise InputError(f"{key}={literal(value)}: {target.__name__} has no such argument; it has {known}")
        hint = arguments[name]
        is_named = isinstance(value, Mapping | list) or place == "dataset"  # source=market1501 is composed by its name
        if inspect.isclass(hint) and _names_ours(hint) and not is_named:
            raise InputError(f"{key}={literal(value)}: {target.__name__} takes {words(hint)}")
        if (adapter := _adapter(hint)) is None or (is_named and _names_ours(hint)):
            continue
        try:
            adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"].removeprefix("Input should be ")
            raise InputError(
                f"{key}={literal(value)}: it should be {said}; {target.__name__} takes {words(hint)}"
            ) from None


def source_key(raw: Mapping[str, Any], place: str) -> str:
    """The key that a value comes from: ``backbone.name`` for ``model.backbone.name``, which is a copy.

    >>> source_key({"a": {"b": 1}, "c": {"d": "${a}"}}, "c.d.b")
    'a.b'
    """
    node: Any = raw
    names = place.split(".")
    for number, name in enumerate(names):
        node = node[int(name)] if isinstance(node, list) else node.get(name) if isinstance(node, Mapping) else None
        copied = _COPY.fullmatch(node) if isinstance(node, str) else None
        if copied:
            return source_key(raw, ".".join([copied[1], *names[number + 1 :]]))
    return place


def _holds_parts(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(map(_holds_parts, value.values()))
    return isinstance(value, list) and any(map(_holds_parts, value))


def _names_ours(hint: Any) -> bool:
    """Whether an annotation names a class of this package, which says itself what it is made of."""
    if inspect.isclass(hint) and hint.__module__.partition(".")[0] == "reid_lit":
        return True
    return any(map(_names_ours, typing.get_args(hint)))


@functools.cache
def _arguments(target: Any) -> tuple[dict[str, Any], bool]:
    """The annotation of each argument of a part, Any where there is none; and whether it takes any other argument."""
    parameters = inspect.signature(target).parameters
    called = target.__init__ if inspect.isclass(target) else target
    try:
        hints = {**(typing.get_type_hints(target, include_extras=True) if inspect.isclass(target) else {}),
                 **typing.get_type_hints(called, include_extras=True)}  # fmt: skip
    except (NameError, TypeError):  # an annotation of something that only a type checker imports
        hints = {}
    named = {name: hints.get(name, Any) for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD}
    passes_on = len(named) < len(parameters)
    if passes_on and inspect.isclass(target) and _names_ours(target):  # ours pass the rest to the class above them
        others, passes_on = _arguments(target.__base__)
        named = others | named
    return named, passes_on


@functools.lru_cache(maxsize=512)
def _adapter(hint: Any) -> TypeAdapter | None:
    """What checks a value by an annotation; None for one that says nothing of plain values."""
    if hint is Any:
        return None
    try:
        return TypeAdapter(hint, config=_STRICT)
    except PydanticUserError:  # of a class that has rules of its own
        return None


def words(hint: Any) -> str:
    """An annotation as a user reads it.

    >>> words(typing.Literal["a", "b"]), words(float | None), words(tuple[int, int])
    ("'a' or 'b'", 'a number or null', 'a list of a whole number, a whole number')
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        limits = " and ".join(_limit(each) for each in arguments[1:] if _limit(each))
        return f"{words(arguments[0])} {limits}".strip()
    if origin is typing.Literal:
        return " or ".join(map(repr, arguments))
    if arguments and (origin is typing.Union or type(hint).__name__ == "UnionType"):
        plain = [words(each) for each in arguments]
        return " or ".join(dict.fromkeys(each for each in plain if each))
    if hint in _WORDS:
        return _WORDS[hint]
    if inspect.isclass(hint) and not arguments:
        return f"a part of the kind {hint.__name__}"
    if arguments and isinstance(origin, type) and issubclass(origin, (list, tuple)):
        return "a list of " + ", ".join(words(each) for each in arguments if each is not ...)
    return "a list" if origin is not None and "Sequence" in str(origin) else "a mapping" if origin is not None else ""


_WORDS: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null",
}  # fmt: skip


def _limit(limit: Any) -> str:
    """A limit of :mod:`annotated_types` as a user reads it."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = {sign: getattr(limit, name, None) for name, sign in signs.items()}
    return ", ".join(f"{sign} {number:g}" for sign, number in limits.items() if number is not None)
