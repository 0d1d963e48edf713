"""A batch of random images, and what a step on it must leave."""

import torch

from reid_lit.records import Batch


def random_batch(images=8, persons=4, size=(48, 16)):
    torch.manual_seed(1)
    index = torch.arange(images)
    return Batch(torch.rand(images, 3, *size), index % persons, index % 2, index)


def check_gradients(model):
    """Every weight that learns has a finite gradient."""
    for name, value in model.named_parameters():
        assert not value.requires_grad or (value.grad is not None and value.grad.isfinite().all()), name
