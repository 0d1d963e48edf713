"""Started by test_in_chunks.py: two ranks take the gradient of one batch, each of its half, in chunks.

    python -m tests.models.chunks_on_ranks <folder> <overrides of the model>

Writes <folder>/gradients.pt. It is a process of its own: one that has taken a gradient cannot fork others that do.
"""

import sys

import hydra
import torch
from hydra.utils import instantiate
from tests.models.steps import random_batch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit.paths import packaged


class Steps(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, batch):
        return self.model.train().training_step(batch, 0)


def made(overrides):
    """The model that the fixture `built` makes of them."""
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        config = hydra.compose("train", overrides)
        torch.manual_seed(0)
        model = instantiate(config.model, _convert_="all")(persons=5)
    model.log = model.log_dict = lambda *_, **__: None
    model.setup("test")
    return model


def work(rank, folder, model):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    batch = random_batch()
    half = type(batch)(*(value.chunk(2)[rank] for value in batch))
    learner = DistributedDataParallel(Steps(model))
    with model.saving_memory(chunk=2, checkpointing=True):
        learner(half).backward()
    if rank == 0:
        torch.save([p.grad for p in model.parameters()], f"{folder}/gradients.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    place, *words = sys.argv[1:]
    multiprocessing.start_processes(work, args=(place, made(words)), nprocs=2, start_method="fork")
