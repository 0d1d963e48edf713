"""TensorBoard and MLflow: what a run, a resumed run and an evaluation log, and where."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from hydra.utils import instantiate
from PIL import Image
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.logger import DummyLogger

from reid_lit.errors import InputError, MissingPackageError
from reid_lit.run import mlflow_logger
from reid_lit.run.folder import Run
from reid_lit.run.logged import check_loggers, finish, log_figure, log_objective, log_results

pytestmark = pytest.mark.filterwarnings(  # of what MLflow stands on
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
LABELS = ("dataset=ward", "seed=3", "labels.paper=strong", "labels.table=strong/table1", "labels.row='+ center loss'")


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "picture.png"
    Image.new("RGB", (6, 4), "red").save(file)
    return file


def board(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def log_a_run(config, picture):
    """What a training logs, then a resumed one."""
    for start in range(2):
        logger = instantiate(config.logger[[*config.logger][-1]], _convert_="all")
        logger.log_hyperparams({"optimizer": {"lr": 0.1 + start}, "resume": start})
        logger.log_metrics({"train/loss": 2.0 - start}, step=start)
        logger.log_image(key="ward/cmc", images=[str(picture)])
        log_objective([CSVLogger(config.run_dir), logger], 0.25 + start)
        finish([logger])


def test_tensorboard_goes_on_in_the_folder_of_the_run(tmp_path, compose, picture):
    config = compose("logger=tensorboard", f"run_dir={tmp_path}", *LABELS)
    assert [*config.logger] == ["csv", "tensorboard"]
    check_loggers(config)
    log_a_run(config, picture)
    events = board(tmp_path)
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(0, 2.0), (1, 1.0)]
    assert events.Scalars("objective")[-1].value == 1.25
    assert events.Images("ward/cmc")[0].width == 6
    text = events.Tensors("run/text_summary")[0].tensor_proto.string_val[0].decode()
    for line in ("group: softmax", "seed 3", "trained_on: ward", "row: + center loss", "job_type: train"):
        assert line in text
    assert (tmp_path / "tensorboard" / "hparams.yaml").is_file()


def client(uri):
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def runs_of(uri):
    tracking = client(uri)
    (experiment,) = [each for each in tracking.search_experiments() if each.name == "reid_lit"]
    return tracking, tracking.search_runs([experiment.experiment_id])


def check_run(uri, folder):
    tracking, (run,) = runs_of(uri)
    assert (run.info.run_name, run.info.status) == (folder.name, "FINISHED")
    assert run.info.run_id == (folder / "mlflow_id").read_text()
    assert [(m.step, m.value) for m in tracking.get_metric_history(run.info.run_id, "train/loss")] == [
        (0, 2.0),
        (1, 1.0),
    ]
    assert run.data.metrics["objective"] == 1.25
    assert run.data.params["optimizer/lr"] == "0.1"  # of the first start
    wanted = {
        "group": "softmax", "job_type": "train", "seed": "3", "trained_on": "ward", "paper": "strong", "table": "strong/table1",
        "row": "+ center loss", "choices.backbone": "resnet50", "tags": "softmax, ward, seed 3, strong, strong/table1",
    }  # fmt: skip
    assert {key: run.data.tags[key] for key in wanted} == wanted
    assert [file.path for file in tracking.list_artifacts(run.info.run_id, "ward/cmc")] == ["ward/cmc/picture.png"]


def test_mlflow_goes_on_under_the_id_of_the_run(tmp_path, compose, picture, caplog):
    config = compose("logger=mlflow", f"run_dir={tmp_path}", *LABELS)
    check_loggers(config)
    log_a_run(config, picture)
    check_run(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert list((tmp_path / "mlflow").rglob("picture.png"))
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert (os.environ["MLFLOW_DISABLE_TELEMETRY"], os.environ["DO_NOT_TRACK"]) == ("true", "true")

    check_gone(config.logger.mlflow, tmp_path, caplog)


def check_gone(logger, folder, caplog):
    """A run that the store does not have, or has deleted, is begun anew under another id."""
    uri, file = f"sqlite:///{folder}/mlflow.db", folder / "mlflow_id"
    client(uri).delete_run(file.read_text())
    for _ in range(2):
        before = file.read_text()
        caplog.clear()
        begun = instantiate(logger, _convert_="all")
        assert "mlflow_id" in caplog.text
        assert "it logs to a new one from here on" in caplog.text
        assert begun.run_id == file.read_text() != before
        begun.log_hyperparams({"seed": 3})
        begun.log_metrics({"train/loss": 1.0}, step=2)
        file.write_text("0" * 32)  # as of another store
    assert {run.data.params["seed"] for run in runs_of(uri)[1]} == {"3"}


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow"])
def test_an_evaluation_and_a_figure_log_as_to_wandb(tmp_path, compose, picture, kind):
    (tmp_path / "metrics.json").write_text(json.dumps({"results": [{"dataset": "ward", "scores": {"mAP": 0.75}}]}))
    words = (f"run_dir={tmp_path}", "run=somewhere", f"logger={kind}")
    log_results(compose(*words, config_name="evaluate"), Run(tmp_path))
    log_figure(compose(*words[:1], *words[2:], config_name="figure"), "norms", picture)
    if kind == "tensorboard":
        events = board(tmp_path)
        assert events.Scalars("test/ward/mAP")[0].value == 0.75
        assert events.Tags()["images"] == ["figures/norms"]
        return
    _, (run,) = runs_of(f"sqlite:///{tmp_path}/mlflow.db")
    assert run.data.metrics == {"test/ward/mAP": 0.75}
    assert (run.data.tags["job_type"], run.info.status) == ("evaluate", "FINISHED")


def test_several_loggers_are_chosen_together(compose):
    assert [*compose("logger=[wandb,tensorboard,mlflow]").logger] == ["csv", "wandb", "tensorboard", "mlflow"]


def test_only_the_first_rank_opens_mlflow(tmp_path, compose, monkeypatch):
    config = compose("logger=mlflow", f"run_dir={tmp_path}")
    monkeypatch.setattr(mlflow_logger, "first_rank", lambda: False)
    assert isinstance(instantiate(config.logger.mlflow, _convert_="all"), DummyLogger)
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named_with_its_extra(compose, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"^logger={package}: .* pip install 'reid-lit\[{package}\]'$"):
        check_loggers(compose(f"logger={package}"))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://127.0.0.1:9", "cannot be reached ("),
        ("file:runs", "neither a server (http://…) nor a database"),
    ],
)
def test_a_server_that_does_not_answer_is_one_line(compose, uri, words):
    config = compose("logger=mlflow", f"logger.mlflow.tracking_uri={uri}")
    with pytest.raises(InputError) as error:
        check_loggers(config)
    text = str(error.value)
    assert text.startswith(f"logger.mlflow.tracking_uri={uri}: ")
    assert words.rstrip("(").replace("Connection refused", "")[:18] in text
    assert "\n" not in text


@pytest.fixture
def server(tmp_path):
    """MLflow's own server on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, place = f"http://127.0.0.1:{port}", tmp_path / "server"
    place.mkdir()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{place}/store.db", "--artifacts-destination", str(place / "artifacts"),
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (place / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.mark.slow
def test_a_server_of_mlflow_gets_the_run(server, tmp_path, compose, picture):
    folder = tmp_path / "run"
    config = compose("logger=mlflow", f"run_dir={folder}", f"logger.mlflow.tracking_uri={server}", *LABELS)
    check_loggers(config)
    log_a_run(config, picture)
    check_run(server, folder)
    assert not (folder / "mlflow.db").exists()
