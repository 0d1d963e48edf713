"""The README's commands are true."""

import re
import shlex
from pathlib import Path

import pytest

from reid_lit.tables.command import chosen_labels, read_request
from reid_lit.tables.spec import read_table, table_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^python -m (reid_lit\.\w+) ([^#\n]*)", README, flags=re.MULTILINE)


def test_there_are_commands_and_the_file_is_short():
    assert len(COMMANDS) >= 8
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize(("module", "arguments"), COMMANDS, ids=[" ".join(c).strip() for c in COMMANDS])
def test_a_command_composes(compose, module, arguments):
    words = [word for word in shlex.split(arguments.replace("…", "")) if word not in ("-m", "--help")]
    if module == "reid_lit.report":
        assert words[0] in table_names() or words[0].startswith("multirun/")
        return
    if any(word.startswith("+table=") for word in words):
        request = read_request(words)
        chosen_labels(read_table(request.table), request)
        return
    kept = [
        word if {*"[{"} & {*word} else word.split(",")[0] for word in words if not word.startswith(("resume=", "run="))
    ]
    compose(*kept, config_name=module.removeprefix("reid_lit."))


@pytest.mark.parametrize("file", re.findall(r"\]\((docs/[^)]+)\)|`((?:src|scripts)/[\w/]+\.py)`", README))
def test_the_files_it_shows_are_there(file):
    named = "".join(file)
    assert (ROOT / named).is_file() or named.endswith("cosine.py")


def test_every_experiment_is_in_the_table():
    names = {file.stem for file in (ROOT / "conf" / "experiment").glob("[!_]*.yaml")}
    index = (ROOT / "experiments" / "INDEX.md").read_text()
    assert {name for name in names if f"`{name}`" not in index} == set()
