"""Sweeps over hyper-parameters: Optuna's, and W&B's file."""

import json
import logging
import math
from types import SimpleNamespace

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from reid_lit.errors import FailedError
from reid_lit.paths import packaged
from reid_lit.run.objective import check_objective, held_out_scores, objective_of, over_splits

optuna = pytest.importorskip("optuna", reason="the extra sweeps is not installed")
from reid_lit.sweeps.optuna_study import Space, open_study, run_study  # noqa: E402

SWEEPS = packaged("experiments") / "sweeps"


def parabola(overrides):
    """Highest at lr=3e-3, neck=bnneck."""
    given = dict(each.split("=") for each in overrides)
    return -abs(math.log10(float(given["lr"]) / 3e-3)) + (given["neck"] == "bnneck")


class Launcher:
    """Runs jobs as ``score`` says."""

    def __init__(self, score):
        self.score, self.jobs, self.first = score, [], []

    def launch(self, job_overrides, initial_job_idx):
        self.first.append(initial_job_idx)
        return [self.job(each) for each in job_overrides]

    def job(self, overrides):
        self.jobs.append(list(overrides))
        try:
            return JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=self.score(overrides))
        except ArithmeticError as error:
            return JobReturn(overrides=overrides, status=JobStatus.FAILED, _return_value=error)


RANGES = ["+experiment=synthetic_strong", "lr=tag(log, interval(1e-4, 1e-1))", "neck=choice(bnneck, neck3)"]


@pytest.fixture
def study(tmp_path):
    def run(score=parabola, *, trials=4, objective="val/mAP", arguments=RANGES, at_once=1):
        launcher = Launcher(score)
        config = OmegaConf.create({"objective": objective, "hydra": {"sweep": {"dir": str(tmp_path)}}})
        best = run_study(config, arguments, launcher, trials=trials, at_once=at_once, seed=0)
        return best, launcher, json.loads((tmp_path / "study.json").read_text())["trials"]

    return run


def test_the_best_trial_is_the_highest_and_comes_first(study):
    best, launcher, trials = study(trials=16)
    assert best == max(map(parabola, launcher.jobs)) == trials[0]["val/mAP"]
    assert [trial["val/mAP"] for trial in trials] == sorted(map(parabola, launcher.jobs), reverse=True)
    late = [parabola(job) for job in launcher.jobs[-4:]]
    assert sum(late) / 4 > sum(parabola(job) for job in launcher.jobs[:8]) / 8
    assert all(job[0] == "+experiment=synthetic_strong" for job in launcher.jobs)


def test_a_study_goes_on_where_it_stopped_and_repeats_what_was_running(study, tmp_path):
    _, launcher, _ = study(trials=3, at_once=2)
    assert launcher.first == [0, 2]
    killed = open_study(tmp_path, seed=0).ask(Space.of(RANGES).ranges)
    _, again, trials = study(trials=5)
    assert (len(trials), len(again.jobs), again.first) == (5, 2, [4, 5])
    assert again.jobs[0][1:] == [f"{key}={value}" for key, value in killed.params.items()]
    assert len(study(trials=5)[1].jobs) == 0


def test_a_study_is_run_by_one_process_at_a_time(study, tmp_path):
    """A second one would take the running trial for a killed one, and the first could not tell its score."""
    refused = []

    def score(_):
        with pytest.raises(FailedError, match=r"another process runs the study .*; wait .*hydra\.sweep\.dir=") as told:
            study(trials=4)
        refused.append(str(told.value))
        return 0.5

    assert study(score, trials=2)[0] == 0.5
    assert [text.partition(":")[0] for text in refused] == [str(tmp_path)] * 2
    assert len(study(trials=3)[1].jobs) == 1  # once it has ended, another one goes on


def test_a_failed_trial_stops_no_other_and_is_named(study, caplog):
    def score(overrides):
        if "neck=neck3" in overrides:
            raise ArithmeticError("the loss is nan")
        return 0.5

    with caplog.at_level(logging.WARNING):
        best, launcher, trials = study(score, trials=6)
    failed = [trial for trial in trials if "reason" in trial]
    assert best == 0.5
    assert len(failed) == sum("neck=neck3" in job for job in launcher.jobs) > 0
    assert len(trials) == 6
    assert caplog.text.count("failed: the loss is nan") == len(failed)


def test_a_study_without_a_score_is_an_error(study):
    with pytest.raises(RuntimeError, match="2 trials, but none came to a score; look at the logs in"):
        study(lambda _: None, trials=2)


def test_nothing_is_chosen_by_the_persons_of_the_test(study):
    with pytest.raises(
        ValueError, match="objective=mAP would choose hyper-parameters by the persons of the test; give"
    ):
        study(objective="mAP")


def test_a_study_without_a_range_is_an_error(study):
    with pytest.raises(ValueError, match="a study without a range: give one"):
        study(arguments=["lr=0.1"])


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("int(interval(1, 3))", {1, 2, 3}),
        ("range(0, 9, step=4)", {0, 4, 8}),
        ("range(1, 3)", {1, 2}),
        ("choice(a, 2)", {"a", 2}),
        ("4,7", {4, 7}),
    ],
)
def test_ranges_in_hydras_words(words, values):
    space, random = Space.of([f"x={words}"]), optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert {random.ask(space.ranges).params["x"] for _ in range(40)} == values


