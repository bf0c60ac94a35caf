"""From a search to verified files on real data: what each step of the README's workflow ends in, beside known figures.

    python -m benchmarks.finalists --data FOLDER [--cases adult mnist ...] [--folder stores] [--workers 2]

For each case: its spec of `examples/` with the changes named here is searched; under each limit of bytes the
validation split chooses the best network; that is trained from scratch three times (`finalize`), the best of these
trainings by validation written in every form that can hold it (`export`), and run in every runtime that is here
(`verify`). The score is the mean on the test split, which each training reads once, with its deviation. Last comes the
winner's curse: by how much the search's value was better than the final trainings'. With `--folder`, what was searched
and trained there is not made again. Fails where a bar is missed, or a claim of an artifact.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gasearch
from benchmarks.support.timing import Targets, conditions
from gasearch.api import Search
from gasearch.deploy.verification import Verification
from gasearch.objectives.units import format_quantity
from gasearch.query.finals import Finalist
from gasearch.spec.loader import load_spec

EXAMPLES = Path(__file__).parents[1] / "examples"
SEEDS = 3
MOST_CURSE = 1.0  #: Points that the search's values may be better than the final ones, in the mean.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A search on real data, and what is asked of its networks."""

    name: str
    example: str
    data: str  #: A path under the folder of data.
    settings: tuple[str, ...]  #: Beside the data: what `gasearch run --set` takes.
    score: str
    ranked: str = ""  #: What the search's networks are chosen by; "": the score.
    #: Under each the best network is taken; with the least score that it should have on the test split. "": none.
    limits: Mapping[str, float | None] = field(default_factory=lambda: {"": None})
    epochs: int | None = None  #: Of the final trainings; None: the recipe's.
    known: str = ""  #: What others reach.
    peer: str = ""  #: The case whose score is the measure.
    most_behind: float = 0.0  #: Points of score behind the peer.

    @property
    def chosen_by(self) -> str:
        """The metric that chooses among the networks of the search."""
        return self.ranked or self.score

    def run(self, data: Path, db: Path, workers: int | None) -> Search:
        """The finished search, made or gone on with where it is stored already."""
        stored = [one.name for one in gasearch.list(db=db)] if db.exists() else []
        if self.name not in stored:
            changes = [f"name={self.name}", f"task.dataset={(data / self.data).resolve()}", *self.settings]
            return gasearch.run(load_spec(EXAMPLES / self.example, changes), db=db, workers=workers)
        search = gasearch.open(self.name, db=db)
        return search if search.status().state == "finished" else search.resume()


#: Bytes and score alone decide: the machine that measures may be a busy one.
SENTIMENT = ("objectives={accuracy: max, model_bytes: min}", "budget.evaluations=80")
LARGEST = ("encoder=[gru]", "layers=[2,2]", "width=[64]", "kernel=[5]", "embedding=[64]", "vocabulary=[10000]")
CASES = (
    Case(
        name="mnist",
        example="mnist.yaml",
        data="mnist/mnist.npz",
        settings=(
            "seed=3",
            "space={family: cnn, layers: [2, 4], width: [6, 8, 12, 16, 24, 32], kernel: [3, 5], "
            "kind: [conv, separable, residual], weight_bits: [2, 3, 4, 6, 8], activation_bits: [4, 8]}",
            "objectives={accuracy: max, model_bytes: min}",
            'constraints=["model_bytes <= 16 KB", "macs <= 1.5M"]',
            "recipe={epochs: 3, batch_size: 64, learning_rate: 0.005}",
            "evolution.population=16",
            "budget.evaluations=100",
        ),
        score="accuracy",
        limits={"model_bytes <= 4.5 KB": 0.97, "model_bytes <= 16 KB": 0.985},
        epochs=25,
        known="uNAS: 0.965 in less than 4.5 KB",
    ),
    Case(
        name="sentiment-largest",
        example="sentiment.yaml",
        data="sst2",
        settings=(
            *SENTIMENT[:1],
            *(f"space.{change}" for change in LARGEST),
            "space.weight_bits=[32]",
            "space.activation_bits=[32]",
            "constraints=[]",
            "budget.evaluations=1",
        ),
        score="accuracy",
        known="the largest float network of the space",
    ),
    Case(
        name="sentiment",
        example="sentiment.yaml",
        data="sst2",
        settings=(*SENTIMENT, 'constraints=["model_bytes <= 256 KB"]'),
        score="accuracy",
        limits={"model_bytes <= 256 KB": None},
        known="tf-idf and logistic regression 0.813",
        peer="sentiment-largest",
        most_behind=2.0,
    ),
    Case(
        name="adult",
        example="adult.yaml",
        data="adult/adult.csv.gz",
        settings=(
            "task.target=income-per-year",
            "objectives={auc: max, model_bytes: min}",
            "budget.evaluations=60",
        ),
        score="accuracy",
        ranked="auc",
        limits={"model_bytes <= 1 KB": None, "model_bytes <= 32 KB": None},
        known="logistic regression 0.861 on this split; on another one 0.851, MLP 0.857, boosting 0.874",
    ),
    Case(
        name="entities",
        example="entities.yaml",
        data="wnut17",
        settings=("budget.evaluations=40",),
        score="entity_f1",
        known="shared task of 2017: 0.263 to 0.419, with word vectors from elsewhere",
    ),
    Case(
        name="movielens",
        example="movielens.yaml",
        data="movielens_small/ratings.csv.gz",
        settings=("budget.evaluations=60",),
        score="rmse",
        known="biases of users and films 0.871 on this split, 0.863 on another one; the mean 1.041",
    ),
)


