"""Which data sets of a matrix can be had."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from reid_lit.data.problems import DataError, MissingDataError
from reid_lit.files.access import is_dir
from reid_lit.records import Split
from reid_lit.run.datasets import make_data, with_dataset
from reid_lit.tables.matrix.words import NamedDataset


def missing_datasets(
    config: DictConfig, sources: Sequence[NamedDataset], targets: Sequence[NamedDataset], *, prepare: bool
) -> dict[str, str]:
    """Read the lists of all data sets, no image; the result says why a data set cannot be had, by name.

    Args:
        config: How data are read.
        sources: Those that need somebody to train on.
        targets: Those that need somebody to test.
        prepare: Whether to make what can be made (drawn, unpacked); without it what is only to be drawn is not missing.
    """
    missing: dict[str, str] = {}
    for name, dataset in _by_name([*sources, *targets]).items():
        try:
            split = _read(config, dataset, prepare=prepare)
        except (DataError, MissingDataError) as error:
            missing[name] = f"{name}: {error.problem.kind}: {error}"
            continue
        if split is None:
            continue
        reasons = [_untrainable(split)] if dataset in sources else []
        reasons += [_untestable(split)] if dataset in targets else []
        if any(reasons):
            missing[name] = "; ".join(f"{name}: {reason}" for reason in reasons if reason)
    return missing


def _by_name(datasets: Sequence[NamedDataset]) -> Mapping[str, NamedDataset]:
    return {dataset.name: dataset for dataset in datasets}


def _read(config: DictConfig, dataset: NamedDataset, *, prepare: bool) -> Split | None:
    from reid_lit.data.sets.synthetic import Synthetic  # it imports torch and Lightning

    data = make_data(with_dataset(config, dataset.entry))
    if prepare:
        data.prepare_data()
    elif isinstance(data, Synthetic) and not is_dir(data.root):
        return None
    return data.read()


def _untrainable(split: Split) -> str:
    return "" if split.train else f"{split.name} has nobody to train on; name it as a target alone"


def _untestable(split: Split) -> str:
    if not all(test.query for test in split.tested):
        return f"{split.name} is read with nobody to test; name it as a source alone, or choose persons to test"
    if len(split.tested) > 1 and not split.average:
        names = ", ".join(test.name for test in split.tested)
        return f"{split.name} has several tests without a mean ({names}); name a data set with one"
    return ""
