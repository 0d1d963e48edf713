import pytest

from reid_lit.command.launch import _in_one_folder
from reid_lit.command.replay import replayed
from reid_lit.jobs.job import last_words
from reid_lit.run.near_names import near_names


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("+experiment=duke_hrnt", "experiment=duke_hrnt: no 'duke_hrnt'; did you mean duke_hrnet"),
        ("backbone=resnt50", "backbone=resnt50: no 'resnt50'; did you mean resnet50"),
        ("datset=ward", "datset: no 'datset'; did you mean dataset"),
        ("optimizer.lrr=3", "optimizer.lrr: no 'lrr' in optimizer; did you mean lr?"),
        ("neck.build.dropuot=0", "neck.build.dropuot: no 'dropuot' in neck.build; did you mean dropout?"),
        ("dataset.xyzzy=1", "dataset.xyzzy: no 'xyzzy' in dataset; there are _target_, "),
    ],
)
def test_near_names(argument, line):
    assert [found[: len(line)] for found in near_names([argument], config_name="train")] == [line]


def test_what_an_option_brings_is_known():
    arguments = [
        "+experiment=duke_circle",
        "loss=id_circle",
        "loss.terms.circle.loss.gamma=64",
        "dataset=ward",
        "dataset.split_seed=1",
    ]
    assert near_names(arguments, config_name="train") == []


def test_a_key_that_is_added_is_not_misspelt():
    assert near_names(["+trainer.limit_train_batches=3", "++dataset.own=1"], config_name="train") == []


