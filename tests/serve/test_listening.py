"""Where a service listens is checked before a model is read."""

import shutil
import socket
from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from reid_lit.errors import InputError, MissingFileError
from reid_lit.paths import packaged
from reid_lit.safeguards.guard import set_policy
from reid_lit.safeguards.policy import OPEN
from reid_lit.serve.command import run
from reid_lit.serve.listening import check_listening

TOKENS = replace(OPEN, tokens="required")


@pytest.fixture
def pair(tls, tmp_path):
    return {"certificate": tls[0], "private_key": tls[1]}


def test_other_machines_need_tokens_and_tls(pair, tmp_path):
    check_listening("127.0.0.1", None, None, policy=OPEN, folder=tmp_path)
    check_listening("0.0.0.0", **pair, policy=TOKENS, folder=tmp_path)
    with pytest.raises(InputError, match=r"host=0.0.0.0: others can reach .* needs no token"):
        check_listening("0.0.0.0", **pair, policy=OPEN, folder=tmp_path)
    with pytest.raises(InputError, match=r"host=::: others can read .* certificate="):
        check_listening("::", None, None, policy=TOKENS, folder=tmp_path)


def test_files_of_tls_go_together(pair, tmp_path):
    other = tmp_path / "other.pem"
    other.write_text("no key")
    with pytest.raises(InputError, match="go together"):
        check_listening("localhost", pair["certificate"], None, policy=OPEN, folder=tmp_path)
    with pytest.raises(MissingFileError, match=r"private_key=.*gone.pem: no such file"):
        check_listening("localhost", pair["certificate"], tmp_path / "gone.pem", policy=OPEN, folder=tmp_path)
    with pytest.raises(InputError, match="it cannot be used with private_key="):
        check_listening("localhost", pair["certificate"], other, policy=OPEN, folder=tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"host": "0.0.0.0"}, "host=0.0.0.0"),
        ({"port": "taken"}, "cannot listen at 127.0.0.1"),
        ({"max_upload_mb": 0}, "max_upload_mb=0: give a number from 1"),
        ({"wait_ms": -1}, "wait_ms=-1"),
    ],
)
def test_nothing_is_loaded_for_what_is_refused(empty_gallery, tmp_path, monkeypatch, words, message):
    monkeypatch.setattr("reid_lit.gallery.gallery.load", None)  # the model
    folder = tmp_path / "doors"
    shutil.copytree(empty_gallery, folder)
    set_policy(folder, OPEN)
    config = OmegaConf.load(packaged("conf") / "serve.yaml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if words.get("port") else 0
        with pytest.raises(InputError, match=message):
            run(OmegaConf.merge(config, {"gallery": str(folder), **words, "port": port}))
