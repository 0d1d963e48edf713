"""Run folders and files of embeddings as a stranger could make them: nothing in them is run."""

import json
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.torch import save_file

import reid_lit
from reid_lit.command.replay import replayed
from reid_lit.errors import InputError
from reid_lit.run.evaluated import Evaluated
from reid_lit.run.trust import check_parts, is_own_part, kept_words, own_parts

FUNCTIONS = {  # all are Python that is there wherever reid_lit is; some of them Hydra refuses itself, some it does not
    "torch.hub.load": "{_target_:torch.hub.load,repo_or_dir:.,model:x,source:local}",
    "numpy.load": "{_target_:numpy.load,file:x.npy,allow_pickle:true}",
    "joblib.load": "{_target_:joblib.load,filename:x}",
    "pathlib": "{_target_:pathlib.Path.write_text,_args_:[{_target_:pathlib.Path,_args_:[MARK]},run]}",
    "shutil": "{_target_:shutil.copyfile,src:/etc/hostname,dst:MARK}",
    "unpack": "{_target_:shutil.unpack_archive,filename:x.tar,extract_dir:.}",
    "os.system": "{_target_:os.system,command:'touch MARK'}",
    "eval": '{_target_:builtins.eval,_args_:[\'open("MARK","w")\']}',
    "prefix of torch": "{_target_:torch.nn.functional.torch.hub.load,repo_or_dir:.,model:x,source:local}",
    "prefix of ours": "{_target_:reid_lit.jobs.runner.os.system,_args_:['touch MARK']}",
    "prefix of ours, nested": "{_target_:reid_lit.evaluation.neighbours.search.FaissSearch,kind:{_target_:os.system,_args_:['touch MARK']}}",
    "a part of torch that is none of ours": "{_target_:torch.load,f:x.pt,weights_only:false}",
    "partial": "{_target_:os.system,_partial_:true,_args_:['touch MARK']}",
    "instantiate": "{_target_:hydra.utils.instantiate,config:{x:1}}",
    "a module of the folder": "{_target_:stranger.run}",
    "a quoted key": '{"_target_": stranger.run}',
}
WORDS = {
    "run_dir": "run_dir=MARK",
    "log file": "hydra.job_logging.handlers.file.filename=MARK",
    "searchpath": "hydra.searchpath=[file:///tmp]",
    "job logging": "hydra/job_logging=none",
    "config dir": "--config-dir=/tmp",
    "environment": "name=${oc.env:HOME}",
    "environment in a name": "name=${${x}:HOME}",
    "created": "evaluation.search=${oc.create:'{_target_: os.system}'}",
    "pictures": "callbacks.pictures.folder=MARK",
    "pictures, above the run": "callbacks.pictures.folder=${run_dir}/../../MARK",
    "pictures, whole": "callbacks.pictures={_target_:reid_lit.callbacks.pictures.Pictures,folder:MARK,queries:1,top:1,removed:true,rankings:0}",
    "an option elsewhere": "+experiment=../../../tmp/stranger",
    "an option by its path": "evaluation=/tmp/stranger",
    "a stage": "before={x:{experiment:synthetic_softmax,overrides:['model={_target_:os.system}'],gives:backbone.weights}}",
    "a test": "test_on=[{dataset:synthetic,x:{_target_:os.system,_args_:['touch MARK']}}]",
    "a callback": "+callbacks.x={_target_:os.system,_args_:['touch MARK']}",
    "a logger": "+logger.x={_target_:pytorch_lightning.loggers.TensorBoardLogger,save_dir:MARK}",
}
LEFT_OUT = {"run_dir"}  # nothing is refused: the command writes where it would without the word


@pytest.fixture
def stranger(trained, tmp_path, monkeypatch):
    """A copy of a run's folder, started with one more word; ``MARK`` in it is a file that must never be."""
    (tmp_path / "stranger.py").write_text("from pathlib import Path\nPath('MARK').touch()\nrun = Path\n")
    (tmp_path / "hubconf.py").write_text("from pathlib import Path\nPath('MARK').touch()\ndef x(): ...\n")

    def make(word):
        folder = tmp_path / "stranger"
        shutil.copytree(trained[0], folder)
        file = folder / ".hydra" / "overrides.yaml"
        words = [*OmegaConf.load(file), word.replace("MARK", str(tmp_path / "MARK"))]
        file.write_text(json.dumps(words))  # JSON is YAML
        return folder

    return make


