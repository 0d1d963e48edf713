"""Training in two passes: the oracle is a forward pass of all chunks that keeps every activation."""

import copy
from pathlib import Path

import pytest
import torch
from tests.models.steps import random_batch
from torch import nn

from reid_lit.layers.norm_statistics import batch_norms
from reid_lit.layers.recomputation import blocks_of

ROOT = Path(__file__).parents[2]
SMALL = ("backbone=resnet18_scratch", "transform.size=[48,16]")
STRONG = ("+experiment=market_strong", *SMALL)
LEARNT = {
    "ID, triplet and center behind BNNeck": (*STRONG, "neck=bnneck", "loss=id_triplet_center"),
    "circle behind a neck with dropout": ("+experiment=market_softmax", *SMALL, "loss=id_circle"),
    "parts": (*STRONG, "last_stride=one", "model=pcb", "model.pool.stripes=3", "loss=parts_id_triplet"),
    "parts that are learnt, with dropout": (
        *STRONG, "last_stride=one", "model=pcb_rpp", "model.pool.stripes=3", "loss=parts_id",
    ),
    "stripes": ("+experiment=market_strong_aligned", *SMALL, "last_stride=one"),
    "eight parts of three branches": ("+experiment=market_mgn", *SMALL),
}  # fmt: skip


def keeping(model, chunks):
    """The model, its batch cut into chunks, which list their images, and whose activations are all kept."""

    def by_chunks(image):
        found = [model.trunk(image[chunk]) for chunk in chunks]
        rows = {
            number: [each[place] for each in parts]
            for parts, chunk in zip(found, chunks, strict=True)
            for place, number in enumerate(chunk)
        }
        return tuple(torch.stack(each) for each in zip(*(rows[k] for k in range(len(image))), strict=True))

    model.by_chunks = by_chunks
    return model


def step(model, batch):
    torch.manual_seed(3)
    loss = model.train().training_step(batch, 0)
    loss.backward()
    return loss.detach(), torch.rand(1)


def check_alike(model, oracle, *, precision=1e-5):
    others = dict(oracle.named_parameters())
    for name, value in model.named_parameters():
        if value.requires_grad and others[name].grad is not None:
            torch.testing.assert_close(value.grad, others[name].grad, rtol=precision, atol=precision, msg=name)
    for name, value in model.named_buffers():  # statistics, the centers
        torch.testing.assert_close(value, oracle.get_buffer(name), rtol=precision, atol=precision, msg=name)


@pytest.mark.parametrize("words", LEARNT.values(), ids=LEARNT)
def test_gradients_statistics_and_draws_are_those_of_chunks_that_are_kept(built, words):
    model, batch = built(*words), random_batch(images=10)
    oracle = keeping(copy.deepcopy(model), [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]])
    before = {name: value.clone() for name, value in model.named_buffers()}
    expected = step(oracle, batch)
    with model.saving_memory(chunk=4, checkpointing=True):
        found = step(model, batch)
    torch.testing.assert_close(found, expected)
    check_alike(model, oracle)
    norm = next(name for name in batch_norms(model.backbone))
    assert model.backbone.get_submodule(norm).num_batches_tracked == 3
    assert any(not torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_the_gradient_is_of_all_pairs_and_not_of_those_within_a_chunk(built):
    model, batch = built(*STRONG, "neck=bnneck", "loss=id_triplet"), random_batch()
    apart = copy.deepcopy(model)
    with model.saving_memory(chunk=4, checkpointing=False):
        step(model, batch)
    for half in (slice(0, None, 2), slice(1, None, 2)):
        (apart.train().training_step(type(batch)(*(value[half] for value in batch)), 0) / 2).backward()
    mine, other = (each.backbone.body.model.conv1.weight.grad for each in (model, apart))
    assert (mine - other).norm() > 0.1 * other.norm()


@pytest.mark.parametrize("backbone", ["osnet_x1_0", "ibn_net50_a", "densenet121"])
def test_blocks_that_are_computed_again_change_nothing_but_the_memory(built, backbone):
    words = ("+experiment=market_softmax", f"backbone={backbone}", "backbone.weights=none", "transform.size=[64,32]")
    model, batch = built(*words), random_batch(images=4, persons=2, size=(64, 32))
    oracle, names = copy.deepcopy(model), list(model.state_dict())
    expected, all_kept = counted(oracle, batch)
    with model.saving_memory(chunk=None, checkpointing=True):
        assert list(model.state_dict()) == names
        found, kept = counted(model, batch)
    assert kept < 0.7 * all_kept
    torch.testing.assert_close(found, expected)
    check_alike(model, oracle)
    assert not [part for part in model.modules() if "forward" in vars(part)]


def counted(model, batch):
    """A step, and the values of activations that are kept between its two passes."""
    kept = []

    def keep(value):
        kept.append(0 if isinstance(value, nn.Parameter) else value.numel())
        return value

    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        loss = model.train().training_step(batch, 0)
    between = sum(kept)
    loss.backward()
    return loss.detach(), between


def test_between_the_passes_next_to_nothing_is_kept(built):
    model, batch = built(*STRONG), random_batch(images=16)
    _, all_kept = counted(copy.deepcopy(model), batch)
    with model.saving_memory(chunk=4, checkpointing=True):
        _, kept = counted(model, batch)
    assert kept < 0.05 * all_kept


def test_a_test_and_a_batch_of_one_chunk_are_computed_once(built):
    model, batch, seen = built(*STRONG), random_batch(), []
    model.backbone.register_forward_pre_hook(lambda *_: seen.append(1))
    with model.saving_memory(chunk=4, checkpointing=False):
        model.eval()(batch.image)
        assert len(seen) == 1
        step(model, batch)
        assert len(seen) == 1 + 2 * 2
    step(model, batch)  # behind it nothing is cut
    assert len(seen) == 6
    with model.saving_memory(chunk=8, checkpointing=False):
        step(model, batch)
    assert len(seen) == 7


def test_a_network_without_blocks_is_refused(built):
    model = built(*STRONG)
    model.backbone.body = nn.Sequential(nn.Conv2d(3, 512, 3), nn.ReLU())
    assert blocks_of(model.backbone) == []
    with pytest.raises(ValueError, match=r"^checkpointing=true: Sequential is no row of blocks; give false$"):
        model.blocks()


def test_two_ranks_find_the_gradient_of_one_process(built, command, tmp_path):
    words = (*STRONG, "neck=neck3", "loss=id_triplet_center")
    model = built(*words)
    model.setup("test")  # channels last, as DDP finds it
    oracle = keeping(model, [[0, 2], [1, 3], [4, 6], [5, 7]])
    command(tmp_path, *words, cwd=ROOT, module="tests.models.chunks_on_ranks")
    oracle.train().training_step(random_batch(), 0).backward()
    for (name, value), found in zip(oracle.named_parameters(), torch.load(tmp_path / "gradients.pt"), strict=True):
        torch.testing.assert_close(found, value.grad, rtol=1e-5, atol=1e-5, msg=name)
