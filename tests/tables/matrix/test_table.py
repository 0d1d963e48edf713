import json
import shutil

import pytest
from omegaconf import OmegaConf

from reid_lit.paths import packaged
from reid_lit.tables.command import TableRequest
from reid_lit.tables.matrix.table import MatrixRequest, cells_of, table_of
from reid_lit.tables.matrix.words import MatrixError, chosen_methods, read_datasets, read_methods
from reid_lit.tables.plan import chains, places_of

SIZES = OmegaConf.to_container(OmegaConf.load(packaged("conf") / "matrix.yaml").sizes)


def plan(folder, *, size="laptop", sources=("plaza",), targets=("campus", "plaza"), methods=("direct",), **more):
    """The cells and chains of a matrix whose trainings are in ``folder``."""
    known = read_methods(SIZES[size]["methods"])
    datasets = SIZES[size]["datasets"]
    request = MatrixRequest(
        sources=read_datasets(sources, datasets, []), targets=read_datasets(targets, datasets, []), known=known,
        methods=chosen_methods(methods, known), **{"seeds": [0], "overrides": (), **more},
    )  # fmt: skip
    table = table_of(request, "made up")
    places = places_of(table, TableRequest("matrix/made_up", table_dir=str(folder / "none"), trainings_dir=str(folder)))
    return cells_of(request, table, places), chains(places)


def names(chains):
    return [chain.training.name.rpartition(" (")[0] for chain in chains]


def named(chains):
    return {chain.training.name.partition(" ")[0]: chain for chain in chains}


def test_a_source_is_trained_once_for_all_targets_and_adapted_methods(tmp_path):
    cells, chains = plan(tmp_path, methods=["arn", "arn_shared", "embae_fix", "embae_new"])
    assert set(names(chains)) == {
        "direct_plaza seed 0", "arn_plaza_to_campus seed 0", "arn_shared_plaza_to_campus seed 0",
        "embae_start_plaza seed 0", "embae_direct_plaza seed 0", "embae_autoencoder_plaza seed 0",
        "embae_fix_plaza_to_campus seed 0", "embae_new_plaza_to_campus seed 0",
    }  # fmt: skip
    assert len(names(chains)) == 8
    at = named(chains)
    direct, coder = at["direct_plaza"].training, at["embae_autoencoder_plaza"].training
    adapted = at["embae_new_plaza_to_campus"]
    assert f"backbone.weights={direct.folder}" in at["arn_plaza_to_campus"].training.overrides
    start = at["embae_start_plaza"].training
    assert f"backbone.weights={start.folder}" in at["embae_direct_plaza"].training.overrides
    assert f"model.weights={coder.folder}" in adapted.training.overrides
    assert [job.folder for job in adapted.before] == [
        at[name].training.folder for name in ("embae_start_plaza", "embae_direct_plaza", "embae_autoencoder_plaza")
    ]
    assert [len(at[name].before) for name in ("direct_plaza", "arn_plaza_to_campus")] == [0, 1]
    depths = [len(chain.before) for chain in chains]
    assert depths == sorted(depths)
    assert len({chain.training.folder for chain in chains}) == len(chains)
    kinds = {(cell.method.name, cell.target.name): cell.kind for cell in cells}
    assert kinds["direct", "plaza"] == "supervised"
    assert kinds["direct", "campus"] == "direct"
    assert kinds["arn", "campus"] == "adapted"
    assert ("arn", "plaza") not in kinds


def test_adabn_starts_from_direct_transfer_and_reads_the_target(tmp_path):
    cells, chains = plan(tmp_path, targets=["campus"], methods=["adabn"])
    at = named(chains)
    adapted, direct = at["adabn_plaza_to_campus"].training, at["direct_plaza"].training
    assert f"model.weights={direct.folder}" in adapted.overrides
    assert {"model=adabn", "dataset=synthetic", "dataset.world=campus"} <= set(adapted.overrides)
    assert {(cell.method.name, cell.method.beside, cell.kind) for cell in cells} == {
        ("direct", None, "direct"), ("adabn", "direct", "adapted"),
    }  # fmt: skip


def test_a_training_tests_itself_on_its_first_target_and_each_other_target_is_an_evaluation(tmp_path):
    (direct,) = plan(tmp_path)[1]
    campus, plaza = (f"{{dataset: synthetic, world: {world}, size: small}}" for world in ("campus", "plaza"))
    assert f"test_on=[{campus}]" in direct.training.overrides
    (test,) = direct.evaluations
    assert (test.module, test.resumable) == ("reid_lit.evaluate", False)
    assert f"test_on=[{plaza}]" in test.overrides
    assert f"run={direct.training.folder}" in test.overrides
    chains = named(plan(tmp_path, methods=["embae_fix"])[1])
    assert "test_on=[]" in chains["embae_autoencoder_plaza"].training.overrides
    assert chains["embae_fix_plaza_to_campus"].evaluations == ()


