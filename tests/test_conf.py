"""Contracts that hold for every file of conf/, so that a new one is covered without a test of its own."""

import inspect
import json
import re
from pathlib import Path

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.utils import get_class, get_object, instantiate
from omegaconf import OmegaConf

from reid_lit.backbones.base import as_map
from reid_lit.evaluation.neighbours.index import SETTINGS
from reid_lit.models.clip_prompts import ClipPrompts
from reid_lit.models.clip_reid import ClipReid
from reid_lit.paths import options, packaged
from reid_lit.records import Batch, MixedBatch, Output, TransferBatch
from reid_lit.run.near_names import near_names
from reid_lit.run.values import check_values

CONF = packaged("conf")
NO_OPTIONS = {"experiment", "gallery_verb"}  # whole configs, not parts of one
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name not in NO_OPTIONS)
OPTIONS = [f"{group}={name}" for group in GROUPS for name in options(group)]
EXPERIMENTS, LOSSES, BACKBONES = (options(group) for group in ("experiment", "loss", "backbone"))


SAID = {}
"""What a config says with an option, where it was composed: a test of all of them need not compose it again."""


def primary(option):
    """The config that an option is composed in."""
    return "figure" if option.startswith("figure=") else "train"


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_its_values_resolve(compose, option):
    config = compose(option, config_name=primary(option))
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    SAID[option] = OmegaConf.to_container(config)


def leaves(node, key=""):
    """The leaves of a mapping by their dotted keys."""
    if not isinstance(node, dict):
        return {key: node}
    return {leaf: value for name, child in node.items() for leaf, value in leaves(child, f"{key}.{name}").items()}


def extended(file):
    """What a file says by extending others of its folder, without its own keys."""
    names = [name for name in OmegaConf.load(file).get("defaults", []) if isinstance(name, str) and name != "_self_"]
    parents = [file.with_name(f"{name}.yaml") for name in names]
    found = [OmegaConf.merge(extended(parent), OmegaConf.load(parent)) for parent in parents if parent.is_file()]
    return OmegaConf.merge(*found) if found else OmegaConf.create()


@pytest.mark.parametrize("file", sorted(CONF.glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}={file.stem}")
def test_what_is_extended_is_not_said_again(file):
    known = leaves(OmegaConf.to_container(extended(file)))
    own = leaves(OmegaConf.to_container(OmegaConf.load(file)))
    own = {key: value for key, value in own.items() if not key.startswith(".defaults")}
    assert not [key for key, value in own.items() if key in known and known[key] == value]


NEUTRAL = "the default leaves the part off or as it is"
PYTHON = "built in Python as well, as in docs/extending.md"
MAY_HAVE_DEFAULTS = {
    "reid_lit.evaluation": PYTHON,
    "reid_lit.data.sets": PYTHON,
    "reid_lit.data.feeding.loading": PYTHON,
    "reid_lit.data.transforms.transform": NEUTRAL,
    "reid_lit.backbones": NEUTRAL,
}
"""Where a constructor may have a default for a value that YAML gives, and why."""
MAY_DIFFER = {
    "reid_lit.backbones.resnet.resnet.mix_style": "styles stay as they are where no option of mix_style is chosen",
    "reid_lit.evaluation.protocol.Protocol.local": "stripes are compared where an option says so, which others do not name",
    "reid_lit.data.sets.cuhk01.CUHK01.split_id": "one split in Python, the published mean over all as an option",
    "reid_lit.data.sets.grid.Grid.split_id": "one split in Python, the published mean over all as an option",
    "reid_lit.data.sets.ilids.Ilids.split_id": "one split in Python, the published mean over all as an option",
    "reid_lit.data.sets.prid2011.Prid2011.split_id": "one split in Python, the published mean over all as an option",
    "reid_lit.data.sets.viper.Viper.split_id": "one split in Python, the published mean over all as an option",
}


def parts(node):
    """Every mapping of a config that names a part of ours by ``_target_``."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and str(node.get("_target_")).startswith("reid_lit."):
        yield node
    for child in children:
        yield from parts(child)


@pytest.fixture(scope="module")
def option_parts():
    """The parts that the options name, with their values."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        values = [
            SAID.get(option) or OmegaConf.to_container(hydra_compose(primary(option), overrides=[option]))
            for option in [*OPTIONS, *(f"evaluation/search={kind}" for kind in SETTINGS)]
        ]
    return list({json.dumps(part, sort_keys=True): part for value in values for part in parts(value)}.values())


