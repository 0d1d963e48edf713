"""What is to be made of a data set: its cameras' pairs, and the folder of their images."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from reid_lit.data.camera_pair import PairImages
from reid_lit.data.fake_folder import done
from reid_lit.data.fakes import FOLDER, by_stem, folder_of
from reid_lit.data.splits import fingerprint
from reid_lit.errors import InputError
from reid_lit.models.cyclegan import CycleGan
from reid_lit.records import JUNK, Shot
from reid_lit.run.datasets import make_data
from reid_lit.run.machine import check_precision
from reid_lit.training.low_memory import refuse_low_memory
from reid_lit.training.style_images import disk_bytes
from reid_lit.wording import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two cameras, counted from 0, and the images of each."""

    cameras: tuple[int, int]
    shots: tuple[tuple[Shot, ...], tuple[Shot, ...]]

    @property
    def name(self) -> str:
        """The cameras counted from 1, such as ``1-2``."""
        return "-".join(str(camera + 1) for camera in self.cameras)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be made.

    Attributes:
        config: The command's.
        name: The data set's.
        shots: Its training images.
        pairs: All pairs of its cameras.
        chosen: The names of those that this command makes.
        folder: Of the images.
        images: How they are shown to the networks.
    """

    config: DictConfig
    name: str
    shots: tuple[Shot, ...]
    pairs: tuple[Pair, ...]
    chosen: frozenset[str]
    folder: Path
    images: PairImages

    @property
    def cameras(self) -> list[int]:
        """Counted from 0."""
        return sorted({shot.camera_id for shot in self.shots})

    @property
    def unfinished(self) -> list[Pair]:
        """The pairs that are not done."""
        return [pair for pair in self.pairs if done(self.folder, pair.name) is None]

    def needed_bytes(self) -> int:
        """About how much the images of all pairs take on the disk."""
        return disk_bytes(self.shots) * (len(self.cameras) - 1)

    def settings(self) -> dict[str, Any]:
        """What decides the images."""
        plain: Any = OmegaConf.to_container(self.config.translation, resolve=True)
        shown: Any = OmegaConf.to_container(self.config.images, resolve=True)
        precision = str(self.config.trainer.precision)
        training_list = fingerprint(self.shots)
        return {"translation": plain, "images": shown, "precision": precision, "training_list": training_list}

    def model(self) -> CycleGan:
        """The networks of a pair, at their start."""
        torch.manual_seed(self.config.seed)
        model: CycleGan = instantiate(self.config.translation, _convert_="all")
        return model


def find_work(config: DictConfig) -> Work:
    """What a command is to make, once its data and settings are found to be sound.

    Raises:
        ValueError: there are fewer than two cameras, images of the same name, or a setting is none.
        FileNotFoundError: the data set is not there.
    """
    check_machine(config)
    with open_dict(config):
        fakes, config.dataset.fakes = config.dataset.get("fakes"), None
    images: PairImages = instantiate(config.images, _convert_="all")
    data = make_data(config)
    data.prepare_data()
    data.setup("predict")
    shots = tuple(shot for shot in data.split.train if shot.person_id != JUNK)
    cameras = sorted({shot.camera_id for shot in shots})
    if len(cameras) < 2:
        raise InputError(
            f"dataset: {data.split.name} has {counted(len(shots), 'training image')} of known persons by"
            f" {counted(len(cameras), 'camera')}, and a style is learnt from two cameras or more; name a data set whose"
            f" cameras are known"
        )
    by_stem(shots)
    of = {camera: tuple(shot for shot in shots if shot.camera_id == camera) for camera in cameras}
    pairs = tuple(Pair(cameras=(a, b), shots=(of[a], of[b])) for a, b in itertools.combinations(cameras, 2))
    folder = folder_of(fakes or FOLDER, shots) if config.out is None else Path(config.out).expanduser()
    if folder.resolve() in {shot.path.parent.resolve() for shot in data.split.shots}:
        raise InputError(f"out={folder}: holds images of the data set, which stay as they are; give another folder")
    work = Work(
        config=config, name=data.split.name, shots=shots, pairs=pairs, chosen=_chosen(config, pairs), folder=folder,
        images=images,
    )  # fmt: skip
    check_size(work.model(), images)
    return work


def _chosen(config: DictConfig, pairs: Sequence[Pair]) -> frozenset[str]:
    names = [pair.name for pair in pairs]
    asked = names if config.pairs == "all" else [str(name) for name in config.pairs]
    if unknown := [name for name in asked if name not in names]:
        raise InputError(f"pairs={unknown}: the pairs of cameras are {', '.join(names)}")
    return frozenset(asked)


def check_machine(config: DictConfig) -> None:
    """Refuse several ranks, and a precision that the machine has not.

    Raises:
        ValueError: there are several, or float16 is asked for without a GPU.
    """
    if (
        str(config.machine.devices) not in ("1", "[0]")
        or config.machine.num_nodes != 1
        or "LOCAL_WORLD_SIZE" in os.environ
    ):
        raise InputError(
            f"machine.devices={config.machine.devices}: a pair of cameras is trained on one device; start the same"
            f" command once for each device (CUDA_VISIBLE_DEVICES=…): each takes the next pair that none of them has"
        )
    check_precision(config)
    refuse_low_memory(config, "a translation between cameras")


def check_size(model: CycleGan, images: PairImages) -> None:
    """Refuse images that the networks cannot have.

    Raises:
        ValueError: a side is no multiple of what the generator halves, or the discriminator has no place in it.
    """
    step, least = getattr(model.to_b, "step", 1), getattr(model.judge_a, "least_side", lambda: 1)()
    if any(side % step or side < least for side in images.size):
        raise InputError(
            f"images.size={list(images.size)}: sides have to be multiples of {step}, {least} or more (fewer"
            f" translation.discriminator.layers take smaller ones)"
        )
