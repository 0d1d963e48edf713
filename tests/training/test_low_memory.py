"""trainer=low_memory: which models it trains, what it refuses before training, and steps by it."""

import pytest
import torch
from hydra.utils import get_object
from omegaconf import OmegaConf
from tests.test_steps import one_step

from reid_lit.errors import InputError
from reid_lit.models.adabn import AdaBN
from reid_lit.models.arn import Arn
from reid_lit.models.clip_prompts import ClipPrompts
from reid_lit.models.cluster import ClusterContrast
from reid_lit.models.embae import EmbAE
from reid_lit.models.in_chunks import InChunks
from reid_lit.paths import options, packaged
from reid_lit.run.composing import composed
from reid_lit.run.identity import training_hash
from reid_lit.run.values import check_values
from reid_lit.training.low_memory import check_alone, check_chunks
from reid_lit.training.style_work import check_machine

LOW = ("+experiment=synthetic_strong", "trainer=low_memory")
WHOLE = {AdaBN, Arn, ClipPrompts, ClusterContrast, EmbAE}
"""Those that are not trained by losses of a batch's pooled features alone."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval"),
]


def test_it_trains_every_model_that_learns_from_persons(compose):
    files = [packaged("conf") / "model" / f"{name}.yaml" for name in options("model")]
    targets = {OmegaConf.load(file).get("_target_") for file in files} - {None}  # of an option that another extends
    kinds = {get_object(target) for target in targets}
    assert {kind for kind in kinds if not issubclass(kind, InChunks)} == WHOLE
    low, plain = compose(*LOW), compose(LOW[0])
    for kind in WHOLE:
        with pytest.raises(InputError, match=rf"^trainer=low_memory: {kind.__name__} cannot be .*; give trainer="):
            check_chunks(low, object.__new__(kind))
        check_chunks(plain, object.__new__(kind))


def test_an_experiment_keeps_its_length_and_its_training_another_name(compose):
    trainer = compose(*LOW).trainer
    assert (trainer.max_epochs, trainer.precision, trainer.chunk, trainer.checkpointing) == (8, "bf16-mixed", 16, True)
    low, smaller = (training_hash(composed((*LOW, *words)), 0) for words in ((), ("trainer.chunk=8",)))
    assert len({low, smaller, training_hash(composed(LOW[:1]), 0)}) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["machine.compile=true"], r"^machine\.compile=true: .* compiles no network; give false, or give trainer="),
        (["trainer.sync_batchnorm=true"], r"^trainer\.sync_batchnorm=true .* a chunk of it; give false"),
    ],
)
def test_what_does_not_go_together_is_refused(compose, words, message):
    with pytest.raises(InputError, match=message):
        check_alone(compose(*LOW, *words))
    check_alone(compose(LOW[0], *words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.chunk=1"], r"^trainer\.chunk=1: .*; LowMemoryTrainer takes a whole number ≥ 2 or null$"),
        (["trainer.max_epochs=long"], r"^trainer\.max_epochs=long: .*a whole number"),
        (["+trainer.quick=1"], r"^trainer\.quick=1: LowMemoryTrainer has no such argument; it has .*precision.*chunk"),
    ],
)
def test_values_are_checked_as_those_of_lightnings_trainer(compose, words, message):
    with pytest.raises(InputError, match=message):
        check_values(compose(*LOW, *words))


def test_a_translation_between_cameras_is_refused(compose):
    with pytest.raises(InputError, match=r"^trainer=low_memory: a translation between cameras cannot be trained in"):
        check_machine(compose("trainer=low_memory", config_name="camstyle"))


def test_it_takes_a_step_in_bfloat16_and_leaves_the_model_as_it_was(compose, drawn):
    words = ("trainer=low_memory", "trainer.chunk=4", "+trainer.accumulate_grad_batches=2", "loss=id_triplet_center")
    model, before, loss = one_step(compose, drawn, *words)
    assert 0 < loss < float("inf")
    moved = [name for name, value in model.named_parameters() if not torch.equal(value, before[name])]
    assert {name.partition(".")[0] for name in moved} == {"backbone", "neck"}
    assert model.chunk is None
    assert not [part for part in model.modules() if "forward" in vars(part)]


def test_in_float32_and_without_chunks_a_step_is_that_of_the_plain_trainer(compose, drawn):
    low = ("trainer=low_memory", "trainer.precision=32-true", "trainer.chunk=null")
    states = [one_step(compose, drawn, *words)[0].state_dict() for words in ((), low)]
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], msg=name)
