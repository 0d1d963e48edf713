"""How long the translations of a data set take, before they are begun."""

import time
from collections.abc import Iterator

import torch

from reid_lit.data.fake_folder import CHECKPOINT, done, pair_folder
from reid_lit.training.style_work import Pair, Work


def step_seconds(work: Work) -> float:
    """About how long a training step takes on this machine: one is done, on a CPU with 64 × 64 pixels at most."""
    model = work.model()
    on_gpu = work.config.machine.accelerator != "cpu" and torch.cuda.is_available()
    size = list(work.images.size) if on_gpu else [min(64, side) for side in work.images.size]
    device = torch.device("cuda" if on_gpu else "cpu")
    model.to(device)
    a, b = torch.rand(2, work.images.batch_size, 3, *size, device=device) * 2 - 1
    for _ in range(2):  # the first one also starts the machine
        start = time.perf_counter()
        fakes = model.to_a(b), model.to_b(a)
        losses = model.generator_losses(a, b, *fakes) | model.judge_losses(a, b, *(fake.detach() for fake in fakes))
        torch.stack(list(losses.values())).sum().backward()
        if on_gpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds * (work.images.size[0] * work.images.size[1]) / (size[0] * size[1])


def epochs_left(work: Work, pair: Pair) -> int:
    """The epochs that a pair has to train."""
    epochs = work.config.translation.held_epochs + work.config.translation.falling_epochs
    if done(work.folder, pair.name) is not None:
        return 0
    file = pair_folder(work.folder, pair.name) / CHECKPOINT
    if not file.is_file():
        return int(epochs)
    return int(epochs) - int(torch.load(file, map_location="cpu", weights_only=True, mmap=True)["epoch"]) - 1


def hours(work: Work) -> Iterator[tuple[Pair, int, float]]:
    """For each pair the epochs that are left, and about how many hours they take on this machine."""
    seconds = step_seconds(work) if work.unfinished else 0.0
    for pair in work.pairs:
        left = epochs_left(work, pair)
        steps = -(-max(len(shots) for shots in pair.shots) // work.images.batch_size)
        yield pair, left, left * steps * seconds / 3600