def own_defaults(target):
    """The defaults that a part of ours gives its parameters; Lightning's own are left out."""
    call = get_object(target)
    if not inspect.getmodule(call.__init__ if inspect.isclass(call) else call).__name__.startswith("reid_lit."):
        return {}
    parameters = inspect.signature(call).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def test_a_value_of_yaml_stands_once(option_parts):
    with_defaults, differing = set(), set()
    for target in {part["_target_"] for part in option_parts}:
        defaults = own_defaults(target)
        values = {name: [p[name] for p in option_parts if p["_target_"] == target and name in p] for name in defaults}
        given = {name: choices for name, choices in values.items() if choices}
        if not given:
            continue
        room = next((room for room in MAY_HAVE_DEFAULTS if target.startswith(f"{room}.")), None)
        assert room, f"{target}: YAML gives {', '.join(given)}; remove the constructor's defaults"
        with_defaults.add(room)
        for name, choices in given.items():
            elsewhere = any(str(value).startswith("${") for value in choices)
            if not elsewhere and plain(defaults[name]) not in map(plain, choices):
                differing.add(f"{target}.{name}")
    assert differing == set(MAY_DIFFER)
    assert with_defaults == set(MAY_HAVE_DEFAULTS)


def plain(value):
    """A list for a tuple, as YAML has it; None for no options."""
    return list(value) if isinstance(value, tuple) else (value or None) if isinstance(value, dict) else value


def test_what_is_only_extended_is_no_option():
    for group in ("dataset", "neck"):
        assert "_base" not in options(group)
        (line,) = near_names([f"{group}=_base"], config_name="train")
        assert line.startswith(f"{group}=_base: no '_base'")


def test_the_keys_that_all_data_sets_share_stand_once():
    shared = {*OmegaConf.load(CONF / "dataset" / "_base.yaml"), *OmegaConf.load(CONF / "dataset" / "_labelled.yaml")}
    for name in options("dataset"):
        own = set(OmegaConf.load(CONF / "dataset" / f"{name}.yaml"))
        assert own & shared <= {"defaults", "_target_"}, name


def test_there_is_a_search_for_each_kind_of_index():
    assert {file.stem for file in (CONF / "evaluation" / "search").glob("*.yaml")} == set(SETTINGS)


@pytest.mark.parametrize("kind", sorted(SETTINGS))
def test_a_search_lists_what_its_index_is_set_by(compose, kind):
    evaluation = compose("evaluation=rerank", f"evaluation/search={kind}").evaluation
    assert evaluation.rerank is not None
    assert set(evaluation.search) - {"_target_", "kind", "recall_sample"} == set(SETTINGS[kind])
    assert instantiate(evaluation).search.kind == kind


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_under_its_own_name_is_sound_and_says_what_to_expect(compose, name):
    config = compose(f"+experiment={name}")
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    check_values(config)
    assert config.name == name
    known = inspect.signature(get_class(config.dataset._target_)).parameters
    assert set(config.dataset) - {"_target_"} <= set(known)  # an experiment may extend one on another data set
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")


def test_no_key_is_a_word_that_yaml_reads_as_true_or_false():
    word = re.compile(r"(?mi)^\s*(?:- )?(on|off|yes|no|y|n|true|false):")
    assert word.search("  on: 1")
    assert not [file for file in CONF.glob("**/*.yaml") if word.search(file.read_text())]


def test_models_choose_in_no_other_group():
    assert not [file for file in (CONF / "model").glob("*.yaml") if "override" in file.read_text()]


def shrunk(config):
    """The experiment's model without downloads."""
    config.backbone.weights = "none"
    return config


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_tells_its_true_dimension_and_gives_maps(compose, name):
    backbone = instantiate(shrunk(compose(f"backbone={name}")).backbone, _convert_="all").eval()
    with torch.no_grad():
        maps = as_map(backbone(torch.rand(1, 3, 128, 64)))
    assert maps.ndim == 4
    assert maps.shape[1] == backbone.dim
    assert {len(backbone.mean.flatten()), len(backbone.std.flatten())} == {3}


def outputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    feature, embedding, logits = (torch.randn(12, n, generator=generator, requires_grad=True) for n in (16, 8, 6))
    parts = {
        name: torch.randn(12, 8, n, generator=generator, requires_grad=True)
        for name, n in (("part_feature", 4), ("part_embedding", 4), ("part_logits", 6), ("local", 4))
    }
    views = {name: 6 if name.endswith("logits") else 8 for name in (*ClipPrompts.parts, *ClipReid.parts)}
    parts |= {name: torch.randn(12, n, generator=generator, requires_grad=True) for name, n in views.items()}
    return Output(feature, embedding, logits, parts), torch.arange(12) % 4


def changed(output, change):
    """The outputs, each as ``change`` makes of it."""
    parts = {name: change(value) for name, value in output.parts.items()}
    return Output(*(change(value) for value in output[:3]), parts)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_finite_order_invariant_and_differentiable_in_any_precision(compose, name):
    criterion = instantiate(compose(f"loss={name}", "neck=bnneck").loss, _convert_="all")
    output, person = outputs()
    criterion = criterion.sized(persons=6, feature=16, embedding=8, classified=True, parts=output.parts)
    criterion.eval()  # no center moves
    losses = criterion(output, person)
    assert all(torch.isfinite(value) and value.ndim == 0 for value in losses.values())
    order = torch.randperm(12)
    again = criterion(changed(output, lambda value: value[order]), person[order])
    half = criterion(changed(output, lambda value: value.bfloat16()), person)
    for term, value in losses.items():
        torch.testing.assert_close(again[term], value, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(half[term], value, rtol=0.1, atol=0.05)
        assert half[term].dtype == torch.float32
    sum(losses.values()).backward()
    gradients = [value.grad for value in (*output[:3], *output.parts.values()) if value.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


OF_CLIP = (
    "backbone=clip_reid_vit_b16", "backbone.name=vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "+backbone.options.embed_dim=24", "+backbone.options.depth=2", "+backbone.options.num_heads=2",
    "model.pool.features=24", "model.pool.dim=8",
)  # fmt: skip
OF_CLIPS_RESNET = (
    "backbone=clip_reid_resnet50", "+backbone.options.width_factor=0.125",
    "model.pool.features=256", "model.pool.dim=8", "model.pool.heads=4",
)  # fmt: skip
OF_TOKENS = (
    "backbone=vit_tiny", "+backbone.options.embed_dim=24", "+backbone.options.depth=2", "+backbone.options.num_heads=2",
)  # fmt: skip
OF_IMAGES = ("backbone=timm", "backbone.name=test_resnet")
NO_STEP = ("adabn", "clip_prompts")  # it takes no step; it learns from features that a trainer keeps, see test_clip


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if not any(part in name for part in NO_STEP)])
def test_every_experiment_lowers_its_loss_on_a_repeated_batch(compose, name):
    of_clip = OF_CLIPS_RESNET if "resnet50" in name else OF_CLIP
    backbone = of_clip if "clip" in name else OF_TOKENS if "jpm" in name else OF_IMAGES
    small = (*backbone, "transform.size=[64,32]", "optimizer.lr=0.02")
    config = shrunk(compose(f"+experiment={name}", *small))
    torch.manual_seed(0)
    model = instantiate(config.model, _convert_="all")(persons=4)
    model.log = model.log_dict = lambda *_, **__: None
    batch = Batch(torch.rand(8, 3, 64, 32), torch.arange(8) % 4, torch.arange(8) % 2, torch.arange(8))
    if config.model.get("source_norms"):  # the target has classes too: its clusters
        batch = TransferBatch(batch, batch._replace(image=torch.rand(8, 3, 64, 32)))
    elif "target" in config.dataset:
        batch = TransferBatch(batch, batch._replace(image=torch.rand(8, 3, 64, 32), person=torch.full((8,), -1)))
    if config.dataset.get("fakes"):
        batch = MixedBatch(batch, batch._replace(image=torch.rand(8, 3, 64, 32)))
    rate = 0.002 if "target" in config.dataset else 0.02  # ARN's own rates differ by parts
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    history = []
    for step in range(8):
        loss = model.train().training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
        if step > 1 and history[-1] < history[0]:
            break
    assert min(history[2:]) < history[0]


