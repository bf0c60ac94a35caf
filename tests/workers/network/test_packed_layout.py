"""The byte layout of packed files."""

import pytest
from gasearch_workers.network.packed_layout import FIELDS, OPS, VERSION_1_OPS, may_store_grid


def test_the_codes_of_operations_stay_what_files_hold():
    assert OPS == (
        "conv", "linear", "add", "global_pool", "flatten", "max_pool", "embedding", "position", "concat", "product",
        "window", "gru", "attention", "layer_norm", "mean_tokens", "max_tokens",
    )  # fmt: skip
    assert OPS[VERSION_1_OPS - 1] == "flatten"


@pytest.mark.parametrize(
    ("op", "size"),
    [("conv", 11), ("linear", 11), ("embedding", 11), ("gru", 5), ("attention", 2), ("window", 1), ("add", 0)],
)
def test_an_operations_own_fields_take_their_bytes(op, size):
    assert FIELDS[op].size == size


def test_what_moves_values_or_looks_them_up_stores_no_grid():
    assert [op for op in OPS if not may_store_grid(op)] == ["flatten", "max_pool", "embedding", "window", "max_tokens"]
