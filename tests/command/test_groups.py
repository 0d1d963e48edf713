"""What --help lists: the options that a command line can name, and nothing else."""

import re
from unittest.mock import Mock

import hydra
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

from reid_lit.command.groups import CHOSEN_OTHERWISE, listed
from reid_lit.paths import options, packaged

GROUPS = {
    str(folder.relative_to(packaged("conf")))
    for folder in packaged("conf").rglob("*/")
    if folder.is_dir() and folder != packaged("conf")
}


@pytest.fixture
def asked():
    """Gives the list of the groups that a predicate asks for, as Hydra's help makes it."""
    GlobalHydra.instance().clear()
    hydra.initialize_config_dir(str(packaged("conf")), version_base="1.3")

    def ask(predicate, **options):
        with listed():
            return Hydra.format_config_groups(
                Mock(config_loader=GlobalHydra.instance().config_loader()), predicate, **options
            )

    yield ask
    GlobalHydra.instance().clear()


def ours(group):
    return not group.startswith("hydra")


def test_each_group_is_listed_with_its_options(asked):
    lines = dict(line.split(": ") for line in asked(ours).splitlines())
    expected = {group for group in GROUPS if ours(group) and group not in CHOSEN_OTHERWISE}
    assert {group for group in lines if not group.startswith(("table/", "sweeps"))} == expected
    for group in expected:
        assert lines[group].split(", ") == options(group), group
    assert "table1" in lines["table/strong"].split(", ")


def test_kept_results_and_groups_of_other_commands_are_none_of_them(asked):
    assert set(CHOSEN_OTHERWISE) - GROUPS == {"claims", "measured"}  # below experiments/
    found = {line.split(":")[0].split("/")[0] for line in asked(ours).splitlines()}
    assert not found & set(CHOSEN_OTHERWISE)


def test_hydras_own_are_listed_for_its_own_help_one_line_each(asked):
    text = asked(lambda group: not ours(group), compact=False)
    assert "hydra/launcher:\n  basic\n" in text
    assert all(re.fullmatch(r"hydra\S*:|  \S+", line) for line in text.splitlines())


def test_what_hydra_knows_is_copied_once(asked, monkeypatch):
    copied, copy = [], ConfigLoaderImpl._parse_overrides_and_create_caching_repo
    monkeypatch.setattr(
        ConfigLoaderImpl,
        "_parse_overrides_and_create_caching_repo",
        lambda *given: copied.append(1) or copy(*given),
    )
    asked(ours)
    assert len(copied) == 1


def test_hydras_list_is_there_again_afterwards():
    before = Hydra.format_config_groups
    with pytest.raises(RuntimeError), listed():
        raise RuntimeError
    assert Hydra.format_config_groups is before
