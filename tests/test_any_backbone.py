"""Any backbone under any experiment and in any model.

Sixty experiments times twenty-odd backbones take minutes to compose, so it is shown by its two halves: an experiment
says of any backbone nothing but its weights, and every backbone is built in every model as its option has it. Each
backbone is composed by Hydra under an experiment or more, in turn.
"""

import functools
import inspect

import hydra
import pytest
import torch
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

from reid_lit.errors import InputError
from reid_lit.layers.recomputation import blocks_of
from reid_lit.paths import options, packaged

EXPERIMENTS, BACKBONES, MODELS = (options(group) for group in ("experiment", "backbone", "model"))
INSISTENT = "backbone.last_stride=1"
OF_ONE_KIND = {"transreid", "transreid_jpm"} | {name for name in MODELS if "clip" in name}
"""Models of tokens, or of what CLIP's towers give, which other backbones lack: their own tests build them."""


@pytest.fixture(scope="module")
def composing():
    with hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3"):
        yield lambda *overrides: hydra.compose("train", overrides=list(overrides))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_says_of_any_backbone_no_more_than_where_its_weights_come_from(composing, tmp_path, experiment):
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "bare.yaml").write_text("{last_stride: its own, weights: its own}")
    config = composing(f"hydra.searchpath=[file://{tmp_path}]", f"+experiment={experiment}", "backbone=bare")
    assert config.backbone.weights in ("its own", "none")  # none: another run brings them, or the recipe is so
    assert config.backbone == {"last_stride": "its own", "weights": config.backbone.weights}


PAIRS = [
    (EXPERIMENTS[number % len(EXPERIMENTS)], BACKBONES[number % len(BACKBONES)])
    for number in range(max(len(EXPERIMENTS), len(BACKBONES)))
]


@pytest.mark.parametrize(("experiment", "backbone"), PAIRS)
def test_hydra_composes_them_together(composing, experiment, backbone):
    config = composing(f"+experiment={experiment}", f"backbone={backbone}")
    OmegaConf.to_container(config.backbone, resolve=True, throw_on_missing=True)
    arguments = set(config.backbone) - {"_target_"}
    parameters = inspect.signature(get_object(config.backbone._target_)).parameters.values()
    assert arguments <= {p.name for p in parameters}
    assert arguments >= {p.name for p in parameters if p.default is inspect.Parameter.empty} | {
        "weights",
        "last_stride",
    }


def experiment_of(model):
    """The first experiment that chooses this model; the softmax baseline is what train.yaml chooses."""
    files = [packaged("conf") / "experiment" / f"{name}.yaml" for name in EXPERIMENTS]
    return next((f.stem for f in files if f"override /model: {model}" in f.read_text()), "market_softmax")


@pytest.fixture(scope="module")
def models(composing):
    """A builder of each model at 64 × 32, which is called with the backbone."""
    built = {}
    for model in sorted(set(MODELS) - OF_ONE_KIND):
        config = composing(f"+experiment={experiment_of(model)}", "transform.size=[64,32]")
        config.model.backbone = None
        built[model] = instantiate(config.model, _convert_="all")
    return built


@pytest.fixture(scope="module")
def strong(composing):
    """The backbone of the Strong Baseline with this option in place of its own; composed once."""
    return functools.cache(lambda backbone: composing("+experiment=market_strong", f"backbone={backbone}").backbone)


@torch.no_grad()
@pytest.mark.parametrize("backbone", [name for name in BACKBONES if "clip_reid" not in name])  # other means alone
def test_a_backbone_is_built_in_every_model(strong, models, backbone):
    built = instantiate(strong(backbone), weights="none", _convert_="all")
    inside = sum(value.numel() for block in blocks_of(built) for value in block.parameters())
    assert inside > 0.4 * sum(value.numel() for value in built.parameters())  # trainer.checkpointing has a use
    for name, model in models.items():
        if name == "mgn" and not hasattr(built.body.model if hasattr(built.body, "model") else built.body, "layer4"):
            with pytest.raises(InputError, match="behind the first block of layer3"):
                model(persons=4, backbone=built)
            continue
        network = model(persons=4, backbone=built).eval()
        assert network(torch.rand(2, 3, 64, 32)).embedding.isfinite().all(), name


def test_a_backbone_keeps_its_own_stride_under_an_experiment_and_refuses_one_that_is_asked_for(composing, strong):
    strides = {name: strong(name).last_stride for name in BACKBONES}
    own = {name for name, stride in strides.items() if stride == 2}
    assert own == {
        "clip_reid_vit_b16",
        "clip_vit_b16",
        "densenet121",
        "dinov2_small",
        "hrnet_w18",
        "osnet_x1_0",
        "swin_tiny",
        "timm",
        "vit_base",
        "vit_small",
        "vit_tiny",
        "vit_tiny_scratch",
    }
    assert set(strides.values()) == {1, 2}
    for name in own - {"timm"}:
        asked = composing("+experiment=market_strong", f"backbone={name}", INSISTENT, "backbone.weights=none")
        with pytest.raises(Exception, match=r"last_stride=1: layer4, or .*give 2") as error:
            instantiate(asked.backbone, _convert_="all")
        assert isinstance(error.value.__cause__ or error.value, InputError)
    assert composing("+experiment=market_softmax", "backbone=hrnet_w18").backbone.last_stride == 2
    assert composing("+experiment=market_softmax", "last_stride=one").backbone.last_stride == 1
