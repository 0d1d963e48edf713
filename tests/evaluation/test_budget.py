import pytest

from reid_lit.evaluation.budget import check_bytes, size_within


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, 1024), (1e-3, 1024), (9e-4, 512), (5e-4, 256), (1.3e-4, 64), (1.24e-4, 64)]
)
def test_the_largest_size_that_fits(limit, expected):
    assert size_within(limit, work="sorting", fixed=60_000, each=900, most=1024, least=64) == expected


def test_pairs_count_too():
    assert size_within(0.001, work="sorting", fixed=0, each=0, square=10, most=1024) == 256


def test_a_limit_that_the_least_size_breaks():
    with pytest.raises(
        ValueError,
        match=r"^memory_limit_gb=1: sorting needs 1\.2 GB .* at least; give 1\.2 or more",
    ):
        size_within(1.0, work="sorting", fixed=1_100_000_001, each=1, most=64)


def test_nothing_is_refused_without_a_limit():
    check_bytes(None, 10**15, work="sorting")
    check_bytes(1.0, 10**9, work="sorting")
    with pytest.raises(ValueError, match="sorting"):
        check_bytes(1.0, 10**9 + 1, work="sorting")
