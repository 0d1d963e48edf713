"""Images a second of training and embedding on one device, and what the loop and the feeding cost.

``python scripts/gpu_training.py --images <folder>`` prints one line of JSON; ``scripts/gpu.py`` runs it for each way.
"""

import argparse
import contextlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor
from typing_extensions import override

from image_list import ImageList, image_list, images_in, now, on_device
from reid_lit.command.arithmetic import set_arithmetic
from reid_lit.command.launch import _quiet
from reid_lit.models.base import RetrievalModel
from reid_lit.paths import packaged
from reid_lit.run.machine import compiled, make_trainer

READY = 4
"""Batches in memory where feeding is not what is measured."""
TINY = (
    "backbone=resnet18",
    "transform.size=[64,32]",
    "sampler.persons=4",
    "sampler.images=2",
    "loader.batch_size=8",
    "machine.test_batch_size=8",
)
"""What a dry run changes."""
GIGABYTE = 1e9


@dataclass(frozen=True, kw_only=True)
class Way:
    """How is trained.

    Attributes:
        precision: The Trainer's word.
        compile: Whether the backbone is compiled.
        tiny: Whether sizes are those of a dry run.
        steps: Steps within the clock.
    """

    precision: str
    compile: bool
    tiny: bool
    steps: int

    @property
    def warm(self) -> int:
        """Steps before the clock starts: workers start, kernels are chosen, and a network is compiled."""
        return 2 if self.tiny else 20

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def config(self, folder: Path, *words: str) -> DictConfig:
        """The Strong Baseline (ResNet-50, 256 × 128, P16 × K4) without center loss, as ``train.py`` composes it."""
        kind = "gpu" if self.device.type == "cuda" else "cpu"
        chosen = ["+experiment=market_strong", "loss=id_triplet", f"machine={kind}", f"trainer={kind}"]
        set_ = {
            "backbone.weights": "none",
            "trainer.precision": self.precision,
            "machine.compile": str(self.compile).lower(),
            "machine.progress_bar": "false",
            "model.recipe.channels_last": "true",
            "trainer.max_epochs": "1",
            "run_dir": str(folder),
        }
        given = [f"{key}={value}" for key, value in set_.items()]
        with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
            return hydra.compose("train", [*chosen, *given, *(TINY if self.tiny else ()), *words])

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The precision of a loop written by hand."""
        kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(self.precision)
        return contextlib.nullcontext() if kind is None else torch.autocast(self.device.type, kind)


class Clock(pl.Callback):
    """The seconds between the starts of two batches, and the images between them."""

    def __init__(self, first: int, last: int) -> None:
        self.marks = {first: 0.0, last: 0.0}
        self.steps = last - first

    @override
    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        self._mark(batch_idx)

    @override
    def on_predict_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._mark(batch_idx)

    def _mark(self, batch: int) -> None:
        if batch in self.marks:
            self.marks[batch] = now()

    def images_a_second(self, batch_size: int) -> float:
        """Images of the batches, by the second."""
        first, last = self.marks.values()
        return self.steps * batch_size / (last - first)


class Bench:
    """A way of training, and images to train on.

    Args:
        way: How.
        files: Images; who is on them is made up.
        folder: Takes logs and checkpoints.
    """

    def __init__(self, way: Way, files: list[Path], folder: Path) -> None:
        self.way, self.files, self.folder = way, files, folder
        self.size = int(way.config(folder).loader.batch_size)
        self.count = (way.steps + way.warm + 1) * self.size

    def results(self) -> dict[str, Any]:
        """Images a second by where the batches come from; shares and ratios of them."""
        rates = {
            "workers": self.trained(),
            "memory": max(self.trained(in_memory=READY) for _ in range(2)),
            "bare loop": max(self.bare() for _ in range(2)),
            "cache": self.trained("machine.cache=ram", epochs=2),
            "embedding": self.embedded(),
        }
        cuda = self.way.device.type == "cuda"
        return {
            "images_a_second": {name: round(rate, 1) for name, rate in rates.items()},
            "waits_with_workers": round(max(0.0, 1 - rates["workers"] / rates["memory"]), 4),
            "waits_with_cache": round(max(0.0, 1 - rates["cache"] / rates["memory"]), 4),
            "step_to_bare_step": round(rates["bare loop"] / rates["memory"], 4),
            "workers": self.data(self.way.config(self.folder)).loader.processes(1),
            "peak_gb": round(torch.cuda.max_memory_allocated() / GIGABYTE, 2) if cuda else None,
            "batch_size": self.size,
            "steps": self.way.steps,
        }

    def data(self, composed: DictConfig, **settings: Any) -> ImageList:
        """The images, fed as ``composed`` says."""
        return image_list(composed, self.files, self.count, **settings)

    def parts(self, composed: DictConfig, data: ImageList) -> tuple[RetrievalModel, pl.Trainer]:
        """A new model and its trainer, with all callbacks and logs of a training."""
        return instantiate(composed.model, _convert_="all")(persons=data.persons), make_trainer(composed)

    def trained(self, *words: str, in_memory: int = 0, epochs: int = 1) -> float:
        """Images that our training takes a second, in its last epoch."""
        composed = self.way.config(self.folder, *words, f"trainer.max_epochs={epochs}")
        data = self.data(composed, in_memory=in_memory)
        model, trainer = self.parts(composed, data)
        steps = len(data.train_dataloader())
        clock = Clock(min(self.way.warm, steps // 2), steps - 1)
        trainer.callbacks.append(clock)  # type: ignore[attr-defined]
        with compiled(composed, model.backbone):
            trainer.fit(model, datamodule=data)
        return clock.images_a_second(self.size)

    def bare(self) -> float:
        """Images a second of the loop that one would write by hand: the same network, losses, optimizer, precision."""
        composed = self.way.config(self.folder)
        data = self.data(composed, in_memory=READY)
        batches = data.ready(data.train_dataloader())
        model = self.parts(composed, data)[0].to(self.way.device).train().to(memory_format=torch.channels_last)
        head = [weight for name, weight in model.named_parameters() if not name.startswith("backbone.")]
        groups = [{"params": head}, {"params": list(model.backbone.parameters())}]
        optimizer = instantiate(composed.optimizer)(groups)
        scaler = torch.amp.GradScaler(self.way.device.type, enabled=self.way.precision == "16-mixed")
        start = 0.0
        with compiled(composed, model.backbone):
            for step in range(self.way.warm + self.way.steps):
                if step == self.way.warm:
                    start = now()
                batch = data.augmented(on_device(batches[step % len(batches)], self.way.device))
                with self.way.autocast():
                    output = model(batch.image.contiguous(memory_format=torch.channels_last))
                    loss: Tensor = sum(model.criterion(output, batch.person).values())
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
        return self.way.steps * self.size / (now() - start)

    def embedded(self) -> float:
        """Images that a model embeds a second, read in workers."""
        composed = self.way.config(self.folder)
        data = self.data(composed)
        model, trainer = self.parts(composed, data)
        batches = len(data.test_dataloader())
        clock = Clock(min(2, batches - 2), batches - 1)
        trainer.callbacks.append(clock)  # type: ignore[attr-defined]
        trainer.predict(model, datamodule=data, return_predictions=False)
        return clock.images_a_second(min(data.loader.test_batch_size, self.count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--precision", default="bf16-mixed", choices=["bf16-mixed", "16-mixed", "32-true"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--tiny", action="store_true", help="a dry run: a small network and small images")
    given = parser.parse_args()
    _quiet()
    set_arithmetic()
    way = Way(precision=given.precision, compile=given.compile, tiny=given.tiny, steps=given.steps)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(Bench(way, images_in(given.images), Path(folder)).results()))


if __name__ == "__main__":
    main()
