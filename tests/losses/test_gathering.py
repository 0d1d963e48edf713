"""What several ranks learn is what one process learns: the oracle is that process, on networks without batch norms."""

import pytest
import torch
from tests.conftest import ROOT

from reid_lit.losses import criterion, gathering
from reid_lit.losses.cluster_memory import ClusterMemory
from reid_lit.losses.criterion import Criterion, Term
from reid_lit.losses.gathering import check_equal, gathered
from reid_lit.paths import options
from reid_lit.records import Output

LOSSES = options("loss")
SHARED = [name for name in LOSSES if name not in ("cluster", "id_memory")]  # other losses may see a rank's own images
OF_PAIRS = [name for name in SHARED if name not in ("id", "parts_id", "arn")]  # ARN's weight of pairs is small


@pytest.fixture(scope="module")
def learnt(command, tmp_path_factory):
    """What 1, 2 and 4 processes have learnt, by their number, then by rank."""
    folder, numbers = tmp_path_factory.mktemp("ranks"), (1, 2, 4)
    command(folder, *numbers, cwd=ROOT, module="tests.losses.several_ranks")
    return {n: [torch.load(folder / f"{n}-{rank}.pt", weights_only=True) for rank in range(n)] for n in numbers}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LOSSES, "model=arn"])
@pytest.mark.parametrize("ranks", [2, 4])
def test_every_rank_learns_what_one_process_learns(learnt, ranks, name):
    (alone,) = learnt[1]
    for found in learnt[ranks]:
        torch.testing.assert_close(found[f"{name} true"]["state"], alone[f"{name} true"]["state"], rtol=1e-5, atol=1e-5)
        if name != "model=arn":  # its reconstruction is the mean of the ranks' means
            for step, expected in zip(found[f"{name} true"]["losses"], alone[f"{name} true"]["losses"], strict=True):
                assert step == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_a_mean_over_images_needs_no_other_ranks_images_and_pairs_do(learnt, ranks):
    (alone,) = learnt[1]
    gap = {
        name: max(
            float((found[f"{name} false"]["state"][key] - value).abs().max())
            for found in learnt[ranks]
            for key, value in alone[f"{name} true"]["state"].items()
        )
        for name in [*SHARED, "model=arn"]
    }
    assert max(gap["id"], gap["parts_id"]) < 1e-5
    assert {name: size for name, size in gap.items() if name in [*OF_PAIRS, "model=arn"] and size < 1e-4} == {}


@pytest.mark.slow
def test_one_process_learns_the_same_with_and_without(learnt):
    (alone,) = learnt[1]
    for name in LOSSES:
        assert alone[f"{name} true"]["losses"] == alone[f"{name} false"]["losses"]


@pytest.mark.slow
def test_centers_are_those_of_one_process_with_and_without(learnt):
    (alone,) = learnt[1]
    key = "criterion.terms.center.loss.centers"
    assert not torch.equal(alone["id_triplet_center true"]["state"][key], torch.zeros(6, 16))
    for found in learnt[4]:
        torch.testing.assert_close(
            found["id_triplet_center true"]["state"][key],
            alone["id_triplet_center true"]["state"][key],
            rtol=0,
            atol=1e-5,
        )


def test_in_one_process_nothing_is_copied():
    value = torch.rand(3, 2)
    assert gathered(value) is value
    check_equal(3, value.device)


def test_unequal_shares_are_refused(monkeypatch):
    monkeypatch.setattr(gathering, "ranks", lambda: 3)
    counts = iter((16, 16, 12))
    monkeypatch.setattr(
        torch.distributed, "all_gather", lambda parts, own: [part.fill_(next(counts)) for part in parts]
    )
    with pytest.raises(
        ValueError, match=r"^the ranks hold 16, 16, 12 images of one batch: .* let the sampler deal equal"
    ):
        check_equal(16, torch.device("cpu"))


def test_without_other_ranks_images_a_memory_is_refused(monkeypatch):
    monkeypatch.setattr(criterion, "ranks", lambda: 2)
    memory = ClusterMemory(persons=5, dim=2, temperature=0.05, momentum=0.1, hardest=False)
    terms = {"a": Term(loss=memory, reads="embedding", weight=1.0)}
    output, person = Output(torch.rand(3, 2), torch.rand(3, 2), None), torch.tensor([4, 1, 4])
    with pytest.raises(ValueError, match=r"^gather=false: a loss that keeps a memory .*; give loss\.gather=true"):
        Criterion(terms=terms, gather=False)(output, person)
    monkeypatch.setattr(criterion, "ranks", lambda: 1)
    assert set(Criterion(terms=terms, gather=False)(output, person)) == {"a"}


def test_without_other_ranks_images_a_share_of_one_person_is_refused_to_pairs_alone(monkeypatch):
    monkeypatch.setattr(criterion, "ranks", lambda: 2)
    output, one, two = (
        Output(torch.rand(3, 2), torch.rand(3, 2), torch.rand(3, 5)),
        torch.tensor([4, 4, 4]),
        torch.tensor([4, 1, 4]),
    )

    def made(reads):
        terms = {"a": Term(loss=lambda value, person: value.sum(), reads=reads, weight=1.0)}
        return Criterion(terms=terms, gather=False)

    with pytest.raises(ValueError, match=r"^gather=false: a rank's 3 images of a batch show one person, .*; give true"):
        made("embedding")(output, one)
    assert set(made("embedding")(output, two)) == set(made("logits")(output, one)) == {"a"}