def test_the_last_word_on_a_key_counts():
    space = Space.of(["lr=interval(0.0, 1.0)", "neck=choice(a,b)", "lr=0.3", "neck=choice(a,c)"])
    assert (list(space.ranges), space.fixed, space.ranges["neck"].choices) == (["neck"], ("lr=0.3",), ("a", "c"))


def test_the_objective_is_that_of_the_first_results_or_of_held_out_persons(tmp_path):
    results = [{"scores": {"mAP": 0.7}}, {"scores": {"mAP": 0.1}}]
    assert objective_of("mAP", {"validation": {"mAP": 0.5}}, results) == 0.7
    assert objective_of("val/mAP", {"validation": {"mAP": 0.5}}, results) == 0.5
    assert objective_of("val/mAP", {}, results) is None
    for split, found in enumerate(({"mAP": 0.2, "rank1": 0.1}, {"mAP": 0.4})):
        (tmp_path / str(split)).mkdir()
        (tmp_path / str(split) / "metrics.json").write_text(json.dumps({"validation": found}))
    assert over_splits([tmp_path / "0", tmp_path / "1"]) == {"validation": {"mAP": pytest.approx(0.3)}}


def test_an_objective_that_cannot_be_had_is_said_before_training():
    nobody = SimpleNamespace(validation=None)
    with pytest.raises(
        ValueError, match=r"objective=val/mAP is a score of held-out .* give dataset.val_persons=<number>"
    ):
        check_objective("val/mAP", nobody)
    check_objective("mAP", nobody)
    check_objective("val/mAP", SimpleNamespace(validation=object()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("eer", r"^objective=eer: .* a lower equal error rate is better; give objective=mAP$"),
        ("val/R", r"^objective=val/R: .* a lower R is better; give objective=val/mAP$"),
        ("mPA", r"^objective=mPA: no score 'mPA'; did you mean mAP"),
        ("val/rank-1", r"^objective=val/rank-1: no score 'rank-1'; did you mean rank1"),
    ],
)
def test_an_objective_that_cannot_be_maximised_is_refused_before_training(study, name, message):
    with pytest.raises(ValueError, match=message):
        check_objective(name, SimpleNamespace(validation=object()))
    if name.startswith("val/"):
        with pytest.raises(ValueError, match=message):
            study(objective=name)


@pytest.mark.parametrize("name", ["rank1", "rank7", "mAP_nd", "val/mINP", "tpr@fpr=0.01"])
def test_a_score_that_is_better_when_higher_can_be_maximised(name):
    check_objective(name, SimpleNamespace(validation=object()))


def test_the_held_out_persons_are_scored_by_the_weights_that_are_tested():
    """The last validation may be epochs before the end, or of weights that were not chosen."""
    seen = []
    trainer = SimpleNamespace(callback_metrics={"val/mAP": 0.5, "train/loss": 1.0}, loggers=["log"])

    def validate(*_, **__):
        seen.append(list(trainer.loggers))  # the log has the scores of its epochs alone
        trainer.callback_metrics["val/mAP"] = 0.75

    trainer.validate = validate
    assert held_out_scores(trainer, object(), SimpleNamespace(validation=None)) == {}
    assert held_out_scores(trainer, object(), SimpleNamespace(validation=object())) == {"mAP": 0.75}
    assert (seen, trainer.loggers) == ([[]], ["log"])


def test_both_sweeps_vary_the_same_and_every_key_is_ours(compose):
    ours, theirs = (OmegaConf.load(SWEEPS / f"strong_{name}.yaml") for name in ("optuna", "wandb"))
    ranges = Space.of([f"{key}={value}" for key, value in ours.hydra.sweeper.params.items()]).ranges
    assert ranges.keys() == theirs.parameters.keys()
    for key, each in theirs.parameters.items():
        if "values" in each:
            assert [float(value) for value in ranges[key].choices] == list(each["values"])
        else:
            assert (ranges[key].low, ranges[key].high) == (each["min"], each["max"])
            assert ranges[key].log == (each.distribution == "log_uniform_values")
    first = {key: each["values"][0] if "values" in each else each["min"] for key, each in theirs.parameters.items()}
    fixed = [word for word in OmegaConf.to_container(theirs, resolve=False)["command"] if "=" in word]
    config = compose(*fixed, *(f"{key}={value}" for key, value in first.items()))
    assert (
        (config.objective, config.dataset.val_persons) == (ours.objective, ours.dataset.val_persons) == ("val/mAP", 50)
    )
    for key, value in first.items():
        assert OmegaConf.select(config, key) == value


def test_wandb_takes_the_sweep_file_and_its_command_is_hydras():
    from wandb.apis.public.sweeps import _validate_config_and_fill_distribution
    from wandb.sdk.launch.sweeps.utils import create_sweep_command

    file = OmegaConf.to_container(OmegaConf.load(SWEEPS / "strong_wandb.yaml"), resolve=False)
    assert _validate_config_and_fill_distribution(file) == file  # nothing is left to guess
    assert file["method"] in ("grid", "random", "bayes")
    assert file["metric"] == {"name": "objective", "goal": "maximize"}
    command = create_sweep_command(file["command"])
    assert command[-1] == "${args_no_hyphens}"
    given = [word for word in command if "=" in word]
    parsed = {each.key_or_group: each.value() for each in OverridesParser.create().parse_overrides(given)}
    assert parsed["logger"] == "wandb"
    assert parsed["objective"] == "val/mAP"
    assert "-m ${program}" in " ".join(command)
