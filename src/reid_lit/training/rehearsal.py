"""The check, before the first stage starts, that a run and its stages can be trained."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.seed import isolate_rng
from torch import nn

from reid_lit.data.base import ReidData
from reid_lit.errors import InputError
from reid_lit.models.base import RetrievalModel
from reid_lit.run.composing import composed
from reid_lit.run.datasets import make_data, members_of, with_dataset
from reid_lit.run.lineage import Lineage, absolute, check_apart, inherited, read_lineage
from reid_lit.run.machine import ranks_of
from reid_lit.run.presence import missing_roots
from reid_lit.run.stages import Stage
from reid_lit.testing.limits import check_limits, validated
from reid_lit.training.low_memory import check_chunks


def check_before_data(config: DictConfig, stages: Sequence[Stage]) -> None:
    """Look for the data and the weights of a run and of its stages, before any data are drawn or read.

    Raises:
        FileNotFoundError: a data set or the weights are not there.
        ValueError: the weights are of another network.
    """
    given = {stage.gives for stage in stages}
    for one in (config, *(OmegaConf.create(composed(stage.job.overrides)) for stage in stages if not stage.job.done)):
        for part in _parts(one) if missing_roots(one) else ():
            if _lacks_root(part):
                make_data(part).read()  # says what was looked for, and where
        if one.backbone.weights != "none" and "backbone.weights" not in given:
            with isolate_rng():
                instantiate(one.backbone, _convert_="all")


def _parts(config: DictConfig) -> Iterator[DictConfig]:
    """The configs of the data sets that a run is trained and tested on."""
    yield from members_of(config)
    for entry in config.test_on or ():
        yield from members_of(with_dataset(config, entry))


def _lacks_root(part: DictConfig) -> bool:
    root = part.dataset.get("root")
    return bool(root) and "draw_seed" not in part.dataset and not Path(root).expanduser().exists()


def rehearse(config: DictConfig, stages: Sequence[Stage], data: ReidData, tests: Sequence[ReidData] = ()) -> None:
    """Build the model and those of the stages before it, without weights, and check each against its data.

    Args:
        config: What is trained.
        stages: What is trained first; of a stage that is done, only the images are read.
        data: What the run itself is trained on, after ``setup``.
        tests: What it is tested on, likewise.

    Raises:
        ValueError: a model cannot be built or trained, its embeddings cannot be scored within the evaluation's limits,
            or the persons of the target are known to what is adapted to it.
    """
    if all(stage.job.done for stage in stages):
        return
    model = _checked_model(config, data)
    check_tested(model, data, tests)
    lineage = inherited(config)
    for stage in stages:
        lineage |= read_lineage(stage.job.folder) if stage.job.done else _rehearsed(stage)
    check_apart(model.unlabelled(data.split), lineage.labelled, name=data.split.name)


def without_weights(config: DictConfig) -> DictConfig:
    """A copy whose model is built without the weights that its backbone starts from."""
    bare = copy.deepcopy(config)
    bare.backbone.weights = "none"
    return bare


def check_tested(model: RetrievalModel, data: ReidData, tests: Sequence[ReidData]) -> None:
    """Raise InputError where a model cannot embed or score its tests, or the persons that its training validates with.

    Args:
        model: Before its training.
        data: What it is trained on, after ``setup``.
        tests: What it is tested on, likewise.
    """
    for test in tests:
        model.check_test(test, data)
    check_limits(model, [*tests, *validated(data)])


def learnt_from(model: RetrievalModel, data: ReidData) -> Lineage:
    """The images that a training shows, and those that generators of its images have learnt from."""
    shown = absolute(data.split.train)
    return Lineage(shown | data.fakes_made_from, shown - absolute(model.unlabelled(data.split)))


def _rehearsed(stage: Stage) -> Lineage:
    """The images that a stage will learn from, once its model is checked."""
    config = OmegaConf.create(composed(stage.job.overrides))
    data = make_data(config)
    data.prepare_data()
    data.setup("fit")
    return learnt_from(_checked_model(config, data), data)


def _checked_model(config: DictConfig, data: ReidData) -> RetrievalModel:
    """The model without weights, once it is checked against these data."""
    with isolate_rng():
        model: RetrievalModel = instantiate(without_weights(config).model, _convert_="all")(persons=data.persons)
    model.check_training(data, config.trainer.max_epochs)
    check_batch(config, model)
    check_chunks(config, model)
    return model


def check_batch(config: DictConfig, model: RetrievalModel) -> None:
    """Raise InputError for training batches of one image where a batch norm of the neck would see it alone."""
    sizes, ranks = {"loader.batch_size": config.loader.batch_size}, ranks_of(config)
    if config.dataset.get("fakes"):
        sizes["dataset.fakes_batch_size"] = config.dataset.fakes_batch_size
    key, size = min(sizes.items(), key=lambda item: item[1])
    alone = size // ranks < 2 and not config.trainer.sync_batchnorm
    if alone and any(isinstance(layer, nn.BatchNorm1d) for layer in model.modules()):
        of = f", {size // ranks} on each of {ranks} ranks" if ranks > 1 else ""
        raise InputError(
            f"{key}={size}: a batch of 1 image{of}, of which a batch norm can tell no mean and no spread;"
            f" give {2 * ranks} or more, or another neck"
        )
