"""How good outputs are: the scores of each kind of task, in NumPy and float64.

Outputs are raw: logits (count, classes), logits per token (count, length, tags), or predictions (count, 1) in the
target's unit. Scikit-learn and CoNLL's conlleval are the oracles in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.messages import NUMERIC_KINDS, PRIMARY, TaskKind

IGNORED: Final = -1  #: The tag at padding.

#: Share of the outputs' deviation within which they count as equal in `auc`. Few-bit networks have few different
#: outputs, and noise of float32 orders what is equal: measured, 0.661 where the integer network has 0.646.
AUC_GRID: Final = 2.0**-14
NOISE: Final = 2.0**-20  #: Share of the outputs' size that may be such noise.


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a network is to tell about a sample."""

    kind: TaskKind = "classification"
    outputs: int = 0  #: Classes or tags; 1 for a number; 0 where nobody said.
    labels: tuple[str, ...] = ()  #: Names of the classes or tags; entities are read off those of tags.

    @property
    def is_number(self) -> bool:
        """Whether the target is a number, not a class."""
        return self.kind in NUMERIC_KINDS

    @property
    def primary(self) -> str:
        """The name of the primary score."""
        return PRIMARY[self.kind]

    def is_better(self, value: float, than: float) -> bool:
        """Whether one primary score is better than another."""
        return value < than if self.is_number else value > than


CLASSES: Final = Target()  #: Classes without names.


def score(outputs: NDArray[Any], y: NDArray[Any], target: Target) -> dict[str, float]:
    """Every score of the target's kind that these samples define, by the metrics' names.

    classification: accuracy, macro_f1, auc (missing where only one class is present). tagging: accuracy per token,
    macro_f1 over the tags, entity_f1. regression and rating: rmse.

    Args:
        outputs: Raw outputs, see the module.
        y: The truth: (count,) classes or numbers, or (count, length) tags with `IGNORED` at padding.
        target: What the outputs are of.
    """
    match target.kind:
        case "regression" | "rating":
            return {"rmse": rmse(outputs, y)}
        case "tagging":
            is_token = y != IGNORED
            tags = outputs.argmax(axis=2)  # (count, length, tags) -> (count, length)
            return {
                "accuracy": accuracy(tags[is_token], y[is_token]),
                "macro_f1": macro_f1(tags[is_token], y[is_token]),
                "entity_f1": entity_f1(tags, y, target.labels),
            }
        case "classification":
            classes = outputs.argmax(axis=1)  # (count, classes) -> (count,)
            found = {"accuracy": accuracy(classes, y), "macro_f1": macro_f1(classes, y)}
            area = auc(outputs, y)
            return found if area is None else found | {"auc": area}


def primary_score(outputs: NDArray[Any], y: NDArray[Any], target: Target) -> float:
    """The primary score alone, which is cheaper than all of them."""
    match target.kind:
        case "regression" | "rating":
            return rmse(outputs, y)
        case "tagging":
            return entity_f1(outputs.argmax(axis=2), y, target.labels)
        case "classification":
            return accuracy(outputs.argmax(axis=1), y)


def report_classes(outputs: NDArray[Any], y: NDArray[Any], target: Target) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support (true samples) of each class, or of each type of entity; [] for numbers."""
    match target.kind:
        case "regression" | "rating":
            return []
        case "tagging":
            return _report_entities(outputs.argmax(axis=2), y, target.labels)
        case "classification":
            names = target.labels or tuple(map(str, range(outputs.shape[1])))
            counts = _confusion(outputs.argmax(axis=1), y, len(names))
            return [_report_row(name, *(int(count[at]) for count in counts)) for at, name in enumerate(names)]


# --- classes ----------------------------------------------------------------------------------------------------


def accuracy(predicted: NDArray[Any], y: NDArray[Any]) -> float:
    """Share of the samples that are right, 0..1."""
    return float(np.mean(predicted == y))


def macro_f1(predicted: NDArray[Any], y: NDArray[Any]) -> float:
    """Mean F1 over the classes that are true or predicted of any sample, 0..1."""
    hits, guesses, truths = _confusion(predicted, y, int(max(predicted.max(), y.max())) + 1)
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


def entity_f1(predicted: NDArray[Any], y: NDArray[Any], labels: Sequence[str]) -> float:
    """F1 of whole entities as CoNLL's conlleval counts them: right is one with its first and last token and its type.

    Args:
        predicted: Tags, (count, length).
        y: True tags, (count, length), `IGNORED` at padding.
        labels: Of the tags: "O", and a prefix and a type such as "B-person". Of "I-person" after "O" or another type
            an entity begins too. A label without a prefix is a type, and a run of it an entity.
    """
    hits, guesses, truths = _count_entities(predicted, y, labels)
    total = sum(guesses.values()) + sum(truths.values())
    return 2 * sum(hits.values()) / total if total else 0.0


def _report_entities(predicted: NDArray[Any], y: NDArray[Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    counts = _count_entities(predicted, y, labels)
    return [_report_row(name, *(count[name] for count in counts)) for name in counts[2]]


def _count_entities(
    predicted: NDArray[Any], y: NDArray[Any], labels: Sequence[str]
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Per type of entity: how many were found as they are, predicted, true."""
    parts = [_parse(label) for label in labels]
    types = sorted({kind for _, kind in parts if kind})
    guesses = _entities(np.where(y == IGNORED, len(labels), predicted), parts, types)
    truths = _entities(np.where(y == IGNORED, len(labels), y), parts, types)
    hits = guesses & truths
    return tuple(  # type: ignore[return-value]
        {name: sum(1 for _, _, kind in found if kind == number) for number, name in enumerate(types)}
        for found in (hits, guesses, truths)
    )


def _parse(label: str) -> tuple[str, str]:
    """A label's prefix (B, I, E, S or O) and its type; "" for no entity."""
    prefix, dash, kind = label.partition("-")
    if label == "O":
        return "O", ""
    return (prefix, kind) if dash and prefix in ("B", "I", "E", "S") and kind else ("I", label)


def _entities(tags: NDArray[Any], parts: Sequence[tuple[str, str]], types: Sequence[str]) -> set[tuple[int, int, int]]:
    """Every entity as (place of its first token, of its last one, number of its type); places count over all rows."""
    prefixes = np.array([prefix for prefix, _ in parts] + ["O"])[tags]  # (count, length) of one letter each
    kinds = np.array([types.index(kind) if kind else -1 for _, kind in parts] + [-1])[tags]
    # A column of "O" at both ends keeps the rows apart.
    prefixes = np.pad(prefixes, ((0, 0), (1, 1)), constant_values="O").reshape(-1)
    kinds = np.pad(kinds, ((0, 0), (1, 1)), constant_values=-1).reshape(-1)
    before, here = prefixes[:-1], prefixes[1:]
    is_cut = np.isin(before, ("O", "E", "S")) | np.isin(here, ("B", "S", "O")) | (kinds[:-1] != kinds[1:])
    firsts = np.flatnonzero(is_cut & (here != "O")) + 1
    lasts = np.flatnonzero(is_cut & (before != "O"))
    return set(zip(firsts.tolist(), lasts.tolist(), kinds[firsts].tolist(), strict=True))