def main() -> int:
    """Run the cases and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"a folder with {', '.join(sorted({one.data for one in CASES}))}")
    parser.add_argument("--cases", nargs="+", choices=[one.name for one in CASES])
    parser.add_argument("--folder", type=Path, help="keeps database and files; what is there is gone on with")
    parser.add_argument("--workers", type=int, help="0: in this process, without Ray; default: what the specs say")
    options = parser.parse_args()
    if options.data is None:
        print("the data are not part of this project: give their folder as --data; nothing was run")
        return 0
    print(f"{conditions('torch')}; {SEEDS} final trainings of each network", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        chosen = [one for one in CASES if options.cases is None or one.name in options.cases]
        judge(chosen, options.data, folder, options.workers)
    return 0


def judge(cases: list[Case], data: Path, folder: Path, workers: int | None) -> None:
    """Run each case, print what comes of it, and hold it against its bars."""
    targets = Targets()
    finals: dict[str, dict[str, Finalist]] = {}
    for case in cases:
        search = case.run(data, folder / "gasearch.db", workers)
        finals[case.name] = finalized(case, search, workers)
        for finalist in distinct(finals[case.name]):
            verification = verified(case, search, finalist, folder)
            print("\n".join(describe(case, finalist, verification)), flush=True)
            targets.at_least(f"{case.name} {finalist.key} verified", float(verification.is_verified), 1.0)
        for limit, least in case.limits.items():
            if least is not None:
                found = finals[case.name].get(limit)
                targets.at_least(f"{case.name}, {limit}", 0.0 if found is None else test_of(case, found), least)
        if case.peer in finals:
            scores = [max(test_of(case, one) for one in finals[name].values()) for name in (case.peer, case.name)]
            behind = 100 * (scores[0] - scores[1])
            targets.at_most(f"points of {case.name} behind {case.peer}", behind, case.most_behind)
    every = {case: distinct(finals[case.name]) for case in cases}
    targets.at_most("winner's curse, mean in points", print_curse(every), MOST_CURSE)
    targets.check()


def finalized(case: Case, search: Search, workers: int | None) -> dict[str, Finalist]:
    """The best network under each limit that any keeps, after its final trainings."""
    best = {limit: search.best(where=limit or (), by=case.chosen_by) for limit in case.limits}
    keys = {limit: one.key for limit, one in best.items() if one is not None}
    if not keys:
        return {}  # without keys, `finalize` would choose by itself
    finals = search.finalize(*dict.fromkeys(keys.values()), seeds=SEEDS, epochs=case.epochs, workers=workers)
    found = {one.key: one for one in finals}
    return {limit: found[key] for limit, key in keys.items()}


def distinct(finals: Mapping[str, Finalist]) -> list[Finalist]:
    """Each once, though it may be the best under several limits."""
    return list({one.key: one for one in finals.values()}.values())


def verified(case: Case, search: Search, finalist: Finalist, folder: Path) -> Verification:
    """The network's files, written and run."""
    out = folder / f"{case.name}-{finalist.key}"
    if not out.exists():
        search.export(finalist.key, out, formats=["all"])
    return gasearch.verify(out, db=folder / "gasearch.db")


def test_of(case: Case, finalist: Finalist) -> float:
    """The score on the test split, mean over the final trainings."""
    return finalist.metrics[f"test_{case.score}"]


def describe(case: Case, finalist: Finalist, verification: Verification) -> list[str]:
    """The network, then its files by runtime."""
    metrics = finalist.metrics
    deviation = metrics.get(f"test_{case.score}_deviation", 0.0)
    size = format_quantity(metrics["model_bytes"], "model_bytes")
    lines = [
        f"\n{case.name} {finalist.key}: {size}, {case.score} on the test split {test_of(case, finalist):.4f} "
        f"± {deviation:.4f} ({finalist.seeds} trainings of {finalist.epochs} epochs); known: {case.known}",
        f"    {verification.conclusion}",
    ]
    for row in verification.file_rows():
        score = row.get(f"test_{case.score}")
        shown = "" if score is None else f"  {case.score} {score:.4f}"
        lines.append(f"    {row['file']:<18}{row['bytes']:>9,} bytes  {row['runtime']:<44}{row['verdict']}{shown}")
    return lines


def print_curse(finals: Mapping[Case, Iterable[Finalist]]) -> float:
    """What the search's values were better by, in points of what chose; returns the mean over all finalists."""
    print(
        "\nthe search's value, less the final trainings' mean on the validation split, and less that on the test split"
    )
    drops = []
    for case, ones in finals.items():
        score = case.chosen_by
        for one in ones:
            drop, test = (100 * one.metrics[f"{prefix}{score}_drop"] for prefix in ("", "test_"))
            drops.append(drop)
            print(f"    {case.name:<18}{one.key}  {drop:+6.2f}  {test:+6.2f} points of {score}, {one.epochs} epochs")
    mean = statistics.mean(drops) if drops else 0.0
    print(f"    mean of {len(drops)} finalists {mean:+.2f} points")
    return mean


if __name__ == "__main__":
    sys.exit(main())
