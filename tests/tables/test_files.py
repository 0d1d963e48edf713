"""Every table of the papers as a file: its figures are the papers', and every row of it can be composed."""

import copy
import functools
import inspect
import json
import re
from pathlib import Path

import hydra
import pytest
import torch
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit.overrides import key_of
from reid_lit.paths import packaged
from reid_lit.tables.spec import PAPER, SIZES, cells, dimensions, read_table, rows_of, status, table_names

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())
"""Every number that the papers print, copied from them apart from the tables: the rows of each table, in its order."""
GROUPS = {folder.name for folder in packaged("conf").iterdir() if folder.is_dir()}
TABLES = table_names()
METRICS = {"rank1", "rank5", "rank10", "rank20", "mAP", "rank1_nd", "mAP_nd", "R", "images"}
WHOLE = {
    **dict.fromkeys(("softmax/table1", "softmax/table2"), "softmax"),
    **{f"strong/table{n}": "strong" for n in range(1, 12)},
    "strong/cross_domain_ibn": "strong",
    **{f"arn/table{n}": "arn" for n in range(1, 5)},
    **{f"embae/table{n}": "embae" for n in range(1, 5)},
    **dict.fromkeys(("cluster/unsupervised", "cluster/adaptation"), "cluster"),
    **{f"stronger/table{n}": "stronger" for n in range(1, 4)},
    **dict.fromkeys([f"generalisation/{name}" for name in ("p1", "p2", "p3", "small")], "generalisation"),
}


def test_every_table_has_a_file():
    assert set(TABLES) == set(WHOLE)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_what_it_is(name):
    lines = (packaged("experiments") / "table" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith(f"# python -m reid_lit.train +table={name} ")
    file = yaml.safe_load("\n".join(lines))
    assert file["defaults"] == [{"override /hydra/sweeper": "table"}]
    assert file["hydra"] == {"mode": "MULTIRUN"}
    table = file["table"]
    assert table["paper"] == name.partition("/")[0] == WHOLE[name]
    assert set(table["metrics"]) <= METRICS
    assert table["unit"] in ("percent", "fraction", "images")
    runs = [row for row in table["rows"] if status(row) in ("run", "same_as")]
    assert not runs or set(table["tolerance"]) == set(table["metrics"])
    assert bool(runs) == ("laptop" in table)
    assert all(isinstance(note, str) for note in table["notes"])


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_named_once_and_are_of_one_kind(name):
    table = read_table(name)
    names = [row["name"].lower() for row in table["rows"]]
    assert len(set(names)) == len(names)
    labels = set(dimensions(table)) - {"seed"}
    assert len(labels) == 1
    known = set(dimensions(table)[labels.pop()])
    for row in table["rows"]:
        assert set(row) <= {
            "name",
            "set",
            "evaluate",
            "laptop",
            "real",
            "note",
            "quoted",
            "waiting",
            "same_as",
            "corrected",
            "published",
        }
        assert sum(word in row for word in ("set", "quoted", "waiting", "same_as")) == 1, row["name"]
        assert len(row.get("waiting", "a reason")) > 5
        assert "," not in row["name"], "rows=<name>,<name> divides at commas"
        for label, scores in row["published"].items():
            assert label in known
            assert set(scores) <= set(table["metrics"])


@pytest.mark.parametrize("name", TABLES)
def test_a_row_that_is_another_one_names_one_that_runs(name):
    for row in read_table(name)["rows"]:
        if status(row) == "same_as":
            other, _, wanted = row["same_as"].rpartition("/")
            assert [status(each) for each in read_table(other)["rows"] if each["name"] == wanted] == ["run"]


@pytest.mark.parametrize("name", TABLES)
def test_every_published_figure_is_the_papers(name):
    assert [row["published"] for row in read_table(name)["rows"]] == [row["published"] for row in PUBLISHED[name]]


def test_all_published_figures_are_compared():
    assert set(PUBLISHED) == set(TABLES)
    assert (
        sum(len(scores) for rows in PUBLISHED.values() for row in rows for scores in row["published"].values()) == 698
    )


@pytest.mark.parametrize("name", TABLES)
def test_gains_corrections_and_quotations_stand_in_the_row(name):
    for row, paper in zip(read_table(name)["rows"], PUBLISHED[name], strict=True):
        assert all(f"+{gain}" in row["note"] for gain in paper.get("gains", ()))
        assert paper.get("corrected") in (None, row.get("corrected"))
        assert (status(row) == "quoted") == paper.get("quoted", False), "what a paper quotes is never run"


def split(overrides):
    """Choices of options, and the rest, of a list of overrides."""
    choices = tuple(sorted(each for each in overrides if key_of(each) in GROUPS))
    return choices, [each for each in overrides if key_of(each) not in GROUPS]


@pytest.fixture(scope="module")
def composed():
    """Compose as Hydra does, what choices have in common once: a config takes a third of a second."""
    GlobalHydra.instance().clear()
    hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3")
    parser, read, files = OverridesParser.create(), ConfigRepository.load_config, {}

    def read_once(repository, config_path):
        if config_path not in files:
            files[config_path] = read(repository, config_path)
        return copy.deepcopy(files[config_path])

    @functools.cache
    def chosen(choices):
        return hydra.compose("train", overrides=list(choices))

    def make(overrides):
        choices, values = split(overrides)
        config = copy.deepcopy(chosen(choices))
        OmegaConf.set_struct(config, True)
        ConfigLoaderImpl._apply_overrides_to_config(parser.parse_overrides(values), config)
        return config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigRepository, "load_config", read_once)
        yield make
    GlobalHydra.instance().clear()


