"""Words that Hydra's grammar reads otherwise than they look: the spelling that is offered is read as what was meant."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from reid_lit.errors import InputError
from reid_lit.run.grammar import check_words, spelt

PATHS = (
    "/data/my crops (1)", "/data/a=b", "/data/run[1]", "/data/50#1", "/data/quote'd", '/data/a"b', "/data/a:b;c", "/data/a*?!",
    "/data/日本", "/data/{x}", "(?P<camera>c[0-9]+)_(?P<person>[0-9]+)_", "C:\\crops (1)\\",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_the_spelling_that_is_offered_is_read_as_the_path(path):
    with pytest.raises(InputError) as raised:
        check_words([f"dataset.root={path}"])
    offered = str(raised.value).partition("; write ")[2]
    assert offered == spelt("dataset.root", path)
    (word,) = shlex.split(offered)  # as a shell gives it
    check_words([word])
    assert str(OverridesParser.create().parse_override(word).value()) == path


@pytest.mark.parametrize(
    "word", ["dataset.root=/data/100%", "dataset.root=a b", "+x=1", "~x", "x=", "test_on=[a,b]", "seed=3", "-m"]
)
def test_what_hydra_reads_as_it_looks_is_left_alone(word):
    check_words([word])


@pytest.mark.parametrize("flags", [[], ["-m"]])
@pytest.mark.parametrize(
    ("word", "meant"), [("optimizer.lr=0,03", "optimizer.lr=0.03"), ("+a.b=-12,050", "+a.b=-12.050")]
)
def test_a_decimal_comma(flags, word, meant):
    with pytest.raises(InputError, match=f"write {meant.replace('+', '.')} for one number"):
        check_words([*flags, word])


def test_two_whole_numbers_for_a_key_of_fractions_are_one_number():
    with pytest.raises(InputError, match=r"optimizer.lr=0.5 for one number, or -m optimizer.lr=0.0,5.0 for two"):
        check_words(["-m", "optimizer.lr=0,5"], default={"optimizer.lr": 0.05}.get)
    check_words(["-m", "optimizer.lr=0.0,5.0"], default={"optimizer.lr": 0.05}.get)
    check_words(["-m", "seed=0,5"], default={"seed": 0}.get)


def test_commas_without_a_sweep():
    with pytest.raises(InputError, match=r"""'dataset.root="/a,b"' for one text, .*dataset.root=\[/a,b\].* add -m"""):
        check_words(["dataset.root=/a,b"])
    check_words(["+table=strong/table1", "rows=1,2"])


def test_every_word_gets_its_line():
    with pytest.raises(InputError) as raised:
        check_words(["seed=1", "train", "a=x(1)", "b=0,05"])
    assert [line.partition(": ")[0] for line in str(raised.value).splitlines()] == ["train", "a=x(1)", "b=0,05"]


@pytest.mark.parametrize(
    ("word", "text"), [("a..b=1", "no key"), ("test_on=[{root: /a (1)}]", "stands in quotation marks")]
)
def test_what_no_quotation_mark_mends_keeps_the_reason(word, text):
    with pytest.raises(InputError, match=text):
        check_words([word])
