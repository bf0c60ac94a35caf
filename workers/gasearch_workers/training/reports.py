"""Tables of how a classifier errs: which classes it takes for which, and what a threshold changes for two of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

THRESHOLDS: Final = tuple(round(0.05 * number, 2) for number in range(1, 20))  #: Probabilities 0.05, 0.1, ..., 0.95.


def confusion(outputs: NDArray[Any], y: NDArray[Any]) -> list[list[int]]:
    """How many samples of each true class (a row each) were taken for which (a column each).

    Args:
        outputs: Logits, (count, classes).
        y: True classes, (count,).
    """
    classes = outputs.shape[1]
    counts = np.bincount(y * classes + outputs.argmax(axis=1), minlength=classes**2)
    found: list[list[int]] = counts.reshape(classes, classes).tolist()
    return found


def at_threshold(outputs: NDArray[Any], y: NDArray[Any], threshold: float) -> dict[str, float]:
    """Precision, recall and F1 of class 1, where a sample is of it if its probability is at least the threshold.

    Args:
        outputs: Logits of two classes, (count, 2).
        y: True classes, (count,).
        threshold: Above 0, below 1.
    """
    margin = outputs[:, 1].astype(np.float64) - outputs[:, 0]  # the logarithm of its odds
    is_found, is_true = margin >= np.log(threshold / (1 - threshold)), y == 1
    hits, guesses, truths = (int(each.sum()) for each in (is_found & is_true, is_found, is_true))
    return {
        "threshold": threshold,
        "precision": hits / guesses if guesses else 0.0,
        "recall": hits / truths if truths else 0.0,
        "f1": 2 * hits / (guesses + truths) if guesses + truths else 0.0,
    }


def threshold_table(
    validation: tuple[NDArray[Any], NDArray[Any]], test: tuple[NDArray[Any], NDArray[Any]]
) -> dict[str, Any]:
    """What each of `THRESHOLDS` gives on the validation split, the best by F1, and that one on the test split.

    Args:
        validation: Logits of two classes, and the true classes.
        test: The same of the test split, by which nothing is chosen.
    """
    rows = [at_threshold(*validation, threshold) for threshold in THRESHOLDS]
    best = max(rows, key=lambda row: row["f1"])["threshold"]
    return {"validation": rows, "best": best, "test": at_threshold(*test, best)}
