import numpy as np
import pytest
from gasearch_workers.data.normalize import fit_input

NUMBERS = np.random.default_rng(0).normal(5, 3, (20, 2)).astype(np.float32)
CODES = np.random.default_rng(1).integers(0, 4, (20, 3)).astype(np.float32)


def test_only_the_numeric_columns_of_a_table_are_normalized():
    transform = fit_input(np.concatenate([NUMBERS, CODES], axis=1), input_bits=8, input_kind="table", categories=3)
    assert transform.mean.tolist() == pytest.approx(NUMBERS.mean(axis=0).tolist(), rel=1e-6)
    assert transform.deviation.tolist() == pytest.approx(NUMBERS.std(axis=0).tolist(), rel=1e-5)
    assert transform.grid is not None


@pytest.mark.parametrize(
    ("x", "kind", "categories", "dtype"),
    [
        (CODES, "table", 3, "float32"),
        (CODES.astype(np.int32), "tokens", 1, "int32"),
        (CODES[:, :2].astype(np.int32), "ids", 2, "int32"),
    ],
    ids=["table", "tokens", "ids"],
)
def test_codes_are_left_as_they_are(x, kind, categories, dtype):
    transform = fit_input(x, input_bits=32, input_kind=kind, categories=categories)
    assert transform.dtype == dtype
    assert transform.mean.shape == transform.deviation.shape == (0,)
    assert transform.mean.dtype == transform.deviation.dtype == np.float32
    assert transform.grid is None
