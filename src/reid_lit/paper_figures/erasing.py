"""Training images before and after random erasing (Strong Baseline, Fig. 4)."""

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from reid_lit.data.feeding.decode import decode_shots
from reid_lit.data.transforms.noise import ImageNoise
from reid_lit.data.transforms.transform import as_float
from reid_lit.errors import InputError
from reid_lit.figures.contact_sheet import evenly
from reid_lit.figures.pairs import pairs_figure
from reid_lit.paper_figures.paper_figure import PaperFigure
from reid_lit.run.datasets import make_data


def erasing(config: DictConfig, *, images: int) -> PaperFigure:
    """Images from all over the training list, before and after ``transform.train.erase``, which always erases here.

    Args:
        config: Its ``dataset``, ``transform`` and ``seed`` are looked at.
        images: How many.

    Raises:
        ValueError: the transform does not erase, or nobody is trained on.
    """
    chosen = OmegaConf.select(config, "transform.train.erase")
    if chosen is None:
        raise InputError(
            "transform.train has no erase; choose +experiment=market_strong, with any dataset, or transform=strong"
        )
    data = make_data(config)
    data.prepare_data()
    split = data.listed()
    if not split.train:
        raise InputError(f"{split.name} has nobody to train on; choose another dataset")
    places = evenly(range(len(split.train)), images)
    shots = [split.train[place] for place in places]
    before = decode_shots(shots, size=data.transform.size, interpolation=data.transform.interpolation)
    erase = instantiate(OmegaConf.merge(chosen, {"probability": 1.0}), _convert_="all")
    after = erase(before, ImageNoise(torch.tensor(places), seed=config.seed, epoch=0))
    boxes = erase.boxes(ImageNoise(torch.tensor(places), seed=config.seed, epoch=0), *data.transform.size)
    rows = {"before": as_float(before), "after": after}
    facts = [
        {"file": shot.path.name, "top": top, "left": left, "height": height, "width": width}
        for shot, (top, left, height, width) in zip(shots, boxes.tolist(), strict=True)
    ]
    size = data.transform.size
    title = f"Random erasing: training images of {split.name}, {size[0]} × {size[1]} pixels"
    return PaperFigure(figure=pairs_figure(rows, title=title), numbers={"dataset": split.name, "erased_pixels": facts})