def test_a_misspelt_constructor_argument_fails_when_the_object_is_built(compose):
    config = compose("+model.neckk=1")
    config.backbone.weights = "none"
    config.backbone.name = "resnet18.tv_in1k"
    with pytest.raises(TypeError, match="neckk"):
        instantiate(config.model, _convert_="all")(persons=4)


def test_the_published_recipe_of_the_softmax_report(compose):
    config = OmegaConf.to_container(compose("+experiment=duke_softmax"), resolve=True)
    assert config["backbone"]["name"] == "resnet50.tv_in1k"
    assert config["transform"]["size"] == [256, 128]
    assert config["transform"]["interpolation"] == "bicubic"
    modules = config["transform"]["train"].values()
    assert [module["_target_"].rsplit(".")[-1] for module in modules] == ["PadCrop", "Flip"]
    assert config["transform"]["train"]["crop"]["pad"] == 10
    assert config["loader"]["batch_size"] == 32
    assert {k: v for k, v in config["optimizer"].items() if k[0] != "_"} == {
        "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4,
    }  # fmt: skip
    assert config["model"]["backbone_lr_scale"] == 0.1
    assert config["scheduler"]["build"] | {"interval": config["scheduler"]["interval"]} == {
        "_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True, "step_size": 40, "gamma": 0.1, "interval": "epoch",
    }  # fmt: skip
    assert (config["trainer"]["max_epochs"], config["trainer"]["precision"]) == (60, "32-true")
    assert (config["evaluation"]["ap"], config["evaluation"]["flip"], config["evaluation"]["distance"]) == (
        "trapezoid",
        True,
        "cosine",
    )


def test_the_published_recipe_of_the_strong_baseline(compose):
    config = OmegaConf.to_container(compose("+experiment=market_strong"), resolve=True)
    assert config["transform"]["interpolation"] == "bilinear"
    assert list(config["transform"]["train"]) == ["flip", "crop", "erase"]
    assert config["transform"]["train"]["erase"]["fill"] == pytest.approx([0.596065, 0.558144, 0.49735], abs=1e-6)
    assert (config["sampler"]["persons"], config["sampler"]["images"], config["loader"]["batch_size"]) == (16, 4, 64)
    assert {k: v for k, v in config["optimizer"].items() if k[0] != "_"} == {"lr": 3.5e-4, "weight_decay": 5e-4}
    assert (config["trainer"]["max_epochs"], config["model"]["backbone_lr_scale"]) == (120, 1.0)
    terms = config["loss"]["terms"]
    assert {name: (term["reads"], term["weight"]) for name, term in terms.items()} == {
        "id": ("logits", 1.0), "triplet": ("feature", 1.0), "center": ("feature", 5e-4),
    }  # fmt: skip
    assert terms["id"]["loss"]["label_smoothing"] == 0.1
    assert terms["center"]["loss"]["center_lr"] == 0.5
    assert (
        config["evaluation"] | {"ap": "step", "feature": "embedding", "distance": "cosine", "flip": False}
        == (config["evaluation"])
    )


def test_what_the_stronger_baseline_changes(compose):
    strong, stronger = (compose(f"+experiment=market_{name}") for name in ("strong", "stronger"))
    assert strong.scheduler.build.milestones == [40, 70]
    assert (stronger.scheduler.build.milestones, stronger.scheduler.build.warm_start) == ([30, 55], 0.01)
    assert (stronger.sampler.persons, stronger.loader.batch_size) == (8, 32)
    triplet = stronger.loss.terms.triplet
    assert (triplet.reads, triplet.loss.normalise, triplet.loss.margin) == ("embedding", True, 0.3)
    assert "center" not in stronger.loss.terms


@pytest.mark.parametrize("name", ["duke_pul_source", "duke_to_market_pul"])
def test_the_published_recipe_of_pul(compose, name):
    config = compose(f"+experiment={name}")
    assert config.sampler._target_ == "reid_lit.data.feeding.whole_epochs.WholeShuffleSampler"
    assert config.loader.batch_size == 16
    if name == "duke_to_market_pul":
        model = config.model
        assert (model.clusters, model.threshold, model.epochs_per_round, model.starts) == (750, 0.85, 20, 10)