def is_untouched(folder):
    return not list(folder.rglob("MARK*"))


def refused(done, *, cwd):
    assert is_untouched(cwd)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "trust=true" in done.stderr or "hydra" in done.stderr.lower(), done.stderr


def checked(folder, compose):
    """What `evaluate run=folder` does before its task, in this process."""
    words = [f"run={folder}"]
    config = compose(*replayed(words), config_name="evaluate")
    check_parts(config, source="the run's words", typed=words)
    return config


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_of_a_stranger_is_run(stranger, compose, tmp_path, name):
    folder = stranger(f"+evaluation.x={FUNCTIONS[name]}")
    with pytest.raises(InputError, match=r"is no part of reid_lit and could run anything; .* trust=true"):
        checked(folder, compose)
    assert is_untouched(tmp_path)


@pytest.mark.parametrize("name", WORDS)
def test_no_word_of_a_stranger_chooses_a_place_or_reads_the_environment(stranger, compose, tmp_path, name):
    folder = stranger(WORDS[name])
    if name in LEFT_OUT:
        assert "MARK" not in str(checked(folder, compose))
    else:
        with pytest.raises(InputError, match=r"trust=true"):
            checked(folder, compose)
    assert is_untouched(tmp_path)


def test_a_test_is_logged_where_its_own_command_says(trained, compose):
    assert "logger=wandb" in OmegaConf.load(trained[0] / ".hydra" / "overrides.yaml")
    assert "wandb" not in checked(trained[0], compose).logger
    assert "logger=wandb" in replayed([f"resume={trained[0]}"])
    assert "logger=wandb" in replayed([f"run={trained[0]}", "logger=wandb"])


COMMANDS = {
    "evaluate": ["run={}"],
    "embed": ["run={}"],
    "submission": ["run={}"],
    "figure": ["run={}", "figure=norms"],
    "train": ["resume={}"],
}


@pytest.mark.parametrize("module", COMMANDS)
def test_every_command_that_repeats_a_run_refuses(stranger, command, tmp_path, module):
    folder = stranger(f"+evaluation.x={FUNCTIONS['pathlib']}")
    words = [word.format(folder) for word in COMMANDS[module]]
    refused(command(*words, cwd=tmp_path, check=False, module=f"reid_lit.{module}"), cwd=tmp_path)


def test_no_variable_of_the_environment_changes_that(stranger, command, tmp_path):
    folder = stranger(f"+evaluation.x={FUNCTIONS['os.system']}")
    opened = dict.fromkeys(("HYDRA_INSTANTIATE_ALLOWLIST_OVERRIDE", "HYDRA_ALLOW_UNSAFE", "REID_TRUST"), "os.system")
    done = command(f"run={folder}", cwd=tmp_path, check=False, module="reid_lit.evaluate", environment=opened)
    refused(done, cwd=tmp_path)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("place", ["transform.train.y", "model.y", "model.backbone.options.y"])
def test_load_runs_no_function_of_a_stranger(trained, tmp_path, monkeypatch, name, place):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained[0], tmp_path / "run")
    config = OmegaConf.load(tmp_path / "run" / "config.yaml")
    OmegaConf.update(
        config,
        place,
        OmegaConf.create(FUNCTIONS[name].replace("MARK", str(tmp_path / "MARK")).replace(":", ": ")),
        force_add=True,
    )
    OmegaConf.save(config, tmp_path / "run" / "config.yaml")
    with pytest.raises(InputError, match="is no part of reid_lit and could run anything"):
        reid_lit.load(tmp_path / "run", device="cpu")
    assert is_untouched(tmp_path)


