import pytest
import torch

from reid_lit.evaluation.neighbours.sparse import SparseRows, spread


def dense(rows, columns, *, share=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(rows, columns, generator=generator)
    return matrix.masked_fill_(torch.rand(rows, columns, generator=generator) > share, 0)


def sparse(matrix):
    row, column = matrix.nonzero(as_tuple=True)
    return SparseRows.of(row * matrix.shape[1] + column, matrix[row, column], *matrix.shape)


def whole(rows):
    matrix = torch.zeros(len(rows), rows.width)
    matrix[rows.row, rows.column.long()] = rows.value
    return matrix


def test_rows_are_those_of_the_matrix():
    matrix = dense(7, 5)
    matrix[3] = 0
    rows = sparse(matrix)
    assert torch.equal(whole(rows), matrix)
    assert rows.count.tolist() == matrix.count_nonzero(dim=1).tolist()
    for part in (slice(2, 5), slice(3, 4), slice(5, 99), slice(4, 4)):
        assert torch.equal(whole(rows[part]), matrix[part])
    parts = [rows[:2], rows[2:]]
    assert torch.equal(whole(SparseRows.join(parts)), matrix)
    assert not parts


def test_transposing():
    matrix = dense(6, 9)
    turned = sparse(matrix).transposed()
    assert torch.equal(whole(turned), matrix.T)
    assert all(part.column.diff().gt(0).all() for part in (turned[row : row + 1] for row in range(9)))


def test_means_of_rows():
    matrix = dense(8, 11)
    rows = torch.tensor([[0, 1, 2], [7, 7, 3], [5, 5, 5]])
    torch.testing.assert_close(whole(sparse(matrix).means(rows)), matrix[rows].mean(1))


@pytest.mark.parametrize("entries", [1, 7, 10**6])
def test_sums_of_minima(monkeypatch, entries):
    monkeypatch.setattr("reid_lit.evaluation.neighbours.sparse.ENTRIES", entries)
    one, other = dense(6, 13), dense(9, 13, seed=1)
    sums = torch.ones(6, 9)
    sparse(one).add_minima(sparse(other).transposed(), sums)
    torch.testing.assert_close(sums, 1 + torch.minimum(one[:, None], other).sum(2))


def test_sums_of_minima_of_nothing():
    sums = torch.zeros(3, 4)
    sparse(torch.zeros(3, 5)).add_minima(sparse(dense(4, 5)).transposed(), sums)
    sparse(dense(3, 5)).add_minima(sparse(torch.zeros(4, 5)).transposed(), sums)
    assert not sums.any()


def test_runs_may_be_empty():
    run, place = spread(torch.tensor([4, 9, 1]), torch.tensor([1, 0, 2]))
    assert (run.tolist(), place.tolist()) == ([0, 2, 2], [4, 1, 2])
