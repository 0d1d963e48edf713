"""Tokens are shown once, kept as hashes, and refused with a line each."""

import json
import stat
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context

import pytest

from reid_lit.errors import ExistingFileError, InputError
from reid_lit.safeguards.refusals import TokenError
from reid_lit.safeguards.tokens import FILE, Tokens, read_secret


@pytest.fixture
def tokens(folder, clock):
    return Tokens(folder, clock=clock)


def test_a_token_names_its_bearer_and_is_kept_nowhere(tokens, folder):
    secret = tokens.make("kiosk", ["query", "enrol"], expires=None)
    other = tokens.make("anna@lab", ["audit"], expires=None)
    assert secret != other
    assert tokens.check(secret).name == "kiosk"
    assert tokens.check(secret).roles == ("enrol", "query")
    assert tokens.check(other).name == "anna@lab"
    text = (folder / FILE).read_text()
    assert secret not in text
    assert secret.removeprefix("reid_") not in text
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


def test_wrong_tokens_are_refused_with_a_line_each(tokens, clock):
    secret = tokens.make("kiosk", ["query"], expires=clock() + timedelta(days=1))
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    for given, said in (
        (None, "needs a token; give it as REID_TOKEN"),
        ("", "needs a token"),
        ("secret", "this is no token"),
        (secret[:-5], "it may be cut off"),
        (wrong, "unknown to this gallery"),
    ):
        with pytest.raises(TokenError, match=said) as caught:
            tokens.check(given)
        assert not given or given not in str(caught.value)
        assert caught.value.status == 401
    clock.on(hours=23)
    tokens.check(secret)
    clock.on(hours=1)
    with pytest.raises(TokenError, match=r"kiosk was expired \(2026-01-02"):
        tokens.check(secret)
    clock.on(hours=-1)
    tokens.revoke("kiosk")
    with pytest.raises(TokenError, match="kiosk was revoked"):
        tokens.check(secret)


def test_a_revoked_token_keeps_its_name_and_its_time(tokens, clock):
    tokens.make("kiosk", ["query"], expires=None)
    first = tokens.revoke("kiosk").revoked
    clock.on(days=1)
    assert tokens.revoke("kiosk").revoked == first
    with pytest.raises(ExistingFileError, match="had this name already"):
        tokens.make("kiosk", ["query"], expires=None)


def test_what_no_token_can_be_is_refused(tokens, folder):
    with pytest.raises(InputError, match="no role 'qeury'; did you mean query"):
        tokens.make("a", ["qeury"], expires=None)
    with pytest.raises(InputError, match=r"roles=\[\]: give one or several"):
        tokens.make("a", [], expires=None)
    with pytest.raises(InputError, match="make=a b: give a name of letters"):
        tokens.make("a b", ["query"], expires=None)
    with pytest.raises(InputError, match="no token 'a'; there are none"):
        tokens.revoke("a")
    assert not (folder / FILE).exists()
    (folder / FILE).write_text('{"tokens": [{"name": 3}]}')
    with pytest.raises(InputError, match="damaged"):
        tokens.all()


def make_some(folder, name):
    made = Tokens(folder)
    return [made.make(f"{name}{k}", ["query"], expires=None) for k in range(5)]


def test_two_processes_make_tokens_at_once(folder):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        secrets = [each for part in pool.map(make_some, [folder, folder], "ab") for each in part]
    assert len({Tokens(folder).check(secret).name for secret in secrets}) == 10
    assert len(json.loads((folder / FILE).read_text())["tokens"]) == 10


def test_a_secret_comes_from_a_file_or_the_environment_and_not_from_the_command_line(tmp_path):
    file = tmp_path / "token"
    file.write_text("reid_x\n")
    assert read_secret(f"@{file}", "other") == "reid_x"
    assert read_secret(None, "other") == "other"
    assert read_secret(None, None) is None
    with pytest.raises(InputError, match="others see a command's words") as caught:
        read_secret("reid_secret", None)
    assert "reid_secret" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_secret(f"@{tmp_path}/none", None)
