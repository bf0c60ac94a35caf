"""What pruning and factoring leave, by arithmetic."""

import pytest
from gasearch_workers.network.compression import dense_bytes, factored_rank, kept_units, kept_weights, sparse_bytes
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([1, 2, 4, 8, 32]))
def test_weights_are_pruned_one_by_one_only_where_that_saves_bytes(count, sparsity, bits):
    kept = kept_weights(count, sparsity, bits)
    if kept is not None:
        assert 1 <= kept < count
        assert sparse_bytes(count, kept, bits) < dense_bytes(count, bits)


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.01, 1))
def test_factors_are_smaller_than_the_matrix(rows, columns, share):
    rank = factored_rank(rows, columns, share)
    assert rank is None or rank * (rows + columns) < rows * columns


@pytest.mark.parametrize(("width", "sparsity", "kept"), [(8, 0.5, 4), (5, 0.5, 3), (3, 0.99, 1), (8, 0.0, 8)])
def test_units_are_rounded_half_up_and_one_stays(width, sparsity, kept):
    assert kept_units(width, sparsity) == kept


def test_binary_weights_are_never_pruned_one_by_one():
    assert kept_weights(1000, 0.99, 1) is None
