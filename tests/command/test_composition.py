"""What Hydra finds wrong with a command line is said in one line of ours."""

import pytest

RAW = ("Traceback", "HYDRA_FULL_ERROR", "hydra.cc", "Config search path", "full_key", "struct")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["experiment=duke_hrnet"], "experiment=duke_hrnet: there is none to replace; write +experiment=duke_hrnet"),
        (["+dataset=ward"], "+dataset=ward: there is one already; write dataset=ward to replace it"),
        (["+optimizer.lr=1"], "+optimizer.lr=1: there is one already; write optimizer.lr=1 to replace it"),
        (["logger=null"], "logger=null: no 'null'; there are csv, mlflow, tensorboard, wandb"),
        (["optimizer=3"], "optimizer=3: no '3'; there are adam, sgd"),
        (["~optimizer.lrr"], "optimizer.lrr: no 'lrr' in optimizer; did you mean lr?"),
        (["hydra/launcher=joblib"], "hydra/launcher=joblib: it is not installed; pip install hydra-joblib-launcher"),
        (["seed=0,1", "-m", "hydra/sweeper=optuna"], "hydra/sweeper=optuna: it is not installed; pip install"),
        (["hydra/sweeper=study", "-m"], "a study without a range: give one"),
        (["loss.terms.x.y=3"], "loss.terms.x.y: no 'x' in loss.terms; there are id"),
        (["hydra.run.dirr=x"], "hydra.run.dirr: this config has no such key; options bring keys of their own"),
        (
            ["+experiment=plaza_to_campus_arn", "dataset.source={dataset: csv, root: /x.csv}"],
            "dataset.source={dataset: csv, root: /x.csv}: dataset.source has no root but dataset, world, size; to put this in"
            " its place write '~dataset.source' '+dataset.source={dataset: csv, root: /x.csv}'",
        ),
        (["data_root=${nowhere}"], "Interpolation key 'nowhere' not found; ${…} stands for another key"),
        (["data_root=${oc.env:NOT_SET_HERE}"], "Environment variable 'NOT_SET_HERE' not found; ${…} stands for"),
        (["+table=strong/table1", "optimizer.lrr=3", "plan=true"], "strong/table1, row 'Baseline-S', market1501: optimizer.lrr: no"),
        (["+table=strong/table1", "optimizer.lr=0,03", "plan=true"], "optimizer.lr=0,03: a comma parts values; write"),
        (["loader=5", "backbone.weights=none"], "loader=5: it is a group of keys; set loader.<key>"),
    ],
)  # fmt: skip
def test_a_line(command, tmp_path, words, line):
    done = command(*words, cwd=tmp_path, check=False)
    assert done.returncode == 1
    said = (done.stdout + done.stderr).splitlines()
    assert said[-1].startswith(line), said
    assert not [word for word in RAW if word in done.stdout + done.stderr]
