"""A finished training taken up again: its model with its weights."""

from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict

from reid_lit.models.base import RetrievalModel
from reid_lit.runs import Run


def trained_model(config: DictConfig, run: Run) -> RetrievalModel:
    """The model of ``run``, built as ``config`` says; ``config`` is stripped of what only a training needs.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        ValueError: it holds code or is damaged.
    """
    checkpoint = run.read_checkpoint()
    with open_dict(config):
        config.backbone.weights = "none"  # the checkpoint has them
        config.trainer.logger = False  # the run's own log stays as it is
        for training_only in ("checkpoint", "learning_rate"):
            config.callbacks.pop(training_only, None)
    model = instantiate(config.model, _convert_="all")(persons=checkpoint["persons"])
    model.load_state_dict(checkpoint["state_dict"])
    return model
