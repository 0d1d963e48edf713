"""``reid_lit.load``: the model of a run, or one that another project has published, ready to embed images in Python."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from reid_lit.backbones.checkpoint import weights_file
from reid_lit.errors import InputError, MissingFileError
from reid_lit.models.base import RetrievalModel
from reid_lit.run.composing import composed
from reid_lit.run.folder import Run
from reid_lit.run.published import check_published, published, words_of
from reid_lit.run.trust import check_no_resolvers, check_parts
from reid_lit.testing.embedder import Embedder
from reid_lit.testing.tests import published_model, trained_model


def load(
    run: str | os.PathLike[str],
    *,
    as_: str | None = None,
    device: str | torch.device = "auto",
    precision: str | None = None,
    value_range: Sequence[int | float] | None = None,
    trust: bool = False,
) -> Embedder:
    """As :func:`reid_lit.load`, which has the runtimes of exported graphs too; here torch computes."""
    path = Path(run).expanduser()
    if as_ is not None:
        config = _published_config(path, as_)
        return _embedder(config, published_model(config), device=device, precision=precision, value_range=value_range)
    folder = _run_of(path)
    config = folder.config()
    if not trust:
        source = str(folder.folder / "config.yaml")
        check_no_resolvers(config, source=source)
        check_parts({key: config[key] for key in _BUILT}, source=source)
    config.model.backbone.weights = "none"  # a resolved config has a copy of the backbone's keys there
    tested = config.get("weights") is not None  # the folder of an evaluation of a published model
    model = published_model(config) if tested else trained_model(config, _trained(folder, config))
    return _embedder(config, model, device=device, precision=precision, value_range=value_range)


def _published_config(file: Path, entry: str) -> DictConfig:
    """The config by which a published model is tested."""
    if not check_published({"weights": str(file), "as": entry}):
        raise InputError("as_='': name a recipe, such as fastreid/sbs_R50")
    words = (*published(entry).words(file), *words_of({"weights": str(file), "as": entry}))
    return OmegaConf.create(composed(words))


def _embedder(
    config: DictConfig,
    model: RetrievalModel,
    *,
    device: str | torch.device,
    precision: str | None,
    value_range: Sequence[int | float] | None,
) -> Embedder:
    """A model on its device, with what the config says of images."""
    chosen = torch.device(_first_device() if device == "auto" else device)
    trained_in = str(config.trainer.precision)
    own = OmegaConf.select(config, "dataset.value_range") or OmegaConf.select(config, "dataset.target.value_range")
    return Embedder(
        model=model,
        transform=instantiate(config.transform, _convert_="all"),
        batch_size=config.loader.test_batch_size,
        value_range=value_range if value_range is not None else own and list(own),
        precision=precision or ("32-true" if trained_in == "16-mixed" and chosen.type == "cpu" else trained_in),
    ).to(chosen)


def _first_device() -> str:
    """The first GPU of this machine, else its CPU."""
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _trained(folder: Run, config: DictConfig) -> Run:
    """The run that has the weights: of the folder itself, or the one that was evaluated there."""
    evaluated = None if OmegaConf.is_missing(config, "run") else config.get("run")
    if evaluated is None or folder.weights is not None or weights_file(folder.folder).is_file():
        return folder
    place, split = folder.folder, ""
    if place.name.startswith("split_"):  # the test of one split of a run
        place, split = place.parent, place.name
    above = place.parent.parent / split  # where the evaluation of a run lies, wherever that was moved
    told = Path(evaluated).expanduser()
    return _run_of(above if weights_file(above).is_file() else told / split if (told / split).is_dir() else told)


_BUILT = ("model", "transform")
"""What is built of a run's config, with all that is in it."""


def _run_of(path: Path) -> Run:
    """The run of a folder, or of a checkpoint in it.

    Raises:
        FileNotFoundError: it has no checkpoint.
    """
    run = Run(path.parent.parent, weights=path) if path.is_file() else Run(path)
    splits = sorted(folder.name for folder in run.folder.glob("split_*") if weights_file(folder).is_file())
    if splits and not weights_file(run.folder).is_file():
        raise MissingFileError(
            f"{path} trained several splits, each with weights of its own; load one of {', '.join(splits)} in it"
        )
    return run
