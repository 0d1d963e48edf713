"""Which data sets of a matrix can be had."""

from collections.abc import Sequence

from omegaconf import DictConfig

from reid_lit.cross_domain.words import Domain
from reid_lit.data.problems import DataError, MissingDataError
from reid_lit.data.sets.synthetic import Synthetic
from reid_lit.records import Split
from reid_lit.run.datasets import make_data, with_dataset


def look(
    config: DictConfig, sources: Sequence[Domain], targets: Sequence[Domain], *, prepare: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Read the lists of all data sets; no image is decoded.

    Args:
        config: Says how data are read.
        sources: Have to have somebody to train on.
        targets: Have to have somebody to test.
        prepare: Whether what can be made (drawn, unpacked) is made; what is only to be drawn lacks in no case.

    Returns:
        Why a data set cannot be had, by name; what a test calls its row of results, by name.
    """
    lacking: dict[str, str] = {}
    rows: dict[str, str] = {}
    for domain in dict.fromkeys(each.name for each in (*sources, *targets)):
        one = next(each for each in (*sources, *targets) if each.name == domain)
        try:
            split = _read(config, one, prepare=prepare)
        except (DataError, MissingDataError) as error:
            lacking[domain] = f"{domain}: {error.problem.kind}: {error}"
            continue
        if split is None:
            continue
        rows[domain] = split.average or split.name
        reasons = [_untrainable(split)] if one in sources else []
        reasons += [_untestable(split)] if one in targets else []
        if found := [f"{domain}: {reason}" for reason in reasons if reason]:
            lacking[domain] = "; ".join(found)
    return lacking, rows


def _read(config: DictConfig, domain: Domain, *, prepare: bool) -> Split | None:
    data = make_data(with_dataset(config, domain.entry))
    if prepare:
        data.prepare_data()
    elif isinstance(data, Synthetic) and not data.root.is_dir():
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
