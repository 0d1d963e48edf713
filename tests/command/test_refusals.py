from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, Dataset

from reid_lit.command.refusals import refusal
from reid_lit.data.problems import MISSING, Problem, stop
from reid_lit.errors import InputError
from reid_lit.evaluation.distance import pairwise_distance
from reid_lit.run.folder import Run
from reid_lit.tables.command import read_request


def raised(call):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind
        call()
    return caught.value


class Part:
    """A part that refuses its own value, and can hold other parts."""

    def __init__(self, *, value=0, **parts):
        if value < 0:
            raise InputError(f"value={value}: give 0 or more")
        self.parts = parts


PART = {"_target_": f"{__name__}.Part"}


def words(config, node):
    """The words for what building the node of the config raises."""
    config = OmegaConf.create(config)
    return refusal(raised(lambda: instantiate(OmegaConf.select(config, node), _convert_="all")), config)


@pytest.mark.parametrize(
    ("config", "node", "key"),
    [
        ({"loss": {**PART, "value": -1}}, "loss", "loss.value"),
        ({"loss": {**PART, "terms": {"hard": {**PART, "value": -1}}}}, "loss", "loss.terms.hard.value"),
        ({"loss": {**PART, "value": 0, "a": {**PART, "value": -1}}}, "loss", "loss.a.value"),  # 0 is not refused
        ({"steps": [{**PART, "value": 1}, {**PART, "value": -1}]}, "steps", "steps[1].value"),
        ({"loss": {**PART, "value": -1}, "other": {"value": -1}}, "loss", "loss.value"),  # of equal values its own
        ({"loss": {**PART, "value": "${other.value}"}, "other": {"value": -1}}, "loss", "other.value"),
        ({"model": {**PART, "loss": "${loss}"}, "loss": {**PART, "value": -1}}, "model", "loss.value"),
        ({"a": {**PART, "b": "${b}"}, "b": {**PART, "c": "${c}"}, "c": {**PART, "value": -1}}, "a", "c.value"),
    ],
)
def test_an_argument_gets_the_key_of_its_part(config, node, key):
    assert words(config, node) == f"{key}=-1: give 0 or more"


MODEL = {"margin": 0.3, "rate": 0.5, "neck": "${neck.build}", "loss": "${loss}", "size": "${transform.size}"}
LATE = {
    "model": MODEL,
    "neck": {"build": {"rate": 1.5, "dim": 8, "variant": None, "bias": True}},
    "loss": {"terms": {"hard": {"weight": -1.0, "margin": 0.3}, "center": {"weight": 2}}},
    "dataset": {"transform": "${transform}", "root": "data/set/"},
    "transform": {"size": [0, 0], "scales": {"a": 1}},
    "lost": {"share": "${nowhere.share}"},
    "evaluation": {"flip": 1, "seed": 3},
    "copied": {"evaluation": {"flip": 1}, "seed": 3},
}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("rate=1.5: give less", "neck.build.rate=1.5: give less"),
        ("rate=0.5; give less", "model.rate=0.5; give less"),
        ("rate=0.25: give less", "rate=0.25: give less"),  # nothing has this value
        ("rate=1: give less", "rate=1: give less"),  # not 1.5
        ("margin=0.3: give more", "margin=0.3: give more"),  # two have it
        ("hard.margin=0.3: give more", "loss.terms.hard.margin=0.3: give more"),
        ("dim=8.0 is no width", "neck.build.dim=8.0 is no width"),
        ("im=8: no name of its own", "im=8: no name of its own"),
        ("variant=null: give one", "neck.build.variant=null: give one"),
        ("variant=None: give one", "neck.build.variant=None: give one"),
        ("bias=true: give false", "neck.build.bias=true: give false"),
        ("terms.hard.weight=-1.0: give more", "loss.terms.hard.weight=-1.0: give more"),
        ("size=[0, 0]: give more", "transform.size=[0, 0]: give more"),  # three copies, one key
        ("size=(0, 0): give more", "transform.size=(0, 0): give more"),
        ("transform.size=[0, 0]: give more", "transform.size=[0, 0]: give more"),
        ("scales={'a': 1}: give two", "transform.scales={'a': 1}: give two"),
        ("root=data/set: empty", "dataset.root=data/set: empty"),
        ("root='data/set/': empty", "dataset.root='data/set/': empty"),
        ("share=0.5: give less", "share=0.5: give less"),
        ("flip=1: one is a copy", "evaluation.flip=1: one is a copy"),
        ("seed=3: one is no copy", "seed=3: one is no copy"),
        ("8 images: give more", "8 images: give more"),
    ],
)
def test_what_is_refused_later_is_found_by_name_and_value(message, words):
    assert refusal(InputError(message), OmegaConf.create(LATE)) == words


