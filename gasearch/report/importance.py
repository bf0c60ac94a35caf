"""Which decisions mattered for an objective: permutation importance of a random forest, cross-validated.

Breiman, "Random Forests", Machine Learning 45 (2001): a forest learns the objective from the decisions; then the values
of one decision are shuffled among networks that the forest has not seen, and what it thereby loses of the variance that
it explains is the decision's importance. Measured on unseen networks, a decision that explains nothing gets about 0. A
search samples its space unevenly: this says what mattered among the networks that were trained, no more. A decision
that expresses only where another one lets it carries what that one decides, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gasearch.objectives.fitness import Objective
from gasearch.space.decisions import Space
from gasearch.storage.records import EvaluatedNetwork

FEWEST_NETWORKS = 30  #: Of fewer a forest learns nothing that holds for others.
LEAST_EXPLAINED = 0.2  #: A forest that explains less of unseen networks' variance knows nothing of what decides.
MOST_NETWORKS = 2000  #: The newest; more add seconds, and nothing that one would read off a bar.
FOLDS = 5
REPEATS = 10  #: Shuffles of each decision in each fold.
TREES = 100

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The decisions that mattered for one objective."""

    metric: str
    networks: int
    explained: float | None  #: Share of unseen networks' variance that the forest explains; None of too few networks.
    #: By decision, the greatest first: what shuffling it costs of that share; () where too little is explained.
    decisions: tuple[tuple[str, float], ...] = ()


def importances(
    networks: Sequence[EvaluatedNetwork], space: Space, objectives: Sequence[Objective]
) -> list[Importance]:
    """The importance of each decision for each objective.

    Args:
        networks: Those of the search, in the order of arrival; what wasn't measured is left out.
        space: Of the search.
        objectives: Of the search.
    """
    found = []
    for objective in objectives:
        measured = [one for one in networks if objective.metric in one.metrics][-MOST_NETWORKS:]
        values = np.asarray([one.metrics[objective.metric] for one in measured], dtype=np.float64)
        if len(values) < FEWEST_NETWORKS or values.min() == values.max():
            found.append(Importance(metric=objective.metric, networks=len(values), explained=None))
            continue
        if values.min() > 0 and not objective.is_maximized:
            values = np.log(values)  # sizes and times are judged by factors
        rows = np.asarray([space.marked(one.genes) for one in measured], dtype=np.float64)
        explained, shares = _explained(rows, values)
        varying = [place for place in np.argsort(-shares, kind="stable") if np.ptp(rows[:, place]) > 0]
        known = tuple((space.decisions[place].name, float(shares[place])) for place in varying)
        is_known = explained >= LEAST_EXPLAINED
        found.append(
            Importance(
                metric=objective.metric,
                networks=len(values),
                explained=explained,
                decisions=known if is_known else (),
            )
        )
    return found


def _explained(rows: Array, values: Array) -> tuple[float, Array]:
    """The share of variance that forests explain of unseen rows, and what each column's shuffling takes of it.

    Args:
        rows: (networks, decisions) option indices, -1 where one doesn't express.
        values: (networks,).
    """
    from sklearn.ensemble import RandomForestRegressor

    folds = np.random.default_rng(0).permutation(len(values)) % FOLDS
    errors, drops = np.empty(FOLDS), np.empty((FOLDS, rows.shape[1]))
    for fold in range(FOLDS):
        seen, unseen = folds != fold, folds == fold
        forest = RandomForestRegressor(n_estimators=TREES, random_state=fold, n_jobs=1).fit(rows[seen], values[seen])
        errors[fold] = np.square(forest.predict(rows[unseen]) - values[unseen]).mean()
        shuffled = _shuffled(rows[unseen], np.random.default_rng(fold))  # (decisions, repeats, unseen, decisions)
        expected = forest.predict(shuffled.reshape(-1, rows.shape[1])).reshape(shuffled.shape[:3])  # all at once
        drops[fold] = np.square(expected - values[unseen]).mean(axis=(1, 2)) - errors[fold]
    variance = values.var()
    return float(1 - errors.mean() / variance), drops.mean(axis=0) / variance


def _shuffled(rows: Array, rng: np.random.Generator) -> Array:
    """The rows with each column shuffled in its turn: (columns, repeats, rows, columns)."""
    count, columns = rows.shape
    copies = np.broadcast_to(rows, (columns, REPEATS, count, columns)).copy()
    for column in range(columns):
        for repeat in range(REPEATS):
            copies[column, repeat, :, column] = rng.permutation(rows[:, column])
    return copies
