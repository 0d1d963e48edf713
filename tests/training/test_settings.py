"""Settings that no training can have: each ends in a line that names the key, or in a sound run."""

import logging
import re
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from tests.script_modules import script

from reid_lit.errors import InputError
from reid_lit.run.machine import check_ghost_batch
from reid_lit.run.values import source_key
from reid_lit.training.settings import check_machine, check_settings

SCRIPT = Path(__file__).parents[2] / "scripts" / "try_settings.py"
LINES = Path(__file__).with_name("bad_settings.txt").read_text(encoding="utf-8").splitlines()
COMPOSED = 60  # settings of the list that Hydra itself refuses may be so many at most, and say so in a line


@pytest.fixture(scope="module")
def tried():
    with script("try_settings") as module:
        yield module


@pytest.mark.slow
def test_every_setting_of_the_list_ends_in_a_line_or_in_a_sound_run(tried, drawn, tmp_path):
    chosen = LINES[::3]  # scripts/try_settings.py tries all of them
    (tmp_path / "synthetic").symlink_to(drawn / "synthetic")
    GlobalHydra.instance().clear()
    logging.disable(logging.CRITICAL)
    try:
        ended = list(tried.outcomes(chosen, tmp_path))
    finally:
        logging.disable(logging.NOTSET)
        HydraConfig.instance().cfg = None
    assert len(ended) == len(chosen) >= 100
    assert [each for each in ended if each[1] in ("raw", "hang")] == []
    assert sum(kind == "hydra" for _, kind, _ in ended) <= COMPOSED
    unnamed = [
        (line, text)
        for line, kind, text in ended
        if kind == "line" and re.split(r"[.=]", line.split(" ")[-1].lstrip("+~"))[-2] not in text
    ]
    assert len(unnamed) <= len(chosen) // 20, unnamed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=-1"], r"^seed=-1: give a whole number from 0 to 4294967295$"),
        (["trainer.max_epochs=null"], r"^trainer\.max_epochs=null: give a number of epochs"),
        (["trainer.max_epochs=0"], r"^trainer\.max_epochs=0: give a number of epochs"),
        (["optimizer.lr=fast"], r"^optimizer\.lr=fast: it should be .*; SGD takes a number"),
        (["optimizer.lr=nan"], r"^optimizer\.lr=nan: .* finite number"),
        (["machine.workers=1.5"], r"^machine\.workers=1\.5: .*a whole number or a text"),
        (["backbone.last_stride=abc"], r"^backbone\.last_stride=abc: .*a whole number"),
        (["neck.build.dropout=2"], r"^neck\.build\.dropout=2: .*less than 1; ClassBlock takes a number ≥ 0 and < 1"),
        (["evaluation.flip=maybe"], r"^evaluation\.flip=maybe: .*true or false"),
        (["test_on=[{root: x}]"], r"^test_on=\[\{root: x\}\]: it names none of the data sets"),
        (["machine.devices=99", "machine=cpu", "trainer=cpu"], r"^machine\.devices=99: this machine has"),
        (["+optimizer.speed=1"], r"^optimizer\.speed=1: SGD has no such argument; it has .*momentum"),
        (["optimizer.lr=-1"], r"^optimizer=.*Invalid learning rate: -1"),
        (["+callbacks.checkpoint.every_n_epochs=0"], r"^callbacks\.checkpoint\.every_n_epochs=0: give a divisor of"),
        (["+callbacks.checkpoint.every_n_epochs=7", "trainer.max_epochs=10"], r"^callbacks\..*a divisor .*=10"),
        (["callbacks.checkpoint.filename=null"], r"^callbacks\.checkpoint\.filename=null: resume= and tests read last"),
        (["+callbacks.checkpoint.save_top_k=0"], r"^callbacks\.checkpoint\.save_top_k=0: it would keep nothing"),
        (["loss=id_circle", "loss.terms.circle.loss.gamma=-1"], r"^loss\.terms\.circle\.loss\.gamma=-1: .*than 0"),
        (["loss=id_circle", "loss.terms.circle.loss.margin=5"], r"^loss\.terms\.circle\.loss\.margin=5: .*than 1"),
        (["before=5"], r"^before=5: give stages by name"),
        (["+before.a=1"], r"^before\.a=1: a stage has experiment"),
        (["+before.a={experiment:x}"], r"^before\.a=\{'experiment': 'x'\}: a stage has experiment"),
        (["callbacks.pictures.top=0"], r"^callbacks\.pictures\.top=0: .*greater than or equal to 1"),
        (["callbacks.pictures.rankings=-1"], r"^callbacks\.pictures\.rankings=-1: .*greater than or equal to 0"),
        (["trainer.precision=null"], r"^trainer\.precision=null: give"),
        (["trainer.check_val_every_n_epoch=0"], r"^trainer\.check_val_every_n_epoch=0: give 1 or more"),
        (["trainer.log_every_n_steps=-1"], r"^trainer\.log_every_n_steps=-1: give 1 or more"),
        (["scheduler=step", "scheduler.build.step_size=-1"], r"^scheduler\.build\.step_size=-1: give 1 or more"),
        (["dataset.split_seed=-1"], r"^dataset\.split_seed=-1: .*greater than or equal to 0"),
        (["trainer.limit_train_batches=0"], r"^trainer\.limit_train_batches=0: nothing would be done"),
        (["scheduler.interval=week"], r"^scheduler\.interval=week: give epoch or step"),
    ],
)
def test_the_line_names_the_key_the_value_and_the_cure(compose, words, message):
    with pytest.raises(InputError, match=message):
        check_settings(compose("+experiment=synthetic_softmax", *words))


def test_a_training_by_steps_keeps_checkpoints_at_any_interval(compose):
    length = ("trainer.max_epochs=-1", "+trainer.max_steps=8", "+callbacks.checkpoint.every_n_epochs=2")
    check_settings(compose("+experiment=synthetic_softmax", *length))


def test_synchronised_batch_norms_are_refused_beside_ghost_batches(compose):
    config = compose("+experiment=market_cluster", "trainer.sync_batchnorm=true")
    with pytest.raises(InputError, match=r"^trainer\.sync_batchnorm=true .*ghost_batch=64 so many .*; give trainer"):
        check_machine(config)
    config.model.ghost_batch = None
    check_ghost_batch(config)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_before_data_are_read(compose):
    with pytest.raises(InputError, match=r"machine\.accelerator=gpu: torch .* sees no GPU"):
        check_settings(compose("+experiment=market_strong", "machine=gpu"))


def test_a_value_is_named_by_the_key_that_it_is_copied_from():
    raw = OmegaConf.to_container(OmegaConf.create({"m": {"w": 1}, "l": {"w": "${m.w}"}, "d": {"l": "${l}"}}))
    assert source_key(raw, "d.l.w") == "m.w"
    assert source_key(raw, "d.x") == "d.x"