@pytest.mark.parametrize(
    ("overrides", "message", "key"),
    [
        (["neck.build.dropout=1.5"], "dropout=1.5: give less", "neck.build.dropout"),
        (["sampler=person", "sampler.persons=0"], "persons=0 × images=4 is no batch", "sampler.persons"),
        (["scheduler=cosine", "scheduler.build.warm=2"], "warm=2: give less", "scheduler.build.warm"),
        (["optimizer.momentum=-1"], "momentum=-1: give more", "optimizer.momentum"),
        (["transform.size=[0,0]"], "size=[0, 0]: give more", "transform.size"),
        (["model=embae", "model.stage=4"], "stage=4: 2 or 3", "model.stage"),
        (["evaluation.crops=[1,1]"], "crops=[1, 1]: larger", "evaluation.crops"),
        (["backbone.weights=none"], "weights=none: give a file", "backbone.weights"),
        (["loader.batch_size=7"], "batch_size=7 cannot be dealt", "loader.batch_size"),
        (["test_on=[{dataset: ward, split_id: 99}]"], "split_id=99: 0 to 9", "test_on[0].split_id"),
        (["resume=old"], "resume=old goes on there", "resume"),
    ],
)
def test_the_keys_of_the_packaged_configs(compose, overrides, message, key):
    assert refusal(InputError(message), compose(*overrides)) == key + message[message.index("=") :]


HARD = "{{_target_: reid_lit.losses.criterion.Term, reads: {}, weight: {}, loss: {}}}"
TRIPLET = "{_target_: reid_lit.losses.batch_hard.BatchHardTripletLoss, margin: -1.0, normalise: false, squared: false}"


@pytest.mark.parametrize("part", ["loss", "model"])
def test_a_term_of_any_name(compose, part):
    config = compose(f"+loss.terms.hard={HARD.format('embedding', 1.0, TRIPLET)}", "backbone.weights=none")
    text = refusal(raised(lambda: instantiate(config[part], _convert_="all")), config)
    assert text == "loss.terms.hard.loss.margin=-1.0: give a number of at least 0, or null for the soft margin"


def test_a_transform_in_a_data_set(compose):
    config = compose("dataset=market1501", "transform.size=[0,0]")
    assert refusal(raised(lambda: instantiate(config.dataset)), config).startswith("transform.size=[0, 0]")


EMPTY = {"_target_": "reid_lit.data.feeding.loading.Loader", "batch_size": 8, "test_batch_size": 0}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Run(Path("/nowhere")).overrides(), "/nowhere is no run's folder"),
        (lambda: instantiate({"a": {"feeding": EMPTY}}), "a.feeding: "),  # the config has no such part
        (
            lambda: stop(Problem(kind=MISSING, place=Path(), fact="it is gone", cure="find it")),
            "missing: it is gone; find it",
        ),
    ],
)
def test_what_is_refused_on_purpose_is_told_without_our_code(call, text, monkeypatch):
    error = raised(call)
    assert refusal(error, OmegaConf.create()).startswith(text)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert refusal(error, OmegaConf.create()) is None


class Broken(Dataset):
    """Images of which none can be read."""

    def __len__(self):
        return 1

    def __getitem__(self, place):
        raise InputError("a.jpg: not a readable image; remove it")


def test_an_error_in_a_process_that_loads_images_has_its_words_alone():
    error = raised(lambda: next(iter(DataLoader(Broken(), num_workers=1))))
    assert "Traceback" in str(error)
    assert refusal(error, OmegaConf.create()) == "a.jpg: not a readable image; remove it"


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.zeros(2, 3) @ torch.zeros(2, 3),  # innermost here
        lambda: pairwise_distance(torch.zeros(2, 3), torch.zeros(2, 4)),  # a line of ours, but torch's error
        lambda: int("x"),
        lambda: read_request([]),  # ours, but next()'s StopIteration
        lambda: instantiate({"_target_": "reid_lit.data.feeding.loading.Loader"}),  # a TypeError
        lambda: instantiate({"_target_": "reid_lit.nowhere.Nothing"}),
        lambda: Run(Path()).nothing,
    ],
)
def test_what_may_be_a_bug_keeps_its_traceback(call):
    assert refusal(raised(call), OmegaConf.create()) is None
