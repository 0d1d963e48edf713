from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from reid_lit.overrides import assignment


@pytest.mark.parametrize("path", ["/data/WARD", "sets/a b", "/Märkte/x", "a=b, c", 'so "called"', "null", "123", "1/2"])
def test_hydra_reads_back_the_path_that_was_written(path):
    (read,) = OverridesParser.create().parse_overrides([assignment("dataset.root", Path(path))])
    assert read.value() == path
