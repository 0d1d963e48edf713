"""The check, before the first stage starts, that a run and its stages can be trained."""

import copy
from collections.abc import Sequence

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.seed import isolate_rng

from reid_lit.data.base import ReidData
from reid_lit.models.base import RetrievalModel
from reid_lit.run.composing import composed
from reid_lit.run.datasets import make_data
from reid_lit.run.lineage import Lineage, absolute, check_apart, inherited, read_lineage
from reid_lit.run.stages import Stage


def rehearse(config: DictConfig, stages: Sequence[Stage], data: ReidData) -> None:
    """Build the model and those of the stages before it, without weights, and check each against its data.

    Args:
        config: What is trained.
        stages: What is trained first; of a stage that is done, only the images are read.
        data: What the run itself is trained on, after ``setup``.

    Raises:
        ValueError: a model cannot be built or trained, or the persons of the target are known to what is adapted to it.
    """
    if all(stage.job.done for stage in stages):
        return
    model = _checked_model(config, data)
    lineage = inherited(config)
    for stage in stages:
        lineage |= read_lineage(stage.job.folder) if stage.job.done else _rehearsed(stage)
    check_apart(model.unlabelled(data.split), lineage.labelled, name=data.split.name)


def learnt_from(model: RetrievalModel, data: ReidData) -> Lineage:
    """The images that a training shows."""
    shown = absolute(data.split.train)
    return Lineage(shown, shown - absolute(model.unlabelled(data.split)))


def _rehearsed(stage: Stage) -> Lineage:
    """The images that a stage will learn from, once its model is checked."""
    config = OmegaConf.create(composed(stage.job.overrides))
    data = make_data(config)
    data.prepare_data()
    data.setup("fit")
    return learnt_from(_checked_model(config, data), data)


def _checked_model(config: DictConfig, data: ReidData) -> RetrievalModel:
    """The model without weights, once it is checked against these data."""
    bare = copy.deepcopy(config)
    bare.backbone.weights = "none"
    with isolate_rng():
        model: RetrievalModel = instantiate(bare.model, _convert_="all")(persons=data.persons)
    model.check_data(data, config.trainer.max_epochs)
    return model