def test_a_misspelt_option_fails_with_near_names_and_leaves_nothing(command, tmp_path):
    done = command("+experiment=synthetic_softmax", "optimizer.lrr=1", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "did you mean lr?" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_an_earlier_run_is_replayed_in_its_folder(tmp_path):
    folder = tmp_path / "a=b, c"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("- +experiment=duke_hrnet\n- seed=3\n- resume=old\n")
    whole = [
        "+experiment=duke_hrnet", "seed=3", f'resume="{folder}"', "trainer=gpu", f'hydra.run.dir="{folder}"',
    ]  # fmt: skip
    assert replayed([f"resume={folder}", "trainer=gpu"]) == whole
    assert replayed([f"run={folder}"])[-1] == f'run="{folder}"'
    assert replayed(whole) == whole  # what a second rank is started with
    repeated = ["+experiment=duke_hrnet", "seed=3", f"resume={folder}"]
    assert replayed(repeated) == [*whole[:3], whole[4]]
    assert replayed(["seed=4", f"resume={folder}"])[:2] == ["+experiment=duke_hrnet", "seed=4"]
    assert replayed(["seed=1", "resume=null"]) == ["seed=1", "resume=null"]


def test_a_folder_that_the_earlier_run_was_given_is_not_written_to_again(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text(f"- run_dir={tmp_path}\n- hydra.run.dir={tmp_path}\n- seed=3\n")
    assert replayed([f"run={tmp_path}"]) == ["seed=3", f"run={tmp_path}"]
    assert replayed([f"run={tmp_path}", "run_dir=/elsewhere"])[-1] == "run_dir=/elsewhere"
    assert replayed([f"resume={tmp_path}"])[-1] == f"hydra.run.dir={tmp_path}"


def test_one_split_of_a_run_is_tested_by_its_own_folder(tmp_path):
    for folder in (".hydra", "split_0/checkpoints", "split_1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".hydra" / "overrides.yaml").write_text("- dataset=viper\n- dataset.split_id=all\n- seed=3\n")
    (tmp_path / ".hydra" / "hydra.yaml").write_text("hydra: {runtime: {choices: {dataset: viper}}}\n")
    words = ["dataset=viper", "seed=3", "dataset.split_id=1", f"run={tmp_path}/split_1"]
    assert replayed([f"run={tmp_path}/split_1"]) == words
    other = ["seed=3", f"run={tmp_path}/split_1", "dataset=ward", "test_on=[]"]
    assert replayed([f"run={tmp_path}/split_1", "dataset=ward"]) == other
    with pytest.raises(FileNotFoundError, match="split_1 is no run's folder"):
        replayed([f"resume={tmp_path}/split_1"])


def test_a_run_without_overrides_is_resumed_in_its_folder(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("[]\n")
    assert replayed([f"resume={tmp_path}"]) == [f"resume={tmp_path}", f"hydra.run.dir={tmp_path}"]


def test_a_folder_that_is_no_run_is_named(command, tmp_path):
    done = command(f"resume={tmp_path}", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert f"{tmp_path} is no run's folder: it has no .hydra/overrides.yaml" in done.stderr


EMBAE = ["+experiment=duke_embae", "dataset.root=/duke"]


@pytest.fixture
def embae(tmp_path):
    """The folder of a run that was started with `EMBAE`, whose experiment has test_on."""
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    (tmp_path / "run" / ".hydra" / "overrides.yaml").write_text("".join(f"- {each}\n" for each in EMBAE))
    (tmp_path / "run" / ".hydra" / "hydra.yaml").write_text("hydra: {runtime: {choices: {dataset: dukemtmc}}}\n")
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], [*EMBAE, "RUN"]),
        (["dataset=ward"], [EMBAE[0], "RUN", "dataset=ward", "test_on=[]"]),  # the root was Duke's
        (["dataset=dukemtmc"], [*EMBAE, "RUN", "dataset=dukemtmc", "test_on=[]"]),
        (["dataset.root=/moved"], [EMBAE[0], "RUN", "dataset.root=/moved", "test_on=[]"]),
        (["dataset=ward", "test_on=[viper]"], [EMBAE[0], "RUN", "dataset=ward", "test_on=[viper]"]),
        (["evaluation=rerank"], [*EMBAE, "RUN", "evaluation=rerank"]),
    ],
)
def test_a_data_set_given_beside_a_run_is_tested_on(embae, compose, given, told):
    arguments = replayed([f"run={embae}", *given])
    assert [argument if argument != f"run={embae}" else "RUN" for argument in arguments] == told
    assert replayed(arguments) == arguments  # what a second rank is started with
    config = compose(*arguments, config_name="embed")
    named = any(word.startswith("dataset") for word in given)
    assert config.test_on == (["viper"] if "test_on=[viper]" in given else [] if named else ["dukemtmc", "market1501"])


def test_a_runs_own_test_on_yields_to_a_data_set(embae):
    (embae / ".hydra" / "overrides.yaml").write_text("- test_on=[market1501]\n- seed=1\n")
    arguments = replayed([f"run={embae}", "dataset=ward"])
    assert arguments == ["seed=1", f"run={embae}", "dataset=ward", "test_on=[]"]
    assert replayed([f"run={embae}"]) == ["test_on=[market1501]", "seed=1", f"run={embae}"]


def test_a_resumed_run_keeps_what_it_tests_on(embae):
    assert "test_on=[]" not in replayed([f"resume={embae}", "dataset.root=/moved"])


def test_a_command_ends_with_the_text_alone(command, tmp_path):
    arguments = ("+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[0,0]")
    done = command(*arguments, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["transform.size=[0, 0]: not [height, width] in pixels, such as [256, 128]"]
    log = tmp_path / "job.log"
    log.write_text(done.stdout + done.stderr)
    assert last_words(log) == done.stderr.strip()  # what a table says of a job
    done = command(*arguments, cwd=tmp_path, check=False, environment={"HYDRA_FULL_ERROR": "1"})
    assert "Traceback" in done.stderr


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_a_command_with_its_words_alone(command, drawn, tmp_path):
    done = command(
        "+experiment=synthetic_softmax", "dataset.size=tiny", "backbone=resnet18", "backbone.weights=none",
        "transform.size=[64,32]", "loader.batch_size=16", "machine.workers=0", f"data_root={drawn}", "optimizer.lr=1e30",
        "machine=cpu", "trainer.max_epochs=1", "machine.progress_bar=false", cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(("the loss is nan at epoch 0", "the loss is inf at epoch 0"))


def test_relative_paths_of_a_run_begin_where_it_was_started(tmp_path, monkeypatch):
    start, run = tmp_path / "start", tmp_path / "run"
    (start / "crops").mkdir(parents=True)
    (run / ".hydra").mkdir(parents=True)
    words = ["dataset.root=crops", "test_on=[{dataset: ward, root: crops}]", "backbone.weights=gone", "seed=1"]
    (run / ".hydra" / "overrides.yaml").write_text("".join(f"- '{word}'\n" for word in words))
    (run / ".hydra" / "hydra.yaml").write_text(f"hydra: {{runtime: {{cwd: '{start}'}}}}\n")
    monkeypatch.chdir(tmp_path)
    placed = [f"dataset.root={start}/crops", f"test_on=[{{dataset: ward, root: {start}/crops}}]", *words[2:]]
    assert [word.replace('"', "") for word in replayed([f"run={run}"])[:4]] == placed
    monkeypatch.chdir(start)
    assert replayed([f"run={run}"])[:4] == words


def test_the_folder_of_the_stages_is_repeated_only_where_none_can_be_trained(tmp_path, caplog):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("- seed=1\n- before_dir=/other\n")
    assert "before_dir=/other" not in replayed([f"resume={tmp_path}"])
    assert "before_dir=/other of the run is not repeated" in caplog.text
    assert "before_dir=/mine" in replayed([f"resume={tmp_path}", "before_dir=/mine"])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    assert "before_dir=/other" in replayed([f"resume={tmp_path}"])  # no stage is trained any more


def test_a_run_is_whole_in_the_folder_that_run_dir_names():
    assert _in_one_folder(["seed=1", "run_dir=own"]) == ["seed=1", "run_dir=own", "hydra.run.dir=own"]
    for kept in (["seed=1"], ["run_dir=own", "hydra.run.dir=other"], ["-m", "run_dir=own", "seed=1,2"]):
        assert _in_one_folder(kept) == kept
