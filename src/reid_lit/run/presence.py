"""Whether the data of a run are where they are looked for, before anything is drawn, read or trained."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from reid_lit.run.composing import composed

FAKES = "dataset.fakes"
"""What generated images are called where they are missing."""


def missing_roots(config: Mapping[str, Any] | DictConfig) -> dict[str, Path]:
    """The folders, by the data sets' options, that a run looks for and that are not there.

    A synthetic set is drawn where it is missing. This looks at names alone, and imports no reader.

    Args:
        config: Of a training or a test; interpolations may be unresolved.
    """
    whole = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    missing: dict[str, Path] = {}
    for name, root in _roots(whole):
        if root and not (place := Path(str(root)).expanduser()).exists():
            missing.setdefault(name or place.name, place)
    fakes = _missing_fakes(whole)
    return missing | ({FAKES: fakes} if fakes and not missing else {})


def _missing_fakes(config: DictConfig) -> Path | None:
    """Where generated images are looked for that are not there; None where none are asked for, or some are there.

    A name alone lies beside the folder of the training images: in the data set's folder or, where that holds the images
    themselves, beside it.
    """
    dataset = OmegaConf.select(config, "dataset")
    name = dataset.get("fakes")
    if not name:
        return None
    root = Path(str(OmegaConf.select(dataset, "root"))).expanduser()
    if "draw_seed" in dataset:
        root = root / f"{dataset.world}-{dataset.size}-{dataset.draw_seed}"
    places = [root / str(name), root.parent / str(name), root / "pytorch" / str(name)]
    return None if any(place.is_dir() for place in places) else places[0]


def needs_of(config: Mapping[str, Any] | DictConfig) -> tuple[tuple[str, ...], ...]:
    """What a run cannot do without: for each, the words that stand in the reason why one without it fails.

    Args:
        config: Of a training or a test; interpolations may be unresolved.
    """
    whole = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    needs: list[tuple[str, ...]] = [
        (f"{key}={OmegaConf.select(whole, key)}",) for key in _MACHINES if not _is_computed(whole, key)
    ]
    for _, root in _roots(whole):
        if root:
            place = Path(str(root)).expanduser().resolve()
            needs.append(("missing: ", str(place.parent), place.name))
    weights = OmegaConf.select(whole, "backbone.weights")
    if weights not in (None, "none"):
        needs.append((f"backbone.weights={weights}: ", str(OmegaConf.select(whole, "backbone.name"))))
    return tuple(needs)


_MACHINES = (
    "machine.accelerator",
    "machine.devices",
    "machine.strategy",
    "trainer.precision",
    "trainer.sync_batchnorm",
)
"""Keys of what a run computes on: one value of them fails in every run or in none."""


def _is_computed(config: DictConfig, key: str) -> bool:
    """Whether a value is chosen for the machine at hand, where it cannot fail; to look at it would import torch."""
    group, _, name = key.partition(".")
    part = OmegaConf.to_container(OmegaConf.select(config, group) or OmegaConf.create(), resolve=False)
    return "${cpu_precision:" in str(part.get(name)) if isinstance(part, dict) else False


def _roots(config: DictConfig) -> Iterator[tuple[str, Any]]:
    """Where the data set is, and those that it is made of or tested on besides."""
    yield from _parts(config, OmegaConf.select(config, "dataset"), "")
    for entry in OmegaConf.select(config, "test_on") or ():
        yield from _of_entry(config, entry)


def _parts(config: DictConfig, dataset: Any, name: str) -> Iterator[tuple[str, Any]]:
    entries = [dataset.get(key) for key in ("source", "target", "members") if dataset.get(key) is not None]
    if "draw_seed" not in dataset and not entries:
        yield name, OmegaConf.select(dataset, "root", throw_on_missing=False)
    for entry in entries:
        for each in entry if isinstance(entry, ListConfig) else [entry]:
            yield from _of_entry(config, each)


def _of_entry(config: DictConfig, entry: Any) -> Iterator[tuple[str, Any]]:
    """Of an option of ``dataset``, or a mapping that names one and keys that differ."""
    changed = {"dataset": entry} if isinstance(entry, str) else dict(entry)
    name = changed.pop("dataset", None)
    if name is None:  # the run's own, somewhere else
        yield "", changed.get("root")
        return
    option = {"data_root": OmegaConf.select(config, "data_root"), "dataset": composed((f"dataset={name}",))["dataset"]}
    yield from _parts(config, OmegaConf.merge(option, {"dataset": changed}).dataset, str(name))
