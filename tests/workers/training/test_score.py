"""Scores against scikit-learn, and entities against cases worked out by CoNLL's rules."""

import numpy as np
import pytest
from gasearch_workers.messages import PRIMARY
from gasearch_workers.training.score import Target, auc, entity_f1, macro_f1, rmse
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

LABELS = ("O", "B-person", "I-person", "B-place", "I-place")


def samples(*, count=60, classes=3, seed=0):
    """Logits that favour the truth a little, some of them tied."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    logits = (rng.normal(size=(count, classes)) * 8).round() / 8
    logits[np.arange(count), y] += 0.5
    return logits.astype(np.float32), y


def softmax(logits):
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def f1_of(predicted, true):
    """Entity F1 of sentences given as texts of labels."""
    length = max(len(text.split()) for text in true)

    def encode(texts):
        rows = [[LABELS.index(label) for label in text.split()] for text in texts]
        return np.array([row + [-1] * (length - len(row)) for row in rows])

    return entity_f1(np.maximum(encode(predicted), 0), encode(true), LABELS)


# --- classification ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores_of_a_classification_are_those_of_scikit_learn(classes):
    logits, y = samples(classes=classes)
    found = Target(kind="classification", outputs=classes).score(logits, y)
    predicted = logits.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(y, predicted))
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(y, predicted, average="macro"))
    shares = softmax(logits).round(9)  # Equal ones are not equal to the last bit.
    expected = oracle.roc_auc_score(y, shares[:, 1] if classes == 2 else shares, multi_class="ovr")
    assert found["auc"] == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_the_area_under_the_curve_is_that_of_scikit_learn_with_ties_too(pairs):
    values = np.array([value for value, _ in pairs], dtype=np.float32)
    y = np.array([int(is_positive) for _, is_positive in pairs])
    found = auc(np.stack([-values, values], axis=1), y)
    assert found == (pytest.approx(oracle.roc_auc_score(y, values)) if 0 < y.sum() < len(y) else None)


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_rounding_noise_orders_no_outputs_that_are_equal(offset):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    values = rng.integers(0, 3, 400) * 0.123 + 0.1 * y
    exact = np.stack([-values, values + offset], axis=1)
    noise = 2e-7 * (1 + offset) * np.stack([np.zeros(400), np.where(y == 1, 1, -1)], axis=1)  # As bad as can be.
    assert auc(exact + noise, y) == pytest.approx(auc(exact, y))
    assert auc(np.ones((400, 2)) + noise / (1 + offset), y) == 0.5


def test_classes_that_are_not_present_count_neither_in_the_area_nor_in_macro_f1():
    logits, y = samples(classes=2)
    padded = np.pad(logits, ((0, 0), (0, 3)), constant_values=-50.0)
    assert auc(padded, y) == pytest.approx(oracle.roc_auc_score(y, logits[:, 1] - logits[:, 0]))
    assert macro_f1(logits.argmax(axis=1), y) == macro_f1(padded.argmax(axis=1), y)


def test_a_single_class_has_no_area_under_the_curve():
    found = Target(outputs=3).score(np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.int64))
    assert found == {"accuracy": pytest.approx(1 / 3), "macro_f1": pytest.approx(1 / 6)}


def test_a_class_that_is_never_right_has_an_f1_of_zero():
    assert macro_f1(np.array([0, 0, 0]), np.array([0, 0, 1])) == pytest.approx((2 * 2 / 5 + 0) / 2)


def test_the_report_of_the_classes_is_that_of_scikit_learn():
    logits, y = samples(classes=3)
    rows = Target(kind="classification", outputs=3, labels=("a", "b", "c")).report_classes(logits, y)
    expected = oracle.precision_recall_fscore_support(y, logits.argmax(axis=1))
    assert [row["label"] for row in rows] == ["a", "b", "c"]
    for row, *values in zip(rows, *expected, strict=True):
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(values)


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["regression", "rating"])
def test_the_error_of_numbers_is_in_their_unit(kind):
    predicted, y = np.array([[1.0], [2.0]], dtype=np.float32), np.array([4.0, 6.0], dtype=np.float32)
    assert Target(kind=kind, outputs=1).score(predicted, y) == {"rmse": pytest.approx(np.sqrt((9 + 16) / 2))}
    assert rmse(predicted, y) == pytest.approx(oracle.root_mean_squared_error(y, predicted[:, 0]))


# --- tags -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        ("B-person I-person O", "B-person I-person O", 1.0),
        ("B-person O O", "B-person I-person O", 0.0),  # a part of an entity is not the entity
        ("B-place I-place O", "B-person I-person O", 0.0),  # the right tokens of the wrong type
        ("I-person I-person O", "B-person I-person O", 1.0),  # conlleval begins an entity with I- too
        ("B-person B-person O", "B-person I-person O", 0.0),  # two entities
        ("B-person I-place O", "B-person O O", 2 / 3),  # another type begins another entity
        ("O B-person O", "B-person O B-person", 0.0),
        ("B-person O B-place", "B-person O B-person", 1 / 2),
        ("O O O", "B-person O O", 0.0),
        ("O O O", "O O O", 0.0),
    ],
)
def test_entities_are_counted_as_conlleval_counts_them(predicted, true, expected):
    assert f1_of([predicted], [true]) == pytest.approx(expected)


def test_an_entity_ends_with_its_sentence():
    assert f1_of(["O B-person", "I-person O"], ["O B-person", "B-person O"]) == 1.0


def test_what_stands_at_padding_is_no_entity():
    y = np.array([[1, 2, -1], [0, 0, 0]])
    predicted = np.array([[1, 2, 2], [0, 0, 0]])
    assert entity_f1(predicted, y, LABELS) == 1.0


def test_a_run_of_a_label_without_a_prefix_is_an_entity():
    labels = ("O", "noun")
    assert entity_f1(np.array([[1, 1, 0]]), np.array([[1, 1, 0]]), labels) == 1.0
    assert entity_f1(np.array([[1, 0, 0]]), np.array([[1, 1, 0]]), labels) == 0.0


def test_single_and_ending_prefixes_part_entities():
    labels = ("O", "B-x", "E-x", "S-x")
    y = np.array([[3, 3, 1, 2]])  # two of one token, one of two
    assert entity_f1(y, y, labels) == 1.0
    assert entity_f1(np.array([[3, 0, 1, 2]]), y, labels) == pytest.approx(2 * 2 / 5)


def test_scores_of_tags_leave_padding_out():
    y = np.array([[1, 0, -1]])
    logits = np.zeros((1, 3, len(LABELS)), dtype=np.float32)
    logits[0, [0, 1, 2], [1, 2, 3]] = 1.0
    found = Target(kind="tagging", outputs=5, labels=LABELS).score(logits, y)
    assert found == {"accuracy": 0.5, "macro_f1": pytest.approx(1 / 3), "entity_f1": 0.0}


def test_the_report_of_tags_is_by_type_of_entity():
    y = np.array([[1, 2, 0, 3, 0]])
    logits = np.eye(5, dtype=np.float32)[np.array([[1, 2, 0, 0, 3]])]
    rows = Target(kind="tagging", outputs=5, labels=LABELS).report_classes(logits, y)
    assert rows == [
        {"label": "person", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
        {"label": "place", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    ]


# --- the primary score ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(PRIMARY))
def test_the_primary_score_is_one_of_the_scores_and_has_a_direction(kind):
    rng = np.random.default_rng(0)
    target = Target(kind=kind, outputs=5, labels=LABELS)
    match kind:
        case "tagging":
            outputs, y = rng.normal(size=(4, 6, 5)), rng.integers(0, 5, (4, 6))
        case "classification":
            outputs, y = rng.normal(size=(9, 5)), rng.integers(0, 5, 9)
        case _:
            outputs, y = rng.normal(size=(9, 1)), rng.normal(size=9)
    assert target.score(outputs, y)[target.primary] == target.primary_score(outputs, y)
    assert target.is_better(0.2, 0.1) is (target.primary != "rmse")
    assert not target.is_better(0.1, 0.1)
