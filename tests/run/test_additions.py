"""What an evaluation option changes of how an earlier run is tested, and what it leaves."""

import logging

import pytest
from omegaconf import OmegaConf

from reid_lit.command.replay import replayed
from reid_lit.paths import options
from reid_lit.run.additions import is_addition
from reid_lit.run.folder import SCORING
from reid_lit.testing.retesting import _say_scoring

ADDITIONS = [name for name in options("evaluation") if is_addition(name)]


@pytest.fixture
def made(tmp_path, compose):
    """A run's folder, as far as its evaluation goes."""

    def make(experiment, option):
        overrides = [f"+experiment={experiment}"]
        (tmp_path / ".hydra").mkdir()
        OmegaConf.save(OmegaConf.create(overrides), tmp_path / ".hydra" / "overrides.yaml")
        choices = {"hydra": {"runtime": {"choices": {"evaluation": option}}}}
        OmegaConf.save(OmegaConf.create(choices), tmp_path / ".hydra" / "hydra.yaml")
        config = compose(*overrides)
        own = OmegaConf.create(OmegaConf.to_container(config.evaluation, resolve=True))
        OmegaConf.save(OmegaConf.create({"model": {}, "evaluation": own}), tmp_path / "config.yaml")
        return tmp_path, own

    return make


def scored(compose, *arguments):
    return compose(*replayed(list(arguments)), config_name="evaluate").evaluation


def test_the_additions_are_those_that_do_not_say_how_a_ranking_is_scored():
    assert set(options("evaluation")) - set(ADDITIONS) == {"standard", "softmax", "strong"}


@pytest.mark.parametrize("name", ADDITIONS)
@pytest.mark.parametrize(("experiment", "option"), [("duke_softmax", "softmax"), ("duke_to_market_arn", "standard")])
def test_an_addition_keeps_how_the_run_is_scored_and_gives_what_it_is_for(made, compose, name, experiment, option):
    folder, own = made(experiment, option)
    evaluation = scored(compose, f"run={folder}", f"evaluation={name}")
    full, strong = compose(f"evaluation={name}").evaluation, compose("evaluation=strong").evaluation
    for key in evaluation:
        added = full[key] != strong.get(key)
        assert evaluation[key] == (full[key] if added else own[key]), key


def test_an_addition_to_the_strong_baseline_is_that_option(made, compose):
    folder, _ = made("market_strong", "strong")
    for name in ADDITIONS:
        full = compose("+experiment=market_strong", f"evaluation={name}").evaluation
        assert scored(compose, f"run={folder}", f"evaluation={name}") == full


def test_keys_that_are_typed_win(made, compose):
    folder, _ = made("duke_softmax", "softmax")
    typed = ("evaluation.rerank.k1=7", "evaluation.ap=step")
    for words in (("evaluation=rerank", *typed, f"run={folder}"), (*typed, f"run={folder}", "evaluation=rerank")):
        evaluation = scored(compose, *words)
        assert (evaluation.rerank.k1, evaluation.rerank.k2, evaluation.ap, evaluation.flip) == (7, 6, "step", True)


def test_an_option_that_says_how_a_ranking_is_scored_is_taken_whole(made, compose):
    folder, _ = made("duke_softmax", "softmax")
    assert scored(compose, f"run={folder}", "evaluation=standard") == compose("evaluation=standard").evaluation


def test_what_is_scored_otherwise_is_said(made, compose, caplog):
    folder, own = made("duke_softmax", "softmax")
    caplog.set_level(logging.WARNING)
    _say_scoring(OmegaConf.create({"run": str(folder), "evaluation": own}))
    assert not caplog.messages
    _say_scoring(OmegaConf.create({"run": str(folder), "evaluation": compose("evaluation=standard").evaluation}))
    (line,) = caplog.messages
    assert line.startswith("scored otherwise than the run's own test: ap=step in place of trapezoid")
    assert "flip=False in place of True" in line
    assert set(SCORING) <= set(own)


def test_fastreid_s_re_ranking_follows_its_expansion_and_the_authors_stands_alone(compose):
    assert compose("evaluation=expansion_rerank").evaluation.rerank.variant == "fastreid"
    assert compose("evaluation=rerank").evaluation.rerank.variant == "reference"
