"""A batch of random images, and what a step on it must leave."""

import dataclasses

import torch

from reid_lit.records import Batch


def random_batch(images=8, persons=4, size=(48, 16)):
    torch.manual_seed(1)
    index = torch.arange(images)
    return Batch(torch.rand(images, 3, *size), index % persons, index % 2, index)


def epoch_rates(schedule, epochs):
    """The rate of the first group in each epoch."""
    rates = []
    for _ in range(epochs):
        rates.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.optimizer.step()
        schedule.step()
    return rates


def check_gradients(model):
    """Every weight that learns has a finite gradient."""
    for name, value in model.named_parameters():
        assert not value.requires_grad or (value.grad is not None and value.grad.isfinite().all()), name


def without_persons(data):
    """Let the training images of a data set be of nobody known."""
    read = data.read_sound

    def no_persons(on_bad_image):
        split = read(on_bad_image)
        return dataclasses.replace(split, train=tuple(dataclasses.replace(shot, person_id=0) for shot in split.train))

    data.read_sound = no_persons


def same_states(first, second):
    """Whether two state_dicts are equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(value, second[key]) for key, value in first.items())