def test_a_training_is_the_same_whatever_it_is_tested_on_and_another_with_another_seed(tmp_path):
    (one,) = plan(tmp_path, targets=["campus"])[1]
    (two,) = plan(tmp_path, targets=["plaza", "campus"], overrides=("evaluation.ap=step",))[1]
    (three,) = plan(tmp_path, targets=["campus"], seeds=[1])[1]
    (four,) = plan(tmp_path, targets=["campus"], overrides=("trainer.max_epochs=1",))[1]
    assert one.training.folder == two.training.folder
    assert len({chain.training.folder for chain in (one, three, four)}) == 3
    assert "seed=1" in three.training.overrides


def test_a_key_that_an_experiment_means_for_another_data_set_is_taken_away(tmp_path):
    last = plan(tmp_path, targets=["ward"], methods=["embae_fix"])[1][-1]
    assert len(last.before) == 3
    assert "dataset=ward" in last.training.overrides
    assert "~dataset.world" in last.training.overrides


def test_a_data_set_in_the_place_of_a_key_replaces_it(tmp_path):
    (*_, last) = plan(tmp_path, targets=["campus"], methods=["arn"])[1]
    words = last.training.overrides
    assert words.index("~dataset.source") + 1 == words.index(
        "+dataset.source={dataset: synthetic, world: plaza, size: small}"
    )


def test_a_data_set_that_is_missing_leaves_its_cells_empty_and_trains_nothing(tmp_path):
    cells, chains = plan(tmp_path, targets=["campus", "ward"], methods=["arn"], missing={"ward": "ward: gone"})
    assert set(names(chains)) == {"direct_plaza seed 0", "arn_plaza_to_campus seed 0"}
    assert {cell.reason for cell in cells if cell.target.name == "ward"} == {"ward: gone"}
    assert not any(cell.reason for cell in cells if cell.target.name == "campus")
    assert [len(cell.places) for cell in cells] == [1, 1, 0, 0]


def test_an_override_that_a_method_does_not_know_is_said_with_its_name(tmp_path):
    with pytest.raises(MatrixError, match=r"method direct: .*maxepochs"):
        plan(tmp_path, overrides=("trainer.maxepochs=1",))


@pytest.mark.parametrize("size", sorted(SIZES))
def test_every_method_of_the_config_composes(tmp_path, size):
    source = SIZES[size]["sources"][0]
    target = next(name for name in SIZES[size]["targets"] if name != source)
    methods = list(SIZES[size]["methods"])
    chains = plan(tmp_path, size=size, sources=[source], targets=[target], methods=methods)[1]
    assert len(chains) == len(methods)


def finish(job):
    job.folder.mkdir(parents=True)
    (job.folder / "job.json").write_text(json.dumps({"name": job.name, "facts": dict(job.facts), "state": "done"}))
    (job.folder / "metrics.json").write_text(json.dumps({"results": [{"scores": {"mAP": 0.5}}]}))


def test_a_finished_training_is_tested_again_on_new_targets_or_by_another_protocol_alone(tmp_path):
    (chain,) = plan(tmp_path, targets=["campus"])[1]
    finish(chain.training)
    (chain,) = plan(tmp_path, targets=["campus"])[1]
    assert chain.training.done
    assert chain.evaluations == ()
    (more,) = plan(tmp_path, targets=["plaza", "campus"])[1]  # now it would test itself on the plaza
    (test,) = more.evaluations
    assert "test_on=[{dataset: synthetic, world: plaza, size: small}]" in test.overrides
    finish(test)
    (more,) = plan(tmp_path, targets=["plaza", "campus"])[1]
    assert all(job.done for job in more.jobs)
    (other,) = plan(tmp_path, targets=["campus"], overrides=("evaluation.ap=trapezoid",))[1]
    assert [job.done for job in other.jobs] == [True, False]


def test_a_training_of_an_earlier_version_is_tested_again(tmp_path):
    (chain,) = plan(tmp_path, targets=["campus"])[1]
    finish(chain.training)
    record = {"facts": {"tests": {"campus": "campus", "plaza": "plaza"}}, "state": "done"}
    (chain.training.folder / "job.json").write_text(json.dumps(record))
    (chain,) = plan(tmp_path, targets=["campus"])[1]
    assert [job.done for job in chain.jobs] == [True, False]
    shutil.rmtree(chain.training.folder)
