"""FastReID's own loop on the same images: ``python scripts/gpu_rival.py --rival <checkout> --images <folder>``.

Nothing of the checkout is changed: what today's Python, numpy and torch lack for it is put there before it is imported,
and listed. It prints one line of JSON.
"""

import argparse
import collections
import collections.abc
import importlib.util
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from image_list import images_in, made_up_persons, now

NEEDS = ("yacs", "termcolor", "tabulate", "sklearn")
"""Packages that it imports."""
CONFIG = "configs/Market1501/bagtricks_R50.yml"
"""ResNet-50 at 256 × 128, P16 × K4, last stride 1, AMP in float16, cross entropy and triplet: its Bag of Tricks."""
WARM = 20
TINY = ("MODEL.BACKBONE.DEPTH", "18x", "INPUT.SIZE_TRAIN", "[64, 32]", "SOLVER.IMS_PER_BATCH", "8",
        "DATALOADER.NUM_INSTANCE", "2", "MODEL.BACKBONE.FEAT_DIM", "512")  # fmt: skip


def patch() -> list[str]:
    """Give names that are gone back to what they mean, and say which."""
    done = []
    for name in ("Mapping", "Iterable", "Sequence"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
            done.append(f"collections.{name} = collections.abc.{name} (gone since Python 3.10)")
    for name, kind in (("bool", bool), ("int", int), ("float", float)):
        if name not in np.__dict__:
            setattr(np, name, kind)
            done.append(f"numpy.{name} = {name} (gone since numpy 1.24)")
    return done


def patch_on_cpu() -> list[str]:
    """What a dry run without a GPU changes in addition."""
    from fastreid.data import build

    def loader(_: int, **settings: Any) -> torch.utils.data.DataLoader:
        return torch.utils.data.DataLoader(**settings | {"pin_memory": False})

    build.DataLoaderX = loader
    torch.cuda.Stream = lambda *_: None  # type: ignore[assignment,misc]
    return ["no GPU: a plain DataLoader in place of its own, which needs CUDA streams; float32"]


class Rival:
    """FastReID's model, optimizer, loader and loop, as its ``DefaultTrainer`` puts them together.

    Args:
        files: Images; who is on them is made up as for our own bench.
        steps: Steps within the clock.
        tiny: Whether sizes are those of a dry run.
    """

    def __init__(self, files: list[Path], *, root: Path, steps: int, tiny: bool) -> None:
        from fastreid.config import get_cfg

        self.steps, self.warm = steps, 2 if tiny else WARM
        self.config = get_cfg()
        self.config.merge_from_file(str(root / CONFIG))
        cuda = torch.cuda.is_available()
        words = ["MODEL.BACKBONE.PRETRAIN", "False", "MODEL.DEVICE", "cuda" if cuda else "cpu"]
        words += ["SOLVER.AMP.ENABLED", str(cuda), "DATALOADER.NUM_WORKERS", "0" if tiny else "8"]
        self.config.merge_from_list([*words, *(TINY if tiny else ())])
        self.size = int(self.config.SOLVER.IMS_PER_BATCH)
        self.items = self._items(files)

    def _items(self, files: list[Path]) -> list[tuple[str, int, int]]:
        count = (self.steps + self.warm + 1) * self.size
        persons = made_up_persons(count)
        endless = itertools.cycle(files)
        return [(str(next(endless)), n % persons, n % 2) for n in range(count)]

    def images_a_second(self) -> float:
        """Images that its training takes a second, read by its own workers."""
        from fastreid.data.build import build_reid_train_loader
        from fastreid.data.common import CommDataset
        from fastreid.data.samplers import NaiveIdentitySampler
        from fastreid.data.transforms import build_transforms
        from fastreid.engine import DefaultTrainer
        from fastreid.engine.train_loop import AMPTrainer, SimpleTrainer
        from fastreid.utils.events import EventStorage

        data = CommDataset(self.items, build_transforms(self.config, is_train=True), relabel=True)
        sampler = NaiveIdentitySampler(data.img_items, self.size, int(self.config.DATALOADER.NUM_INSTANCE))
        loader = build_reid_train_loader(
            data, sampler=sampler, total_batch_size=self.size, num_workers=int(self.config.DATALOADER.NUM_WORKERS)
        )
        self.config.MODEL.HEADS.NUM_CLASSES = data.num_classes
        model = DefaultTrainer.build_model(self.config)
        optimizer, wrapper = DefaultTrainer.build_optimizer(self.config, model)
        kind = AMPTrainer if self.config.SOLVER.AMP.ENABLED else SimpleTrainer
        loop, start = kind(model, loader, optimizer, wrapper), 0.0
        torch.backends.cudnn.benchmark = bool(self.config.CUDNN_BENCHMARK)
        with EventStorage(0):
            for step in range(self.warm + self.steps):
                if step == self.warm:
                    start = now()
                loop.run_step()
        return self.steps * self.size / (now() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rival", type=Path, required=True, help="a checkout of FastReID")
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--tiny", action="store_true", help="a dry run: a small network and small images")
    given = parser.parse_args()
    if not (given.rival / CONFIG).is_file():
        raise SystemExit(f"{given.rival.resolve()} is no checkout of FastReID: it has no {CONFIG}")
    if missing := [name for name in NEEDS if importlib.util.find_spec(name) is None]:
        raise SystemExit(f"FastReID needs {', '.join(missing)}: pip install {' '.join(missing)}")
    patched = patch()
    sys.path.insert(0, str(given.rival))
    if not torch.cuda.is_available():
        patched += patch_on_cpu()
    rival = Rival(images_in(given.images), root=given.rival, steps=given.steps, tiny=given.tiny)
    rate = rival.images_a_second()
    workers = int(rival.config.DATALOADER.NUM_WORKERS)
    facts = {"images_a_second": round(rate, 1), "batch_size": rival.size, "workers": workers, "steps": given.steps}
    print(json.dumps(facts | {"patched": patched}))


if __name__ == "__main__":
    main()
