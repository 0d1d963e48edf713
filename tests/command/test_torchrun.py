import pytest

from reid_lit.command.torchrun import of_one_run

WORDS = ["+experiment=synthetic_softmax", "machine=ddp", "hydra.run.dir=run"]


@pytest.fixture
def rank(monkeypatch):
    """Become one of two processes of torchrun."""

    def become(number):
        for key, value in {"RANK": number, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1}.items():
            monkeypatch.setenv(key, str(value))

    return become


def test_only_the_first_rank_writes_what_hydra_writes(rank):
    rank(0)
    assert of_one_run(WORDS) == WORDS
    rank(1)
    assert of_one_run(WORDS) == [*WORDS, "hydra.output_subdir=null", "hydra/job_logging=stdout"]


@pytest.mark.parametrize(
    "environment", [{}, {"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, {"WORLD_SIZE": "2", "LOCAL_RANK": "1"}]
)
def test_a_process_alone_and_a_rank_of_lightnings_keep_their_words(monkeypatch, environment):
    for key in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert of_one_run(["-m", "seed=0,1"]) == ["-m", "seed=0,1"]


def test_folders_that_would_differ_are_refused(rank):
    rank(1)
    with pytest.raises(
        ValueError, match=r"^hydra\.run\.dir is not given, .* each of torchrun's 2 ranks; give hydra\.run\.dir="
    ):
        of_one_run(WORDS[:2])


@pytest.mark.parametrize("word", ["-m", "--multirun", "hydra.mode=MULTIRUN"])
def test_a_sweep_by_each_rank_is_refused(rank, word):
    rank(0)
    with pytest.raises(ValueError, match=r"^-m under torchrun: each of its 2 ranks would run the whole sweep"):
        of_one_run([word, *WORDS, "seed=0,1"])
