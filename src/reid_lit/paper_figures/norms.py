"""Histograms of the norms of f_t and f_i (Strong Baseline, Fig. 11)."""

import logging

import torch
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Tensor

from reid_lit.data.base import ReidData
from reid_lit.errors import InputError
from reid_lit.figures.norms import norms_figure, spread_of
from reid_lit.models.base import RetrievalModel
from reid_lit.paper_figures.paper_figure import PaperFigure
from reid_lit.progress import progress
from reid_lit.records import JUNK, Split
from reid_lit.run.datasets import make_data
from reid_lit.run.split_rounds import in_one_split, trained_run
from reid_lit.testing.tests import find_tests, trained_model

_log = logging.getLogger(__name__)


def norms(config: DictConfig, *, bins: int) -> PaperFigure:
    """The norms of a run's features of query and gallery without junk, before (f_t) and behind (f_i) its neck.

    Args:
        config: That of the run; ``test_on`` names another data set than its own, the first of it is looked at.
        bins: Bars of a histogram.

    Raises:
        ValueError: no run is given.
        FileNotFoundError: it has no weights, or none of this split.
    """
    if config.run is None:
        raise InputError("run=null: give the folder of a finished run, run=runs/market_strong/<time>")
    config = in_one_split(config)
    run = trained_run(config)
    model = trained_model(config, run)
    tests = find_tests(config, make_data(config))
    if len(tests) > 1:
        _log.warning("%d tests; %s is looked at, choose another by test_on", len(tests), tests[0].row)
    data = tests[0].data
    norms_by_name = feature_norms(model, data)
    numbers = {name: spread_of(values, bins=bins) for name, values in norms_by_name.items()}
    images = len(norms_by_name["f_t"])
    title = f"Norms of the features of {data.split.name}: query and gallery without junk, {images} images"
    lines = [
        f"{name}: μ {spread['mean']:.4g}, σ {spread['deviation']:.4g}, C.V. = σ/μ {spread['variation']:.3f},"
        f" from {spread['least']:.4g} to {spread['most']:.4g}"
        for name, spread in numbers.items()
    ]
    facts = {"run": str(run.folder), "dataset": data.split.name, "images": images}
    return PaperFigure(figure=norms_figure(numbers, title=title), numbers=facts | {"norms": numbers}, lines=lines)


def feature_norms(model: RetrievalModel, data: ReidData) -> dict[str, Float[Tensor, " images"]]:
    """‖f_t‖ and ‖f_i‖ of query and gallery, in the order of their list, without junk.

    Args:
        model: Gives features and embeddings.
        data: After ``setup("test")``; its ``split`` is looked at.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network, norms = model.to(device).eval(), []
    loader = data.test_dataloader()
    with torch.inference_mode(), progress("features") as advance:
        for done, batch in enumerate(loader, 1):
            output = network(data.transform.testing(batch.image.to(device)))
            norms.append(torch.stack([output.feature.norm(dim=1), output.embedding.norm(dim=1)]).float().cpu())
            advance(done, len(loader))
    f_t, f_i = torch.cat(norms, dim=1)[:, ~_junk(data.split)]
    return {"f_t": f_t, "f_i": f_i}


def _junk(split: Split) -> Tensor:
    return torch.tensor([shot.person_id == JUNK for shot in (*split.query, *split.gallery)])
