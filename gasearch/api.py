"""gasearch from Python: run a search, and ask a stored one. The package's own names lead here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from gasearch.errors import BadInput, NoStore
from gasearch.jobs import control
from gasearch.jobs.commands import advising
from gasearch.jobs.queue import submit_new
from gasearch.jobs.setup import with_toolbox
from gasearch.jobs.sources import Configure, named
from gasearch.jobs.start import go_on, launch
from gasearch.objectives.constraints import Limit
from gasearch.query import comparison, lineage
from gasearch.query.answers import FrontPoint, GenerationStats, NetworkDetails, SearchSummary
from gasearch.query.asked import parse_limits
from gasearch.query.best_finalists import best_finalists
from gasearch.query.failures import Cause, failures
from gasearch.query.finals import Finalist, FinalTraining, final_trainings, finalists, networks_to_finalize
from gasearch.query.front import best_points, front_points
from gasearch.query.history import generations_of
from gasearch.query.network import network_details
from gasearch.query.queue import QueuedSearch, queued_named, queued_searches
from gasearch.query.summary import list_searches as all_searches
from gasearch.query.summary import search_summary
from gasearch.query.target import Target, wishes_of
from gasearch.query.trade import Trade, trade
from gasearch.search.progress import Observer, Several, Silent
from gasearch.settings import database_url, is_sqlite_path
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.copying import file_url
from gasearch.storage.engines import parse_url
from gasearch.storage.faults import shown
from gasearch.storage.records import EvaluatedNetwork, EvaluationRecord, TuningTrial
from gasearch.storage.sql import open_reader, upgrade_if_older

if TYPE_CHECKING:
    from gasearch.deploy.ensemble import Ensemble
    from gasearch.deploy.reproduction import Reproduction
    from gasearch.deploy.tuning import TunedNetwork
    from gasearch.deploy.verdict import Verification
    from gasearch.jobs.sensitivity import Sensitivity

Answer = TypeVar("Answer")

#: A database: a URL, or the path of a SQLite file, as a text one that ends in .db, .sqlite or .sqlite3; None: that of
#: GASEARCH_DB, else gasearch.db in this folder.
Database = str | Path | None
#: Is called with every final outcome of a run, failures included, once it is stored; see `Observer.on_outcome`. What it
#: raises ends the run, which `resume` goes on with.
OnOutcome = Callable[[EvaluationRecord], None]


class Search:
    """A stored search, to be asked at any time, also while it runs elsewhere. Every answer is read afresh."""

    def __init__(self, name: str, *, db: Database = None) -> None:
        """Open it.

        Raises:
            UnknownSearch: if there is none of that name.
        """
        self.name = name
        self._db_url = _url(db)
        self._ask(lambda reader: reader.search(name))

    def __repr__(self) -> str:
        """How to open it again, but for a password."""
        return f"Search({self.name!r}, db={shown(parse_url(self._db_url))!r})"

    def status(self) -> SearchSummary:
        """How far it is."""
        return self._ask(lambda reader: search_summary(reader, self.name))

    def front(self, *where: str, by: str | None = None) -> list[FrontPoint]:
        """The Pareto front, within limits such as "latency_ms <= 2"; best first by a metric, "accuracy" or "size:min".

        Raises:
            BadInput: if a limit or a metric can't be used.
        """
        return self._ask(lambda reader: front_points(reader, self.name, parse_limits(where), by))

    def front_frame(self, *where: str, by: str | None = None) -> Any:
        """The same as a `pandas.DataFrame`, by key: a metric a column, in native units, and the blueprint as JSON.

        Raises:
            BadInput: if a limit or a metric can't be used.
            GasearchError: where pandas isn't installed.
        """
        from gasearch.ecosystem.frames import front_frame

        return front_frame(self.front(*where, by=by))

    @overload
    def best(
        self,
        by: str | None = None,
        *,
        where: Sequence[str] | str = (),
        knee: bool = False,
        target: Target | None = None,
    ) -> FrontPoint | None: ...

    @overload
    def best(
        self,
        by: str | None = None,
        *,
        where: Sequence[str] | str = (),
        knee: bool = False,
        target: Target | None = None,
        count: int,
    ) -> list[FrontPoint]: ...

    def best(
        self,
        by: str | None = None,
        *,
        where: Sequence[str] | str = (),
        knee: bool = False,
        target: Target | None = None,
        count: int | None = None,
    ) -> FrontPoint | list[FrontPoint] | None:
        """The best network within the limits, None where they exclude all; with a count a list of so many at most.

        Args:
            by: The metric that ranks, such as "size:min"; None: the first objective.
            where: Limits such as "latency_ms <= 2".
            knee: The front's best bargains instead of the best by a metric.
            target: What comes nearest to it instead: {"accuracy": 0.98, "model_bytes": "4 KB"}, or as the command
                line has it.
            count: The most networks to give; None: one, not in a list.

        Raises:
            BadInput: if a limit, a metric, the target or the count can't be used.
        """
        if count is not None and count < 1:
            raise BadInput(f"the count must be at least 1; got {count}")
        limits, most = _limits(where), count or 1
        wishes = [] if target is None else wishes_of(target)
        found = self._ask(
            lambda reader: best_points(reader, self.name, by=by, limits=limits, knee=knee, target=wishes, count=most)
        )
        if count is not None:
            return found
        return found[0] if found else None

    def trade(self, gain: str, *, key: str | None = None, where: Sequence[str] | str = ()) -> Trade:
        """What it costs to be better by so much: the network of the front that reaches it and loses least.

        Args:
            gain: Such as "accuracy=+0.01" or "model_bytes=-1KB".
            key: Of the network that it starts from, or a beginning of it; None: the knee.
            where: Limits such as "latency_ms <= 2".

        Raises:
            UnknownSearch: if not exactly one key begins so.
            BadInput: for a gain, a metric or a limit that can't be used.
        """
        return self._ask(lambda reader: trade(reader, self.name, gain, key=key, limits=_limits(where)))

    def history(self) -> list[GenerationStats]:
        """Every finished generation, in order."""
        return self._ask(lambda reader: generations_of(reader, self.name))

    def logbook(self) -> Any:
        """The same as a `deap.tools.Logbook`: to be printed, or asked as `logbook().select("gen", "hypervolume")`.

        `nevals` is how many outcomes came in a generation; the best value of each objective so far is in the chapter
        `best`.
        """
        from gasearch.evolution.logbook import make_logbook

        history = self.history()
        begins = [0, *(one.evaluations for one in history)]
        return make_logbook(
            {
                "gen": one.generation,
                "nevals": one.evaluations - begin,
                "failures": one.failures,
                "front_size": one.front_size,
                "hypervolume": one.hypervolume,
                "best": one.best,
            }
            for begin, one in zip(begins, history, strict=False)
        )

    def show(self, key: str) -> NetworkDetails:
        """All that is known of one network, named by its key or a beginning of it.

        Raises:
            UnknownSearch: if not exactly one key begins so.
        """
        return self._ask(lambda reader: network_details(reader, self.name, key))

    def why(self, key: str, *, depth: int = lineage.DEPTH) -> lineage.Explanation:
        """How a network came about, and why it is on the front or not; named by its key or a beginning of it."""
        return self._ask(lambda reader: lineage.why(reader, self.name, key, depth=depth))

    def operators(self) -> list[lineage.OperatorStats]:
        """Which operators paid so far, greatest gain first."""
        return self._ask(lambda reader: lineage.operators(reader, self.name))

    def failures(self) -> list[Cause]:
        """Failures by cause, the most frequent first, with an example's traceback and last output."""
        return self._ask(lambda reader: failures(reader, self.name, is_full=True))

    def evaluations(self) -> list[EvaluatedNetwork]:
        """Every network with a final outcome, in the order of arrival."""
        return self._ask(lambda reader: list(reader.networks(reader.search(self.name).id)))

    def plot(self, path: Path | str | None = None) -> Any:
        """The front over all networks as a `plotly.graph_objects.Figure`; with a path, a page with all figures as well.

        Raises:
            BadInput: for a search without any outcome, a path that doesn't end in .html, or one that can't be written.
        """
        from gasearch.query.plot import plot, plotly_front

        if path is not None:
            self._ask(lambda reader: plot(reader, self.name, Path(path)))
        return self._ask(lambda reader: plotly_front(reader, self.name))

    def report(self, directory: Path | str) -> Path:
        """Write a report into a folder, as one self-contained HTML page and as Markdown; returns the page.

        Raises:
            BadInput: if it can't be written.
        """
        from gasearch.report.files import write_report

        return self._ask(lambda reader: write_report(reader, self.name, Path(directory)))

    def tune(
        self, *keys: str, trials: int = 20, workers: int | None = None, observer: Observer | None = None
    ) -> list[TuningTrial]:
        """Try training recipes for networks on the search's workers; returns all of their trials, earlier ones too.

        Args:
            *keys: The networks' keys, or a unique beginning of each.
            trials: How many to run for each.
            workers: How many; 0: in this process, without Ray. None: what the spec says.
            observer: Watches.

        Raises:
            UnknownSearch: if not exactly one key begins so.
            BadInput: for no key, a network without a measurement, or a custom space.
            Interrupted: with the command that goes on; no finished trial is lost.
        """
        from gasearch.deploy.tuning import tune_networks

        watching = observer or Silent()
        with advising(self._db_url):
            tuned = tune_networks(
                self.name, keys, trials=trials, db_url=self._db_url, observer=watching, workers=workers
            )
        return [trial for one in tuned for trial in one.trials]

    def tuned(self, key: str) -> TunedNetwork:
        """The recipes that were tried for one network, the best of them, and which of their parameters mattered."""
        from gasearch.deploy.tuning import tuned_network

        def question(reader: ArchiveReader) -> TunedNetwork:
            record = reader.search(self.name)
            return tuned_network(reader, record, reader.network(record.id, key).key)

        return self._ask(question)

    def reproduce(self, key: str, *, observer: Observer | None = None) -> Reproduction:
        """Make a network's evaluation again as the search made it, and compare what comes out with what is stored.

        Args:
            key: The network's key, or a unique beginning of it.
            observer: Watches.

        Raises:
            UnknownSearch: if not exactly one key begins so.
            BadInput: for a network without a measurement, or one that began with inherited weights.
        """
        from gasearch.deploy.reproduction import reproduce_network

        with advising(self._db_url):
            return reproduce_network(self.name, key, db_url=self._db_url, observer=observer or Silent())

    def finalize(
        self,
        *keys: str,
        where: Sequence[str] | str = (),
        by: str | None = None,
        top: int | None = None,
        seeds: int = 3,
        epochs: int | None = None,
        tuned: bool = False,
        workers: int | None = None,
        observer: Observer | None = None,
    ) -> list[Finalist]:
        """Train chosen networks from scratch at full budget, each with fresh seeds; returns what came of these.

        A second call makes only what is missing. Each training reads the test split once, at its end.

        Args:
            *keys: The networks' keys, or a unique beginning of each; none: members of the front.
            where: Limits for these, such as "latency_ms <= 2".
            by: The metric that ranks them; None: the best bargains first, as `best(knee=True)` names them.
            top: How many of them; None: all, if there are few.
            seeds: How many trainings each network gets in all.
            epochs: Of each training; None: those of the recipe.
            tuned: Whether each is trained by the best recipe that `tune` found for it.
            workers: How many; 0: in this process, without Ray. None: what the spec says.
            observer: Watches.

        Raises:
            UnknownSearch: if not exactly one key begins so.
            BadInput: for a network without a measurement, a custom space, or a choice that can't be made.
            Interrupted: with the command that goes on; no finished training is lost.
            GasearchError: if a training failed for good; the others are stored.
        """
        from gasearch.deploy.finalize import finalize

        limits = parse_limits([where] if isinstance(where, str) else where)
        chosen = self._ask(lambda reader: networks_to_finalize(reader, self.name, keys, limits=limits, by=by, top=top))
        with advising(self._db_url):
            finalize(
                self.name,
                chosen,
                seeds=seeds,
                epochs=epochs,
                is_tuned=tuned,
                db_url=self._db_url,
                observer=observer or Silent(),
                workers=workers,
            )
        return [one for one in self.finals() if one.key in chosen]

    def finals(self, *where: str, by: str | None = None) -> list[Finalist]:
        """Every network that was finalized, best first by a metric such as "test_accuracy"; see `Finalist`.

        Limits decide who may be on the front after it (`is_on_front`).

        Raises:
            BadInput: if a limit or a metric can't be used.
        """
        return self._ask(lambda reader: finalists(reader, self.name, parse_limits(where), by))

    @overload
    def best_final(
        self,
        by: str | None = None,
        *,
        where: Sequence[str] | str = (),
        knee: bool = False,
        target: Target | None = None,
    ) -> Finalist | None: ...

    @overload
    def best_final(
        self,
        by: str | None = None,
        *,
        where: Sequence[str] | str = (),
        knee: bool = False,
        target: Target | None = None,
        count: int,
    ) -> list[Finalist]: ...

    def best_final(
        self,
        by: str | None = None,
        *,
        where: Sequence[str] | str = (),
        knee: bool = False,
        target: Target | None = None,
        count: int | None = None,
    ) -> Finalist | list[Finalist] | None:
        """The best of the networks that were finalized, as `best` names those of the search, by their means.

        Args:
            by: The metric that ranks, such as "test_accuracy" or "model_bytes"; None: the first objective, on the
                validation split. A score of the test split that was chosen by is no longer that of unseen samples.
            where: Limits such as "test_accuracy >= 0.95".
            knee: The best bargains instead of the best by a metric.
            target: What comes nearest to it instead: {"test_accuracy": 0.98, "model_bytes": "4 KB"}.
            count: The most to give; None: one, not in a list.

        Raises:
            BadInput: if a limit, a metric, the target or the count can't be used.
        """
        if count is not None and count < 1:
            raise BadInput(f"the count must be at least 1; got {count}")
        limits, most = _limits(where), count or 1
        wishes = [] if target is None else wishes_of(target)
        found = self._ask(
            lambda reader: best_finalists(reader, self.name, by=by, limits=limits, knee=knee, target=wishes, count=most)
        )
        if count is not None:
            return found
        return found[0] if found else None

    def final_trainings(self, key: str | None = None) -> list[FinalTraining]:
        """Every final training, or those of one network, in the order in which they were stored."""
        return self._ask(lambda reader: final_trainings(reader, self.name, key))

    def ensemble(
        self, *, members: int = 3, where: Sequence[str] | str = (), observer: Observer | None = None
    ) -> Ensemble:
        """Finalized networks that are best together, chosen by the validation split; see `Ensemble`.

        The test split is read once more, for the ensemble and the best single network; it chooses nothing.

        Args:
            members: The most different networks.
            where: Limits that each must keep, such as "model_bytes <= 8 KB".
            observer: Watches.

        Raises:
            BadInput: where no final training is left to choose from, for a custom space, or data that have changed.
        """
        from gasearch.deploy.ensemble import choose_ensemble

        with advising(self._db_url):
            return choose_ensemble(
                self.name, members=members, limits=_limits(where), db_url=self._db_url, observer=observer or Silent()
            )

    def export(
        self,
        key: str,
        directory: Path | str,
        *,
        tuned: bool = False,
        formats: Sequence[str] | None = None,
        symmetric: bool = False,
        observer: Observer | None = None,
    ) -> Path:
        """Train one network again, and write it as files: integer ONNX, packed, torch weights ...; returns the folder.

        Args:
            key: Of the network, or how it begins.
            directory: The folder to write.
            tuned: Whether to train it by the best recipe that `tune` found.
            formats: Names of forms to write besides, "all" for each that can hold the network; None: the usual ones.
            symmetric: Whether to write the form "qdq" with zero point 0 everywhere, as TensorRT takes it.
            observer: What is told of the work as it goes on.

        Raises:
            UnknownSearch: if not exactly one key begins so.
            BadInput: for a network without a measurement, a custom space, a tuned recipe where none was found, a form
                that nothing writes or that can't hold the network, or a folder that holds something else or can't be
                written.
        """
        from gasearch.deploy.networks import export_network

        watching = observer or Silent()
        with advising(self._db_url):
            return export_network(
                self.name,
                key,
                directory,
                db_url=self._db_url,
                observer=watching,
                is_tuned=tuned,
                formats=formats,
                is_symmetric=symmetric,
            )

    def to_optuna(self, url: str, *, study_name: str | None = None) -> int:
        """Write every network with an outcome as a finished trial of a new study of Optuna; returns how many.

        Args:
            url: Of the storage, as Optuna takes it.
            study_name: None: as the search is called.

        Raises:
            BadInput: for what is no such URL, gasearch's own database, or a study that is there already.
            GasearchError: if the storage can't be used.
        """
        from gasearch.ecosystem.optuna_study import export_study

        own = self._db_url
        return self._ask(lambda reader: export_study(reader, self.name, url, own_url=own, study_name=study_name))

    def stop(self) -> None:
        """Ask whoever runs it to stop; `resume` goes on.

        Raises:
            WrongState: if nobody runs it.
        """
        with advising(self._db_url):
            control.stop_search(self.name, db_url=self._db_url, notice=Silent().on_notice)

    def delete(self) -> None:
        """Delete all that is stored of it, and the weights that it keeps; exported files stay.

        Raises:
            WrongState: if somebody runs it.
        """
        with advising(self._db_url):
            control.delete_search(self.name, db_url=self._db_url, notice=Silent().on_notice)

    def resume(
        self,
        *,
        evaluations: int | None = None,
        hours: float | None = None,
        overrides: Sequence[str] = (),
        observer: Observer | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> Search:
        """Go on, or extend (by "budget.stalled=200" as well); returns when it is finished.

        Args:
            evaluations: The new budget, in all.
            hours: The new wall time, in all.
            overrides: "key.path=value" each.
            observer: Watches.
            on_outcome: Is called with every final outcome, failures included, once it is stored.
        """
        with advising(self._db_url):
            go_on(
                self.name,
                db_url=self._db_url,
                observer=_watching(observer, on_outcome),
                evaluations=evaluations,
                hours=hours,
                overrides=overrides,
            )
        return self

    def _ask(self, question: Callable[[ArchiveReader], Answer]) -> Answer:
        return _ask(self._db_url, question)


class _Outcomes(Silent):
    """An observer that hands each outcome to a function."""

    def __init__(self, on_outcome: OnOutcome) -> None:
        self._on_outcome = on_outcome

    def on_outcome(self, record: EvaluationRecord) -> None:
        """Hand it over."""
        self._on_outcome(record)


def run(
    spec: SearchSpec | Mapping[str, Any] | Path | str,
    *,
    db: Database = None,
    workers: int | None = None,
    observer: Observer | None = None,
    on_outcome: OnOutcome | None = None,
    upgrade: bool = False,
    toolbox: Configure | None = None,
) -> Search:
    """Run a new search to its end.

    Args:
        spec: A path, a mapping with the keys of a spec file, or a `SearchSpec`.
        db: A URL, or the path of a SQLite file; None: that of GASEARCH_DB, else gasearch.db in this folder.
        workers: How many; 0: in this process, without Ray. None: what the spec says.
        observer: Watches.
        on_outcome: Is called with every final outcome, failures included, once it is stored.
        upgrade: Bring a database on a server to this version's schema, which locks out every older gasearch.
        toolbox: `configure(toolbox, space)` that changes a DEAP toolbox in place, a function of a module of its own;
            stands for the spec's `evolution.toolbox`.

    Raises:
        SpecError: if the spec or the toolbox can't be used.
        WrongState: if there is a search of that name.
    """
    loaded = spec if isinstance(spec, SearchSpec) else load_spec(spec)
    if toolbox is not None:
        loaded = with_toolbox(loaded, named(toolbox))
    watching = _watching(observer, on_outcome)
    url = _url(db)
    with advising(url):
        if upgrade:
            with suppress(NoStore):  # there is nothing to upgrade yet
                upgrade_if_older(url, watching.on_notice, may_upgrade=lambda question: True)
        launch(loaded, db_url=url, observer=watching, workers=workers)
    return Search(loaded.name, db=db)


def sensitivity(spec: Path | str | Mapping[str, Any] | SearchSpec, *, observer: Observer | None = None) -> Sensitivity:
    """What each layer of a trained network (family bits) loses at fewer bits, one at a time, without any training.

    Args:
        spec: A path, a mapping or a validated spec; its recipe isn't heeded.
        observer: Takes notices.

    Raises:
        BadInput: for another family, or a network that can't be used.
        GasearchError: if a network can't be evaluated.
    """
    from gasearch.jobs.sensitivity import measure_sensitivity

    loaded = spec if isinstance(spec, SearchSpec) else load_spec(spec)
    return measure_sensitivity(loaded, observer=observer or Silent())


def submit(
    spec: SearchSpec | Mapping[str, Any] | Path | str, *, db: Database = None, priority: int = 0
) -> QueuedSearch:
    """Check a spec with its data, and put its search into the queue: a controller runs it when its turn comes.

    Args:
        spec: A path, a mapping with the keys of a spec file, or a `SearchSpec`.
        db: A URL, or the path of a SQLite file; None: that of GASEARCH_DB, else gasearch.db in this folder.
        priority: A higher one goes first.

    Raises:
        SpecError: if the spec, its data or its evaluator can't be used.
        WrongState: if the name is taken, by a search or in the queue.
    """
    loaded = spec if isinstance(spec, SearchSpec) else load_spec(spec)
    url = _url(db)
    with advising(url):
        submit_new(loaded, db_url=url, notice=Silent().on_notice, priority=priority)
    found = _ask(url, lambda reader: queued_named(reader, loaded.name))
    assert found is not None
    return found


def queue(*, db: Database = None, ended: int = 0) -> list[QueuedSearch]:
    """What controllers run, what waits for one in the order of its turns, and so many of those that have ended."""
    return _ask(_url(db), lambda reader: queued_searches(reader, ended=ended))


def list_searches(*, db: Database = None) -> list[SearchSummary]:
    """Where all stored searches stand, newest first."""
    return _ask(_url(db), all_searches)


def compare(*names: str, db: Database = None) -> comparison.Comparison:
    """Put the fronts of searches with the same objectives side by side, in one scaling; see `Comparison`.

    Raises:
        UnknownSearch: if there is no search of such a name.
        BadInput: if they can't be compared.
    """
    return _ask(_url(db), lambda reader: comparison.compare(reader, names))


def load_network(directory: Path | str) -> Any:
    """The network of an exported folder as a `torch.nn.Module` in evaluation mode; nothing is unpickled.

    It takes raw samples, as `model.onnx` does: images as uint8 (B, C, H, W), tables as float32 (B, columns), codes as
    int32. It gives logits, or predictions, that are those of the search's fake-quantized network bit for bit.

    Raises:
        BadInput: if the folder is no artifact, was altered, or was made by a newer version.
    """
    from gasearch_workers.export.artifact import ArtifactError
    from gasearch_workers.export.torch_module import load_network as load

    try:
        return load(directory)
    except ArtifactError as error:
        raise BadInput(str(error)) from error


def verify(
    directory: Path | str,
    *,
    data: Path | str | None = None,
    runtimes: Sequence[str] = (),
    timed: bool = True,
    db: Database = None,
) -> Verification:
    """Run an exported folder's files, as `gasearch verify` does, and keep what came of it in its `verification.json`.

    The database gets it too where the search is stored.

    Args:
        directory: The folder.
        data: A file of test samples; None: the test split of the data that the network was made of.
        runtimes: Names of runtimes, which must be installed; () for all that there are.
        timed: Whether to measure latencies.
        db: The database, where the search may be stored.

    Raises:
        BadInput: if the folder is no artifact, was altered or can't be written; if a named runtime is unknown, isn't
            installed, or runs none of its forms; if there is no test split, or another one's samples.
    """
    from gasearch.deploy.verification import verify_artifact

    file = None if data is None else str(data)
    return verify_artifact(directory, data=file, runtimes=runtimes, is_timed=timed, db_url=_url(db))[0]


def _ask(url: str, question: Callable[[ArchiveReader], Answer]) -> Answer:
    with advising(url), closing(open_reader(url)) as reader:
        return question(reader)


def _limits(where: Sequence[str] | str) -> list[Limit]:
    return parse_limits([where] if isinstance(where, str) else where)


def _url(db: Database) -> str:
    if isinstance(db, str) and is_sqlite_path(db):
        db = Path(db)
    return file_url(db.absolute()) if isinstance(db, Path) else database_url(db)


def _watching(observer: Observer | None, on_outcome: OnOutcome | None) -> Observer:
    watching = observer or Silent()
    return watching if on_outcome is None else Several(watching, _Outcomes(on_outcome))