def check_arguments(node, place=""):
    """Every `_target_` takes what the config gives it; `_partial_` ones may lack some."""
    if isinstance(node, ListConfig):
        for number, each in enumerate(node):
            check_arguments(each, f"{place}[{number}]")
    if not isinstance(node, DictConfig):
        return
    given = {str(key) for key in node if not str(key).startswith("_")}
    if "_target_" in node:
        taken = inspect.signature(get_object(node._target_)).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
            assert given <= set(taken), f"{place}: {node._target_} takes no {given - set(taken)}"
    for key in node:
        if not OmegaConf.is_interpolation(node, key) and not OmegaConf.is_missing(node, key):
            check_arguments(node[key], f"{place}.{key}")


def telling(table, size):
    """The cells by which each row and each label is seen: what they set apart from each other, they set together."""
    across = (table if size == "paper" else table[size])["across"]
    labels = [value for dimension, values in across.items() if dimension != "seed" for value in values.values()]
    for row in rows_of(table, size):
        for part in ("set", "evaluate"):
            assert not keys(row.get(part, ())) & set().union(*(keys(value.get(part, ())) for value in labels)), row[
                "name"
            ]
    seen = set()
    for cell in cells(table, size):
        if not {("row", cell.row), ("label", cell.label)} <= seen:
            seen |= {("row", cell.row), ("label", cell.label)}
            yield cell


@pytest.mark.parametrize("name", ["embae/table1", "embae/table2"])
@pytest.mark.parametrize("size", SIZES)
def test_every_variant_of_embae_tunes_the_embedding_as_long(composed, name, size):
    tuned = {}
    for cell in cells(read_table(name), size):
        config = composed(cell.train)
        if config.model.get("variant") is not None:
            nuisance = config.model.nuisance_epochs if config.model.variant in ("new", "cam") else 0
            tuned[config.model.variant] = config.trainer.max_epochs - nuisance
    assert set(tuned) >= {"fix", "new", "cam"}
    assert len(set(tuned.values())) == 1


@pytest.mark.parametrize("name", [name for name in TABLES if name.startswith("strong/")])
def test_every_resnet_of_the_strong_baseline_s_tables_has_no_relu_in_its_stem(composed, name):
    for cell in cells(read_table(name)):
        backbone = composed(cell.train).backbone
        assert backbone.get("stem_relu", False) is False
        assert ("stem_relu" in backbone) == (backbone._target_ == "reid_lit.backbones.resnet.resnet")


def keys(overrides):
    return {key_of(each) for each in overrides}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (name, size)
        for name in TABLES
        for size in SIZES
        if "laptop" in (spec := read_table(name)) and size in (PAPER, *spec)
    ],
)
def test_every_row_of_a_table_composes(composed, name, size):
    table = read_table(name)
    for cell in telling(table, size):
        config = composed([*cell.train, *cell.evaluate])
        check_arguments(config)
        if config.dataset.get("switching") or config.dataset.get("shares"):  # batches of parts, which have to be whole
            assert not config.sampler._target_.endswith("WholeShuffleSampler"), cell
        if size == "laptop":
            assert config.trainer.max_epochs <= 12
            assert config.trainer.accelerator == "cpu"
            assert config.backbone.weights == "none"
            members = config.dataset.get("members") or [config.dataset.get("source"), config.dataset.get("target")]
            assert config.dataset.get("world") or {member.dataset for member in members} == {"synthetic"}
            assert not re.search("market|duke|cuhk|ward|viper", " ".join(str(config.test_on).split()))
        else:
            assert "synthetic" not in str(config.dataset)
        if size == "real":
            assert config.trainer.max_epochs <= 24
            assert config.trainer.accelerator == "cpu"
            assert config.transform.size[0] * config.transform.size[1] <= 128 * 64
            assert not re.search("duke|msmt", f"{config.dataset} {config.test_on}")


@pytest.mark.parametrize(
    "wrong",
    [
        "sampler.person=4",
        "loss.terms.id.label_smoothing=0",
        "+experiment=market_weak",
        "neck=neck9",
        "~sampler.people",
        "evaluation.distanz=cosine",
    ],
)
def test_an_unknown_override_is_refused(composed, wrong):
    with pytest.raises((ConfigCompositionException, HydraException)):
        composed([*([] if "experiment" in wrong else ["+experiment=market_strong"]), wrong])


def test_an_argument_that_no_constructor_takes_is_seen(composed):
    with pytest.raises(AssertionError, match="takes no"):
        check_arguments(composed(["+experiment=market_strong", "sampler=shuffle"]))


def test_every_backbone_of_a_table_can_be_built(composed):
    """What a constructor refuses by its value, such as a last stride that OSNet has not, without any memory."""
    nodes = {}
    for name in TABLES:
        for cell in telling(read_table(name), "paper"):
            node = OmegaConf.to_container(composed(cell.train).backbone, resolve=True) | {"weights": "none"}
            nodes[repr(node)] = node
    with torch.device("meta"):
        for node in nodes.values():
            assert instantiate(node, _convert_="all").dim
