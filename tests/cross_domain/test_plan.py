import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reid_lit.cross_domain.plan import Ask, Planner
from reid_lit.cross_domain.testing import evaluation_of, lacking_tests, named, with_tests
from reid_lit.cross_domain.words import Domain, MatrixError, chosen_methods, domains, read_methods
from reid_lit.paths import packaged

SIZES = OmegaConf.to_container(OmegaConf.load(packaged("conf") / "matrix.yaml").sizes)


def plan(folder, *, size="laptop", sources=("plaza",), targets=("campus", "plaza"), methods=("direct",), **more):
    known = read_methods(SIZES[size]["methods"])
    datasets = SIZES[size]["datasets"]
    ask = Ask(
        sources=domains(sources, datasets, []), targets=domains(targets, datasets, []), known=known,
        methods=chosen_methods(methods, known), trainings=Path(folder),
        **{"seeds": [0], "overrides": (), **more},
    )  # fmt: skip
    planner = Planner(ask)
    return planner.cells(), list(planner.trainings.values())


def names(trainings):
    return {training.job.name for training in trainings}


def test_a_source_is_trained_once_for_all_targets_and_adapted_methods(tmp_path):
    cells, trainings = plan(tmp_path, methods=["arn", "arn_shared", "embae_fix", "embae_new"])
    assert names(trainings) == {
        "direct: plaza, seed 0", "arn: plaza → campus, seed 0", "arn_shared: plaza → campus, seed 0",
        "embae_start: plaza, seed 0", "embae_direct: plaza, seed 0", "embae_autoencoder: plaza, seed 0",
        "embae_fix: plaza → campus, seed 0", "embae_new: plaza → campus, seed 0",
    }  # fmt: skip
    at = {training.job.name.split(":")[0]: training for training in trainings}
    assert f"backbone.weights={at['direct'].job.folder}" in at["arn"].job.overrides
    assert f"backbone.weights={at['embae_start'].job.folder}" in at["embae_direct"].job.overrides
    assert f"model.weights={at['embae_autoencoder'].job.folder}" in at["embae_new"].job.overrides
    assert [at[name].depth for name in ("direct", "arn", "embae_new")] == [0, 1, 3]
    assert [domain.name for domain in at["direct"].targets] == ["campus", "plaza"]
    assert at["embae_autoencoder"].targets == []
    assert len({training.job.folder for training in trainings}) == len(trainings)
    kinds = {(cell.method.name, cell.target.name): cell.kind for cell in cells}
    assert kinds["direct", "plaza"] == "supervised"
    assert kinds["direct", "campus"] == "direct"
    assert kinds["arn", "campus"] == "adapted"
    assert ("arn", "plaza") not in kinds


def test_a_training_is_the_same_whatever_it_is_tested_on_and_another_with_another_seed(tmp_path):
    (one,) = plan(tmp_path, targets=["campus"])[1]
    (two,) = plan(tmp_path, targets=["plaza", "campus"], overrides=("evaluation.ap=step",))[1]
    (three,) = plan(tmp_path, targets=["campus"], seeds=[1])[1]
    (four,) = plan(tmp_path, targets=["campus"], overrides=("trainer.max_epochs=1",))[1]
    assert one.job.folder == two.job.folder
    assert len({one.job.folder, three.job.folder, four.job.folder}) == 3
    assert "seed=1" in three.job.overrides


def test_a_key_that_an_experiment_means_for_another_data_set_is_taken_away(tmp_path):
    _, trainings = plan(tmp_path, targets=["ward"], methods=["embae_fix"])
    (last,) = (training for training in trainings if training.depth == 3)
    assert "dataset=ward" in last.job.overrides
    assert "~dataset.world" in last.job.overrides


def test_a_data_set_that_lacks_leaves_its_cells_empty_and_trains_nothing(tmp_path):
    cells, trainings = plan(tmp_path, targets=["campus", "ward"], methods=["arn"], lacking={"ward": "ward: gone"})
    assert names(trainings) == {"direct: plaza, seed 0", "arn: plaza → campus, seed 0"}
    assert {cell.reason for cell in cells if cell.target.name == "ward"} == {"ward: gone"}
    assert not any(cell.reason for cell in cells if cell.target.name == "campus")


def test_an_override_that_a_method_does_not_know_is_said_with_its_name(tmp_path):
    with pytest.raises(MatrixError, match=r"method direct: .*maxepochs"):
        plan(tmp_path, overrides=("trainer.maxepochs=1",))


@pytest.mark.parametrize("size", sorted(SIZES))
def test_every_method_of_the_config_composes(tmp_path, size):
    source = SIZES[size]["sources"][0]
    target = next(each for each in SIZES[size]["targets"] if each != source)
    _, trainings = plan(tmp_path, size=size, sources=[source], targets=[target], methods=list(SIZES[size]["methods"]))
    assert len(trainings) == len(SIZES[size]["methods"])


def test_two_data_sets_of_one_name_are_told_apart_as_a_test_does():
    halves = [Domain(name=f"ward{k}", option="ward", changes={"split_id": k}) for k in (0, 1)]
    rows = named(halves, {"ward0": "ward", "ward1": "ward"})
    assert rows == {"{dataset: ward, split_id: 0}": "ward", "{dataset: ward, split_id: 1}": "ward_2"}


def finish(job, row="campus"):
    job.folder.mkdir(parents=True)
    (job.folder / "job.json").write_text(json.dumps({"name": job.name, "facts": dict(job.facts), "state": "done"}))
    (job.folder / "metrics.json").write_text(json.dumps({"results": [{"dataset": row, "scores": {"mAP": 0.5}}]}))


def test_a_finished_training_is_tested_again_on_new_targets_or_by_another_protocol_alone(tmp_path):
    (training,) = plan(tmp_path, targets=["campus"])[1]
    finish(with_tests(training, training.targets, {}))
    assert training.job.done
    assert lacking_tests(training) == []
    (more,) = plan(tmp_path, targets=["campus", "plaza"])[1]
    assert [domain.name for domain in lacking_tests(more)] == ["plaza"]
    test = evaluation_of(more, lacking_tests(more), {})
    assert (test.module, test.resumable) == ("reid_lit.evaluate", False)
    assert f"run={more.job.folder}" in test.overrides
    assert "test_on=[{dataset: synthetic, world: plaza, size: small}]" in test.overrides
    finish(test, "plaza")
    assert lacking_tests(more) == []
    (other,) = plan(tmp_path, targets=["campus"], overrides=("evaluation.ap=trapezoid",))[1]
    assert [domain.name for domain in lacking_tests(other)] == ["campus"]
