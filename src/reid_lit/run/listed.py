"""The keys of a config that take a list: an entry alone is a list of it."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from reid_lit.errors import InputError
from reid_lit.overrides import literal


def listed(config: DictConfig, key: str, *, such: str) -> list[Any]:
    """The entries of a key; of a text, a number or a mapping alone, this one; none of ``null``.

    A text is a sequence of letters too, and a loop over it would take each for an entry.

    Args:
        config: Has the key.
        key: Takes a list.
        such: Entries as an example, for messages.

    Raises:
        ValueError: the key is true or false, or one of its entries is, is null or is a list.
    """
    value = config[key]
    entries = [] if value is None else list(value) if isinstance(value, ListConfig) else [value]
    if any(entry is None or isinstance(entry, bool | ListConfig) for entry in entries):
        raise _refused(config, key, such)
    return entries


def texts(config: DictConfig, key: str, *, such: str) -> list[str]:
    """As :func:`listed`, of a key whose entries are names of files or folders, which may be numbers.

    Raises:
        ValueError: an entry is another thing.
    """
    entries = listed(config, key, such=such)
    if any(isinstance(entry, DictConfig) for entry in entries):
        raise _refused(config, key, such)
    return [str(entry) for entry in entries]


def numbers(config: DictConfig, key: str, *, such: str) -> list[float]:
    """As :func:`listed`, of a key whose entries are numbers.

    Raises:
        ValueError: an entry is none.
    """
    entries = listed(config, key, such=such)
    if not all(isinstance(entry, int | float) for entry in entries):
        raise _refused(config, key, such)
    return [float(entry) for entry in entries]


def _refused(config: DictConfig, key: str, such: str) -> InputError:
    value = OmegaConf.to_container(config, resolve=True)[key]  # type: ignore[index,call-overload]
    return InputError(f"{key}={literal(value)}: give a list, such as {key}=[{such}]")
