import numpy as np
import pytest
from gasearch_workers.training.reports import THRESHOLDS, at_threshold, confusion, threshold_table
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


@pytest.fixture
def binary():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    return (rng.normal(size=(300, 2)) + np.eye(2)[y]).astype(np.float32), y


def test_the_confusion_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    outputs, y = rng.normal(size=(200, 5)), rng.integers(0, 4, 200)
    expected = confusion_matrix(y, outputs.argmax(axis=1), labels=range(5))
    assert confusion(outputs, y) == expected.tolist()


def test_a_threshold_of_one_half_is_the_greater_output(binary):
    outputs, y = binary
    found = at_threshold(outputs, y, 0.5)
    expected = precision_recall_fscore_support(y, outputs.argmax(axis=1), average="binary")
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx(expected[:3])


def test_a_higher_threshold_finds_fewer(binary):
    recalls = [at_threshold(*binary, threshold)["recall"] for threshold in THRESHOLDS]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] > 0.95 > 0.3 > recalls[-1]


def test_where_nothing_is_found_no_number_is_missing():
    nothing = at_threshold(np.array([[9.0, -9.0]]), np.array([0]), 0.5)
    assert nothing == {"threshold": 0.5, "precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_the_threshold_is_chosen_by_the_validation_split(binary):
    outputs, y = binary
    table = threshold_table((outputs, y), (outputs[:50], y[:50]))
    best = max(table["validation"], key=lambda row: row["f1"])
    assert table["best"] == best["threshold"]
    assert table["test"] == at_threshold(outputs[:50], y[:50], best["threshold"])
