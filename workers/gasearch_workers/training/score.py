"""The scores of outputs for each kind of task, in NumPy and float64.

Outputs are raw: logits (count, classes), logits per token (count, length, tags), or predictions (count, 1) in the
target's unit. Scikit-learn and CoNLL's conlleval are the oracles in the tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.tags import OUTSIDE, Tag, entities, read_tags, types_of
from gasearch_workers.messages import NUMERIC_KINDS, PRIMARY, TaskKind

IGNORED: Final = -1  #: The tag at padding.

#: Share of the outputs' deviation within which they count as equal in `auc`. Few-bit networks have few different
#: outputs, and noise of float32 orders what is equal: measured, 0.661 where the integer network has 0.646.
AUC_GRID: Final = 2.0**-14
NOISE: Final = 2.0**-20  #: Share of the outputs' size that may be such noise.


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The thing to predict of a sample, and how predictions of it are scored."""

    kind: TaskKind = "classification"
    outputs: int = 0  #: Classes or tags; 1 for a number; 0 where nobody said.
    labels: tuple[str, ...] = ()  #: Names of the classes or tags; entities are read off those of tags.
    tags: str | None = None  #: The scheme of tags, one of `data.options.SCHEMES`; None: it is told from the labels.

    @property
    def is_number(self) -> bool:
        """True where the target is a number, not a class."""
        return self.kind in NUMERIC_KINDS

    @property
    def primary(self) -> str:
        """The name of the primary score."""
        return PRIMARY[self.kind]

    def is_better(self, value: float, than: float) -> bool:
        """Tell whether one primary score is better than another."""
        return value < than if self.is_number else value > than

    def score(self, outputs: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
        """Every score of the kind that these samples define, by the metrics' names.

        classification: accuracy, macro_f1, auc (missing where only one class is present). tagging: accuracy per token,
        macro_f1 over the tags, entity_f1. regression and rating: rmse.

        `y` is the truth: (count,) classes or numbers, or (count, length) tags with `IGNORED` at padding. There may be
        more tags than outputs: a sentence's tokens that no network reads count as tagged "O".
        """
        found = {name: take() for name, take in self._scores(outputs, y).items()}
        return {name: value for name, value in found.items() if value is not None}

    def primary_score(self, outputs: NDArray[Any], y: NDArray[Any]) -> float:
        """The primary score alone, which is cheaper than all of them."""
        value = self._scores(outputs, y)[self.primary]()
        assert value is not None, "only the area under the curve may be undefined"
        return value

    def _scores(self, outputs: NDArray[Any], y: NDArray[Any]) -> dict[str, Callable[[], float | None]]:
        """A function for each score."""
        match self.kind:
            case "regression" | "rating":
                return {"rmse": lambda: rmse(outputs, y)}
            case "tagging":
                tags, is_token = self._tags(outputs, y), y != IGNORED
                return {
                    "accuracy": lambda: accuracy(tags[is_token], y[is_token]),
                    "macro_f1": lambda: macro_f1(tags[is_token], y[is_token], classes=outputs.shape[2]),
                    "entity_f1": lambda: entity_f1(tags, y, self.labels, self.tags),
                }
            case "classification":
                classes = outputs.argmax(axis=1)  # (count, classes) -> (count,)
                return {
                    "accuracy": lambda: accuracy(classes, y),
                    "macro_f1": lambda: macro_f1(classes, y),
                    "auc": lambda: auc(outputs, y),
                }

    def report_classes(self, outputs: NDArray[Any], y: NDArray[Any]) -> list[dict[str, Any]]:
        """Precision, recall, F1 and support (true samples) of each class, or type of entity; [] for numbers."""
        counts: Sequence[Any]
        match self.kind:
            case "regression" | "rating":
                return []
            case "tagging":
                parts = read_tags(self.labels, self.tags)
                names, counts = types_of(parts), _count_entities(self._tags(outputs, y), y, parts)
            case "classification":
                names = self.labels or tuple(map(str, range(outputs.shape[1])))
                counts = _confusion(outputs.argmax(axis=1), y, len(names))
        return [_report_row(name, *(int(count[at]) for count in counts)) for at, name in enumerate(names)]

    def _tags(self, outputs: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """The most likely tags, (count, length, tags) -> (count, tokens of `y`); "O" of tokens that weren't read."""
        tags: NDArray[Any] = outputs.argmax(axis=2)
        nothing = next((tag for tag, label in enumerate(self.labels) if label in OUTSIDE), outputs.shape[2])
        return np.pad(tags, ((0, 0), (0, y.shape[1] - tags.shape[1])), constant_values=nothing)


CLASSES: Final = Target()  #: Classes without names.


# --- classes ----------------------------------------------------------------------------------------------------


def accuracy(predicted: NDArray[Any], y: NDArray[Any]) -> float:
    """Share of the samples that are right, 0..1."""
    return float(np.mean(predicted == y))


def macro_f1(predicted: NDArray[Any], y: NDArray[Any], *, classes: int | None = None) -> float:
    """Mean F1 over the classes that are true or predicted of any sample, 0..1.

    Args:
        predicted: Classes, (count,).
        y: True classes, (count,).
        classes: How many there are; None: all that occur.
    """
    most = int(max(predicted.max(), y.max())) + 1
    hits, guesses, truths = (counts[:classes] for counts in _confusion(predicted, y, most))
    is_present = guesses + truths > 0
    return float(np.mean(2 * hits[is_present] / (guesses + truths)[is_present]))


def auc(outputs: NDArray[Any], y: NDArray[Any]) -> float | None:
    """Area under the ROC curve: of class 1 where there are two classes, else the mean of each class against the rest.

    A class is ordered by its probability (softmax), and counts where it and another are present; None where none is.
    """
    outputs = outputs.astype(np.float64)  # (count, classes)
    step = max(AUC_GRID * float(outputs.std(axis=0).mean()), NOISE * float(np.abs(outputs).mean())) or 1.0
    labels = [1] if outputs.shape[1] == 2 else range(outputs.shape[1])
    areas = [_binary_auc(np.rint(_log_odds(outputs, label) / step), y == label) for label in labels]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None


def _log_odds(outputs: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    """Logarithm of a class's probability over that of all others: (count, classes) -> (count,)."""
    others = np.delete(outputs, label, axis=1)
    largest = others.max(axis=1, initial=-np.inf)
    odds: NDArray[np.float64] = outputs[:, label] - largest - np.log(np.exp(others - largest[:, None]).sum(axis=1))
    return odds


def _binary_auc(values: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float | None:
    """Share of the pairs (positive, negative) in the right order; ties count half (Mann and Whitney, 1947)."""
    positives = int(is_positive.sum())
    negatives = len(values) - positives
    if positives == 0 or negatives == 0:
        return None
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of each distinct value, from 1: the mean over its ties
    return float((ranks[places][is_positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _confusion(
    predicted: NDArray[Any], y: NDArray[Any], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Per class, (classes,) each: how often it was right, predicted, true."""
    hits = np.bincount(y[predicted == y], minlength=classes)
    return hits, np.bincount(predicted, minlength=classes), np.bincount(y, minlength=classes)


def _report_row(name: str, hits: int, guesses: int, truths: int) -> dict[str, Any]:
    return {
        "label": name,
        "precision": hits / guesses if guesses else 0.0,
        "recall": hits / truths if truths else 0.0,
        "f1": 2 * hits / (guesses + truths) if guesses + truths else 0.0,
        "support": truths,
    }


# --- numbers ----------------------------------------------------------------------------------------------------


def rmse(predicted: NDArray[Any], y: NDArray[Any]) -> float:
    """Root of the mean squared error of predictions (count, 1), in the target's unit."""
    return float(np.sqrt(np.mean((predicted[:, 0].astype(np.float64) - y) ** 2)))


# --- entities ---------------------------------------------------------------------------------------------------


def entity_f1(predicted: NDArray[Any], y: NDArray[Any], labels: Sequence[str], scheme: str | None = None) -> float:
    """F1 of whole entities as CoNLL's conlleval counts them: right is one with its first and last token and its type.

    Args:
        predicted: Tags, (count, length).
        y: True tags, (count, length), `IGNORED` at padding.
        labels: Of the tags, such as "O" and "B-person".
        scheme: Of the labels, one of `data.options.SCHEMES`; None: it is told from them.

    Raises:
        UnknownTags: if the labels are of no known scheme.
    """
    hits, guesses, truths = _count_entities(predicted, y, read_tags(labels, scheme))
    total = guesses.total() + truths.total()
    return 2 * hits.total() / total if total else 0.0


def _count_entities(predicted: NDArray[Any], y: NDArray[Any], parts: Sequence[Tag]) -> list[Counter[int]]:
    """Per number of a type of entity: how many were found as they are, predicted, true."""
    guesses, truths = entities(np.where(y == IGNORED, IGNORED, predicted), parts), entities(y, parts)
    return [Counter(kind for _, _, kind in found) for found in (guesses & truths, guesses, truths)]
