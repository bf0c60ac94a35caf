"""What a forked controller does: start or resume a search through the product's own entrance, in a world of ours.

Ours are the evaluations (scripted: deterministic, some failing), the workers (as many as wanted, in this process,
answering in any order), the length of a lease, and the mines at the archive's writes.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from gasearch_workers.messages import EvaluationRequest, FailureKind, Measurement, Outcome

import gasearch.jobs.start as launching
from gasearch.dispatch.in_process import InProcess
from gasearch.errors import GasearchError, StoreError, UnknownSearch, WrongState
from gasearch.search import ownership
from gasearch.search.interrupts import Interrupt
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from gasearch.storage.records import TuningTrial
from gasearch.storage.sql import open_archive, open_reader
from tests.chaos.ledger import signed
from tests.chaos.mined import MinedArchive
from tests.chaos.specs import CUSTOM, TRAINED, in_mode, with_budget
from tests.doubles.records import final
from tests.doubles.scripted import Scripted, Truth, flaky, two_objectives


class Scattered(InProcess):
    """Several workers that answer in an order that nobody can foretell."""

    def __init__(self, evaluator: Scripted, *, slots: int, seed: int | None) -> None:
        super().__init__(evaluator)
        self._slots, self._rng = slots, random.Random(seed)

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def free(self) -> int:
        return self._slots - len(self.waiting)

    def collect(self, timeout_s: float) -> list[Any]:
        self._rng.shuffle(self.waiting)
        return super().collect(timeout_s)


def trained(request: EvaluationRequest) -> Outcome:
    """What a training may report, from the network and the seed alone."""
    rng = random.Random(f"{request.key}/{request.seed}")
    size = 100 + int(request.key, 16) % 5000
    return Measurement(
        accuracy=0.5 + 0.4 * (size / 5100) ** 0.3 + 0.02 * rng.random(),
        model_bytes=size,
        params=size,
        macs=2 * size,
        bops=8 * size,
        latency_ms=size / 1000,
        latency_spread_ms=0.001,
        latency_device="scripted",
    )


#: Some networks die once, and a few for good: deterministic, so that they do it in the undisturbed run as well.
TRUTHS: dict[str, Truth] = {
    "plain": two_objectives,
    "failing": flaky(
        flaky(two_objectives, every=13, kind=FailureKind.OUT_OF_MEMORY, attempts=2), every=6, kind=FailureKind.DIED
    ),
    "trained": flaky(trained, every=6, kind=FailureKind.DIED),
}


def warm_up(store: Path) -> None:
    """Run a search of each kind, so that all that a controller loads is loaded before the forks."""
    url = f"sqlite:///{store}"
    launching.make_dispatcher = lambda setup, observer, mark: Scattered(Scripted(trained), slots=1, seed=1)  # type: ignore[assignment]
    _advance(url, "trained", with_budget(TRAINED, evaluations=12), ())
    _advance(url, "trained", {}, ("budget.evaluations=14",))
    launching.make_dispatcher = lambda setup, observer, mark: Scattered(Scripted(), slots=1, seed=1)  # type: ignore[assignment]
    _advance(url, "surrogate", in_mode("steady-state", with_budget(CUSTOM, evaluations=14), surrogate=True), ())


def drive(
    words: Path,
    *,
    url: str,
    name: str,
    spec: dict[str, Any],
    truth: str = "failing",
    slots: int = 1,
    seed: int | None = None,
    seconds: float = 0.0,
    lease_s: float | None = None,
    renewal_s: float | None = None,
    mines: tuple[dict[str, Any], ...] = (),
    log: str | None = None,
    is_waiting: bool = False,
    overrides: tuple[str, ...] = (),
    act: str = "search",
) -> None:
    """Start the search, or go on with it, and end the process with the status that the command line would have.

    Args:
        words: File that gets the last words.
        url: Database.
        name: Of the search.
        spec: Of the search, where it is to be started.
        truth: Of `TRUTHS`.
        slots: Workers.
        seed: Of the order in which they answer; None: another one each time.
        seconds: That an evaluation takes.
        lease_s: How long a lease lasts.
        renewal_s: How often it is renewed.
        mines: See `MinedArchive`.
        log: See `MinedArchive`.
        is_waiting: Whether to wait while somebody else runs the search.
        overrides: Of a resume.
        act: "search"; else "stop", "delete", "final" or "trial", for what others write.
    """
    interrupt = Interrupt()
    signal.signal(signal.SIGINT, interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    url = signed(url)
    sys.stderr = words.with_suffix(".err").open("w")
    evaluator = Scripted(TRUTHS[truth], seconds=seconds)
    launching.make_dispatcher = lambda setup, observer, mark: Scattered(evaluator, slots=slots, seed=seed)  # type: ignore[assignment]
    launching.open_archive = lambda url, notice: MinedArchive(  # type: ignore[assignment]
        open_archive(url, notice=notice), mines=mines, log=log
    )
    if lease_s is not None:
        launching.LEASE_S = ownership.LEASE_S = lease_s
    if renewal_s is not None:
        launching.kept_alive = partial(ownership.kept_alive, renewal_s=renewal_s)  # type: ignore[assignment]
    status, last = 0, ""
    try:
        while True:
            try:
                last = _advance(url, name, spec, overrides) if act == "search" else _write(act, url, name)
                break
            except WrongState as error:
                if not is_waiting or "is being run by" not in str(error):
                    raise
                time.sleep(0.02)
    except GasearchError as error:
        status, last = error.exit_status, str(error)
    except BaseException:  # whatever an interrupt came out as, as the command line takes it
        if not interrupt.was_pressed:
            raise
        status, last = 130, "interrupted before it began"
    words.write_text(last)
    os._exit(status)


def _write(act: str, url: str, name: str) -> str:
    """What others than the controller of a search write."""
    with closing(launching.open_archive(url, notice=print)) as archive:
        if act == "stop":
            archive.request_stop(name)
        elif act == "delete":
            archive.delete_search(name)
        elif act == "final":
            archive.add_final(archive.search(name).id, final(0), b"gap")
        else:
            trial = TuningTrial(key="00", study="s", number=0, recipe_json="{}", value=0.5, message="")
            archive.add_trial(archive.search(name).id, trial)
    return ""


def _advance(url: str, name: str, spec: dict[str, Any], overrides: tuple[str, ...]) -> str:
    if _exists(url, name):
        return launching.go_on(name, db_url=url, observer=Silent(), overrides=overrides).reason
    return launching.launch(load_spec(spec | {"name": name}), db_url=url, observer=Silent()).reason


def _exists(url: str, name: str) -> bool:
    try:
        with closing(open_reader(url)) as reader:
            reader.search(name)
            return True
    except (UnknownSearch, StoreError):
        return False
