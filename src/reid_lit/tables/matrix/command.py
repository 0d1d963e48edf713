"""The command line of a matrix: its words, and what they ask for."""

from collections.abc import Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from reid_lit.overrides import assignment, key_of
from reid_lit.paths import options, packaged
from reid_lit.run.identity import is_of
from reid_lit.tables.matrix.table import MatrixRequest
from reid_lit.tables.matrix.words import MatrixError, chosen_methods, read_datasets, read_methods
from reid_lit.wording import unknown

_LISTS = ("sources", "targets", "methods", "seed")


def reword_matrix(arguments: Sequence[str]) -> list[str]:
    """The command line as Hydra composes it: what is no key of the matrix is passed to every training.

    >>> reword_matrix(["seed=0,1", "size=laptop", "trainer.max_epochs=1"])
    ['seed=[0,1]', 'size=laptop', 'overrides=["trainer.max_epochs=1"]']
    """
    keys = {str(key) for key in OmegaConf.load(packaged("conf") / "matrix.yaml")} - {"defaults", "overrides"}
    hydras, passed = [], []
    for argument in arguments:
        key = key_of(argument)
        root, value = key.split(".")[0], argument.partition("=")[2]
        if argument.startswith("-") or key.startswith(("hydra.", "hydra/")) or root in keys:
            bare = key in _LISTS and value and not value.startswith(("[", "$"))
            hydras.append(f"{key}=[{value}]" if bare else argument)
        else:
            passed.append(argument)
            hydras += [argument] if is_of("matrix", argument) else []
    return [*hydras, assignment("overrides", passed)] if passed else hydras


def read_matrix(config: DictConfig) -> MatrixRequest:
    """What the config asks for; its data sets are read.

    Raises:
        MatrixError: a word is not known.
    """
    from reid_lit.tables.matrix.presence import missing_datasets  # it reads data

    if config.size not in config.sizes:
        raise MatrixError(unknown("size", str(config.size), list(config.sizes)))
    size: Any = OmegaConf.to_container(config.sizes[config.size], resolve=True)
    known_options = [name for name in options("dataset") if name not in ("transfer", "images")]
    sources, targets = (
        read_datasets(list(config[key]), size["datasets"], known_options) for key in ("sources", "targets")
    )
    known = read_methods(size["methods"])
    methods = chosen_methods(list(config.methods), known)
    if not (sources and targets and methods and config.seed):
        raise MatrixError("name one source, target, method and seed, or more of each")
    single = cast(DictConfig, OmegaConf.merge(config, {"seed": config.seed[0]}))  # as a training reads data
    missing = missing_datasets(single, sources, targets, prepare=not config.plan)
    seeds, overrides = [int(seed) for seed in config.seed], tuple(config.overrides)
    return MatrixRequest(
        sources=sources, targets=targets, methods=methods, known=known, seeds=seeds, overrides=overrides,
        missing=missing,
    )  # fmt: skip
