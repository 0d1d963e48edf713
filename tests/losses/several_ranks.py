"""Started by test_gathering.py: small networks without batch norms learn by every loss, in one process and on several ranks.

    python -m tests.losses.several_ranks <folder> 1 2 4

Writes <folder>/<ranks>-<rank>.pt: for each loss, and for ARN's, what it was in each step and the parameters after the last one.
The images of a step are the same for any number of ranks; each rank gets its share of them.
"""

import sys
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tests.models.test_arn import tiny_backbone
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

from reid_lit.layers.norm_statistics import batch_norms
from reid_lit.layers.parts import OUTPUTS
from reid_lit.models.clip_prompts import ClipPrompts
from reid_lit.models.clip_reid import ClipReid
from reid_lit.paths import options, packaged
from reid_lit.records import Batch, Output, TransferBatch

PERSONS, IMAGES, STEPS = 6, 32, 3
MEMORIES = ("cluster false", "id_memory false")  # refused over several ranks
VIEWS = (*ClipPrompts.parts, *ClipReid.parts)
ARN = (
    "dataset=transfer",
    "transform=arn",
    "transform.size=[32,16]",
    "model=arn",
    "model.widths=[8,8,6]",
    "model.dropout=0.0",
    "model.difference_weight=10.0",
)


class Network(nn.Module):
    """Rows to a feature, an embedding, logits and parts, without a batch norm."""

    def __init__(self, criterion):
        super().__init__()
        self.body, self.neck = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 16)), nn.Linear(16, 8)
        self.classifier = nn.Linear(8, PERSONS)
        sizes = {"persons": PERSONS, "feature": 16, "embedding": 8}
        self.criterion = criterion.sized(**sizes, classified=True, parts=(*OUTPUTS, "local", *VIEWS))

    def forward(self, rows, person):
        feature = self.body(rows)
        embedding = self.neck(feature)
        parts = {"part_feature": feature.unflatten(1, (8, 2)), "part_embedding": feature.unflatten(1, (8, 2))}
        logits = self.classifier(embedding)
        parts["local"] = parts["part_feature"]
        parts["part_logits"] = torch.stack([logits, -logits], dim=1)
        parts |= {name: logits if name.endswith("logits") else embedding for name in VIEWS}
        return self.criterion(Output(feature, embedding, logits, parts), person)


class Losses(nn.Module):
    """ARN's losses; its batch norms normalise by the statistics that they have."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        model.log = lambda *_, **__: None
        for norm in batch_norms(model).values():
            norm.eval()

    def forward(self, image, person):
        source, target = image.chunk(2)
        return self.model.losses(
            TransferBatch(Batch(source, person[: len(source)], None, None), Batch(target, None, None, None))
        )


def configs():
    """Each loss by its option, with and without seeing other ranks' images."""
    with initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        for gather in ("true", "false"):
            for name in options("loss"):
                yield (
                    f"{name} {gather}",
                    compose("train", [f"loss={name}", "neck=bnneck", f"loss.gather={gather}"]),
                    False,
                )
            yield f"model=arn {gather}", compose("train", [*ARN, "loss=arn", f"loss.gather={gather}"]), True


def made(config, is_arn):
    """A network, the same in each process."""
    torch.manual_seed(0)
    if not is_arn:
        return Network(instantiate(config.loss, _convert_="all"))
    config.model.backbone = None
    model = instantiate(config.model, _convert_="all")
    return Losses(model.func(**model.keywords | {"backbone": tiny_backbone()}, persons=PERSONS))


def share(rows, rank, ranks, parts):
    """A rank's rows of each part of a batch: of the source, and of the target."""
    return torch.cat([part.chunk(ranks)[rank] for part in rows.chunk(parts)])


def trained(config, is_arn, rank, ranks):
    network = made(config, is_arn)
    shape, parts = ((IMAGES, 3, 32, 16), 2) if is_arn else ((IMAGES, 12), 1)
    optimizer = SGD([p for p in network.parameters() if p.requires_grad], lr=0.002 if is_arn else 0.02, momentum=0.9)
    learner = DistributedDataParallel(network, find_unused_parameters=True) if ranks > 1 else network
    source, history = torch.Generator().manual_seed(1), []
    for _ in range(STEPS):
        rows = torch.rand(shape, generator=source)
        person = torch.randint(PERSONS, (IMAGES,), generator=source)
        losses = learner(share(rows, rank, ranks, parts), share(person, rank, ranks, parts))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({name: value.item() for name, value in losses.items()})
    return {"losses": history, "state": {k: v.detach().clone() for k, v in network.state_dict().items()}}


def work(rank, ranks, folder, losses):
    """All of them on one rank."""
    torch.set_num_threads(1)
    if ranks > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/meeting{ranks}", rank=rank, world_size=ranks
        )
    kept = [each for each in losses if ranks == 1 or each[0] not in MEMORIES]
    found = {name: trained(config, is_arn, rank, ranks) for name, config, is_arn in kept}
    torch.save(found, Path(folder) / f"{ranks}-{rank}.pt")
    if ranks > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    place, numbers, composed = sys.argv[1], map(int, sys.argv[2:]), [*configs()]
    for number in numbers:
        multiprocessing.start_processes(work, args=(number, place, composed), nprocs=number, start_method="fork")