def comment(file, key):
    """What an option's file says of one of its keys."""
    (line,) = [line for line in (packaged("conf") / file).read_text().splitlines() if line.strip().startswith(key)]
    return line.partition("#")[2]


def test_options_say_where_they_follow_public_code(compose):
    auto = compose("transform=stronger_sports").transform.train.auto
    assert (auto.probability, auto.policy, auto.magnitudes) == (0.1, "imagenet", "fastreid")
    assert "FastReID" in comment("transform/stronger_sports.yaml", "probability: 0.1")
    assert "torchvision" in comment("transform/stronger_sports.yaml", "magnitudes:")
    assert "2018" in comment("model/pul.yaml", "starts:")
    assert "PUL" in comment("sampler/shuffle_all.yaml", "# every image")
    assert "keeps the incomplete batch" in comment("experiment/duke_pul_source.yaml", "- override /sampler:")
    assert "paper leaves its depth open" in comment("model/arn.yaml", "classifier_hidden:")


@pytest.mark.parametrize("name", ["duke_embae", "sources_embae"])
def test_the_published_recipe_of_embae_s_stage_1(compose, name):
    config = compose(f"+experiment={name}")
    assert config.sampler._target_ == "reid_lit.data.feeding.uniform_persons.UniformPersonSampler"
    assert (config.sampler.persons, config.sampler.images, config.loader.batch_size) == (18, 4, 72)
    build = config.scheduler.build
    assert (build.held_epochs, build.falling_epochs, config.trainer.max_epochs) == (100, 300, 400)
    assert (config.optimizer.lr, config.optimizer.lr * build.final) == pytest.approx((1e-4, 1e-7))


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if re.search("_embae_(plain|fix|new|cam)$", name)])
def test_stage_3_of_embae_tunes_the_embedding_as_long_in_every_variant(compose, name):
    def lengths(name):
        config = compose(f"+experiment={name}")
        nuisance = config.model.nuisance_epochs if config.model.variant in ("new", "cam") else 0
        assert config.scheduler.build.held_epochs == nuisance
        return config.trainer.max_epochs - nuisance, config.scheduler.build.falling_epochs

    tuned, falling = lengths(name)
    assert tuned == falling  # the rate falls as the embedding is tuned
    assert lengths(re.sub("[a-z]+$", "cam", name)) == (tuned, falling)


@pytest.mark.parametrize(
    ("name", "reads", "retrieves"),
    [  # the Strong Baseline's Table III
        ("neck1", {"id": "feature"}, "feature"),
        ("neck2", {"triplet": "feature"}, "feature"),
        ("neck3", {"id": "feature", "triplet": "feature"}, "feature"),
        ("bnneck1", {"id": "embedding"}, "embedding"),
        ("bnneck2", {"triplet": "embedding"}, "embedding"),
        ("bnneck3", {"id": "embedding", "triplet": "embedding"}, "embedding"),
        ("bnneck", {"id": "embedding", "triplet": "feature"}, "embedding"),
    ],
)
def test_necks_say_which_loss_sees_which_feature(compose, name, reads, retrieves):
    config = compose("+experiment=synthetic_strong", "loss=id_triplet", f"neck={name}")
    model = instantiate(config.model, _convert_="all")(persons=4)
    assert set(model.criterion.terms) == set(reads)
    assert config.evaluation.feature == retrieves
    output = model.train()(torch.rand(8, 3, 32, 16))
    behind = "embedding" if name.startswith("bn") else "feature"
    assert torch.equal(output.feature, output.embedding) == (behind == "feature")
    if "id" in reads:
        assert reads["id"] == behind
        torch.testing.assert_close(output.logits, model.neck.classifier(getattr(output, reads["id"])))
    else:
        assert output.logits is None
    if "triplet" in reads:
        assert (
            output.named(*model.criterion.terms["triplet"].reads).data_ptr()
            == getattr(output, reads["triplet"]).data_ptr()
        )


def test_conf_is_found_in_a_checkout():
    assert packaged("conf") == Path(__file__).parents[1] / "conf"
    with pytest.raises(FileNotFoundError, match="no folder 'confg'"):
        packaged("confg")