def test_load_reads_no_variable_of_the_environment(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    file = tmp_path / "run" / "config.yaml"
    file.write_text(file.read_text() + "\nx: ${oc.env:HOME}\n")
    with pytest.raises(InputError, match="would be computed when it is read"):
        reid_lit.load(tmp_path / "run", device="cpu")


def test_a_file_of_embeddings_gives_no_words_to_a_command(trained, command, tmp_path):
    source = tmp_path / "own.safetensors"
    command(f"run={trained[0]}", "test_on=[]", f"file={source}", cwd=tmp_path, module="reid_lit.embed")
    with safe_open(source, "pt") as file:
        tensors, facts = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - no mapping
    assert "overrides" not in facts
    words = [f"+evaluation.x={each}" for each in FUNCTIONS.values()] + list(WORDS.values())
    words = ["+experiment=synthetic_softmax", *(word.replace("MARK", str(tmp_path / "MARK")) for word in words)]
    save_file(tensors, tmp_path / "stranger.safetensors", facts | {"version": "1", "overrides": json.dumps(words)})
    command("embeddings=stranger.safetensors", "hydra.run.dir=out", cwd=tmp_path, module="reid_lit.evaluate")
    assert is_untouched(tmp_path)
    config = OmegaConf.load(tmp_path / "out" / "config.yaml")
    assert config.run_dir.endswith("out")
    assert "x" not in config.evaluation
    assert str(Path.home()) not in str(config.name)


@pytest.mark.parametrize("facts", [
    {"name": "${oc.env:HOME}"}, {"option": "../../x"}, {"option": ["standard"]}, {"dataset": "/tmp/x"},
    {"scoring": {"ap": "${oc.env:HOME}"}}, {"scoring": {"ap": {"_target_": "os.system"}}}, {"scoring": {"rerank": "x"}}, {"scoring": 5},
])  # fmt: skip
def test_facts_of_an_evaluation_are_plain(facts):
    assert Evaluated.checked(facts).words() == []


def test_trust_is_the_users_to_give(stranger, command, tmp_path):
    folder = stranger("+callbacks.x={_target_:pytorch_lightning.callbacks.Timer}")
    done = command(f"run={folder}", cwd=tmp_path, check=False, module="reid_lit.evaluate")
    assert "asks for 'pytorch_lightning.callbacks.Timer', which is no part of reid_lit" in done.stderr
    done = command(f"run={folder}", "trust=true", cwd=tmp_path, module="reid_lit.evaluate")
    assert done.returncode == 0
    folder.rename(tmp_path / "before")
    done = command(f"run={stranger('trust=true')}", cwd=tmp_path, module="reid_lit.evaluate")
    assert done.returncode == 0  # left out: no run says that it is to be trusted


def test_a_part_that_is_typed_now_is_the_users_own():
    typed = ["run=x", "loss.terms.id.loss._target_=my.module.Loss"]
    config = {"loss": {"terms": {"id": {"loss": {"_target_": "my.module.Loss"}}}}}
    check_parts(config, source="a run", typed=typed)
    with pytest.raises(InputError, match=r"my\.module\.Loss"):
        check_parts(config, source="a run")


@pytest.mark.parametrize(("name", "own"), [
    ("torch.optim.Adam", True), ("torch.optim.adam.Adam", True), ("torch.optim.AdamW", False), ("torch.optim.adam.sys.exit", False),
    ("reid_lit.models.supervised.Supervised", True), ("reid_lit.models.supervised.nn.Module", False), (None, False), (5, False),
    ("stranger.Supervised", False), ("torch.hub.load", False), ("reid_lit.jobs.runner.Runner", False),
])  # fmt: skip
def test_parts_are_known_by_their_object(name, own):
    assert is_own_part(name) is own


def test_all_parts_of_conf_are_our_own_or_known_ones():
    packages = {name.partition(".")[0] for name in own_parts()}
    assert packages <= {
        "reid_lit",
        "hydra_plugins",
        "torch",
        "pytorch_lightning",
        "pytorch_metric_learning",
        "torchvision",
    }


def test_words_of_our_own_runs_are_kept():
    words = [
        "+experiment=market_strong",
        "seed=1",
        "dataset.root='/data/a b'",
        "transform.size=[64,32]",
        "~callbacks.pictures",
    ]
    assert kept_words(words, source="a run") == words
