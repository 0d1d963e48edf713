import pytest
import torch

from reid_lit.losses.triplet import MinedTripletLoss


def naive(embedding, person, margin, epsilon):
    """Multi-similarity mining and the triplets that share an anchor, as loops."""
    unit = [v / v.norm() for v in embedding]
    cosine = [[float(a @ b) for b in unit] for a in unit]
    losses = []
    for a in range(len(unit)):
        positives = [p for p in range(len(unit)) if p != a and person[p] == person[a]]
        negatives = [n for n in range(len(unit)) if person[n] != person[a]]
        if not positives or not negatives:
            continue
        hardest_negative = max(cosine[a][n] for n in negatives)
        hardest_positive = min(cosine[a][p] for p in positives)
        kept_positives = [p for p in positives if cosine[a][p] - epsilon < hardest_negative]
        kept_negatives = [n for n in negatives if cosine[a][n] + epsilon > hardest_positive]
        for p in kept_positives:
            pull = (unit[a] - unit[p]).norm()
            losses += [max(0.0, float(pull - (unit[a] - unit[n]).norm()) + margin) for n in kept_negatives]
    positive = [x for x in losses if x > 0]
    return sum(positive) / len(positive) if positive else 0.0


@pytest.mark.parametrize("seed", range(4))
def test_equals_loops(seed):
    embedding = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    person = [0, 0, 1, 1, 1, 2, 3, 3]
    got = MinedTripletLoss(margin=0.3, epsilon=0.1)(embedding, torch.tensor(person))
    assert float(got) == pytest.approx(naive(embedding, person, 0.3, 0.1), rel=1e-6)


def test_without_a_positive_pair_it_is_zero_and_differentiable():
    embedding = torch.randn(4, 5, requires_grad=True)
    loss = MinedTripletLoss(margin=0.3, epsilon=0.1)(embedding, torch.arange(4))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(embedding.grad, torch.zeros(4, 5))
