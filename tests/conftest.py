import gc
import os
from pathlib import Path
from types import SimpleNamespace

import hydra
import pytest
import tests.libraries  # noqa: F401 - before any module of ours
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import _utils as omegaconf_utils
from omegaconf import open_dict
from tests.forks import Forks

import reid_lit.command.resolvers  # noqa: F401 - the configs ask it
from reid_lit import kinds
from reid_lit.paths import packaged
from reid_lit.records import Split

os.environ.setdefault("OMP_NUM_THREADS", "1")  # commands started by tests run beside each other
ROOT = Path(__file__).parents[1]


gc.disable()  # while tests are collected nothing becomes garbage, and a third of that time would go into looking for it


def pytest_collection_finish():
    """What is there now stays: the collector looks at what tests make alone."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_sessionfinish():
    """As Python ends, all that libraries made is taken apart again; else some of them list it as lost."""
    gc.unfreeze()


class _Used:
    """Bytes of memory: what this process has now, where the system tells it, and the least since garbage was collected."""

    least = float("inf")

    @staticmethod
    def now():
        pages = Path("/proc/self/statm")
        return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.exists() else 0


def pytest_runtest_logfinish():
    """Networks and trainers hold each other, and the collector counts objects, not bytes: it would leave gigabytes."""
    if _Used.now() > _Used.least + 2**28:
        gc.collect()
        _Used.least = _Used.now()
    _Used.least = min(_Used.least, _Used.now())


def pytest_collection_modifyitems(items):
    """Files with slow tests come first: at the end no worker waits long for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """The user's own cache is none of the tests' business; commands that they start inherit this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_yaml():
    """libyaml in place of PyYAML's own reader, which takes half of the time of composing a config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(omegaconf_utils, "yaml", SimpleNamespace(**vars(yaml) | {"SafeLoader": yaml.CSafeLoader}))
        yield


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    """Each test speaks as a process does that has read no data set."""
    monkeypatch.setattr(kinds._Spoken, "kind", None)


@pytest.fixture
def compose(tmp_path):
    """Compose a config as the command line does; other data sets can be composed after it, as in a command."""
    GlobalHydra.instance().clear()
    hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3")

    def make(*overrides, config_name="train"):
        config = hydra.compose(config_name, overrides=list(overrides), return_hydra_config=True)
        with open_dict(config):
            config.hydra.runtime.output_dir = str(tmp_path / "run")
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        return config

    yield make
    HydraConfig.instance().cfg = None
    GlobalHydra.instance().clear()


@pytest.fixture
def reid_data():
    """Gives a folder of ``$REID_DATA``; the test is skipped where it is missing."""

    def folder(name):
        root = os.environ.get("REID_DATA")
        if root is None or not (Path(root) / name).is_dir():
            pytest.skip(f"needs {name}/ in $REID_DATA ({root or 'not set'})")
        return Path(root) / name

    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder with the tiny synthetic set of both worlds, as `data_root`."""
    from reid_lit.synthetic.write import write

    root = tmp_path_factory.mktemp("data")
    for world in ("plaza", "campus"):
        write(root / "synthetic" / f"{world}-tiny-0", world=world, size="tiny", seed=0)
    return root


@pytest.fixture(scope="session")
def forks():
    started = Forks()
    yield started
    started.close()


@pytest.fixture(scope="session")
def command(forks, tmp_path_factory):
    """Run `python -m reid_lit.<name> …` as a user does; fails with what it printed."""

    def run(*arguments, cwd, check=True, environment=None, module="reid_lit.train"):
        done = forks.run(
            module,
            [str(argument) for argument in arguments],
            cwd=cwd,
            environment={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **(environment or {})},
            folder=tmp_path_factory.mktemp("output"),
            seconds=300,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def trained(command, drawn, tmp_path_factory):
    """A finished run of two epochs, tested on both worlds, logged to W&B offline."""
    place = tmp_path_factory.mktemp("trained")
    done = command(
        "+experiment=synthetic_softmax", "dataset.size=tiny", "transform.size=[64,32]", "loader.batch_size=16",
        "machine.workers=1", "trainer.log_every_n_steps=2", f"data_root={drawn}", "trainer.max_epochs=2", "hydra.run.dir=run", "logger=wandb",
        "test_on=[synthetic,{dataset: synthetic, world: campus}]", cwd=place,
        environment={"WANDB_MODE": "offline", "NETRC": str(place / "none")},
    )  # fmt: skip
    return place / "run", done


@pytest.fixture
def fake_data():
    """What a model asks of its training data, without any images."""

    def made(**changes):
        split = Split(name="somewhere", train=(), query=(), gallery=())
        facts = {"split": split, "validation": None, "val_persons": 0, "cameras": 1, "batch_size": 6, "domains": None}
        facts |= {"training_list": "", "tests_by_training_cameras": True}
        facts |= dict.fromkeys(("two_domains", "draws_by_member", "draws_by_person", "has_fakes"), False)
        methods = dict.fromkeys(
            ("normalised_by", "relabel", "leave_out_images", "plain_dataloader", "mixed_dataloader", "as_tested"),
            lambda *_: None,
        )
        return SimpleNamespace(**facts | methods | changes)

    return made


CHROMIUM = next(
    (path for path in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser")) if path.is_file()), None
)


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("no Chromium in /usr/bin: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: it is in the group dev")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()
