"""The two kinds of Ray actors: those that train, and the one that measures latency.

Plain classes: `gasearch.dispatch.ray_pool` makes actors of them. A network travels to the measuring actor as the bytes
of its ONNX graph, through Ray's object store and not through the controller.

What crosses the border is written by the names of its fields (`sandbox.codec`): pickled values of these classes are
read by the order of their fields alone, and another version's would be taken for something else.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.identity import identity, refusal
from gasearch_workers.machine.files import why_not_shared
from gasearch_workers.machine.node import usable_cpus
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, Prepared, WorkerTerms
from gasearch_workers.sandbox.codec import decode, encode
from gasearch_workers.sandbox.host import TrialHost
from gasearch_workers.sandbox.limits import share_of_memory

Message = tuple[bytes, bytes]  #: A value as `encode` writes it.


class TrainingWorker:
    """Lives as long as the search; each evaluation runs in its trial's process, which holds the data on its device.

    Of one thread: the trial's process ends with the thread that started it.
    """

    def __init__(self, controller: dict[str, str], data: Sequence[Any], device: str, terms: Message) -> None:
        """Begin, unless the controller speaks of other messages; then `ping` lets it find that out.

        Args:
            controller: Its `identity`.
            data: The reference of the `Dataset`, or of None for custom evaluators, within a list: what lies there is
                unpickled only where it is known how to.
            device: Where to train.
            terms: `WorkerTerms`.
        """
        if refusal(controller, identity()) is not None:
            return
        import ray

        wanted: WorkerTerms = decode(WorkerTerms, *terms)
        dataset: Dataset | None = ray.get(data[0])
        self._host = TrialHost(
            dataset,
            device=device,
            environment=wanted.environment,
            paths=wanted.paths,
            memory_limit_bytes=share_of_memory(_neighbours(wanted)) if wanted.shares_memory else None,
            adopts_orphans=True,
            threads=int(wanted.cpus),
        )

    def prepare(self, request: Message) -> tuple[Message, Message]:
        """All of an evaluation but the latency; the second value is what remains to be timed, None if nothing does."""
        result, prepared = self._host.prepare(decode(EvaluationRequest, *request))
        return encode(result), encode(prepared)

    def ping(self) -> dict[str, str]:
        """Who it is."""
        return identity()

    def try_out(self, evaluator: str | None) -> str:
        """Get ready, and import the evaluator, if any: why that fails, and on which host; "" where it works."""
        if evaluator is None:
            _ = self._host.device
            return ""
        problem = self._host.import_problem(evaluator)
        return f"{problem} (on {socket.gethostname()})" if problem else ""

    def why_not_shared(self, mark: str) -> str:
        """See `shared_folder.why_not_shared`."""
        return why_not_shared(mark)


class MeasuringWorker:
    """Holds the latency slot: the only process of the search that measures networks on a device, one at a time."""

    def __init__(self) -> None:
        from gasearch_workers.measure.meter import LatencyMeter  # loads ONNX Runtime, which no training worker needs

        self._meter = LatencyMeter()

    def ping(self) -> dict[str, str]:
        """Who it is."""
        return identity()

    def calibrate(self, known: Message) -> Message:
        """The reference latency of this device."""
        return encode(self._meter.calibrate(decode(tuple[Calibration, ...], *known)))

    def finish(self, result: Message, prepared: Message, calibration: Message) -> Message:
        """The result with the latency in it.

        Args:
            result: An `EvaluationResult` without it.
            prepared: The network, or None: then the result stays as it is.
            calibration: The reference latency of this device, or None where no latency is wanted.
        """
        ready = decode(Prepared | None, *prepared)
        if ready is None:
            return result
        trained, known = decode(EvaluationResult, *result), decode(Calibration | None, *calibration)
        return encode(self._meter.complete(trained, ready, known))


def _neighbours(terms: WorkerTerms) -> int:
    """Workers of the search, this one included, that its node has room for."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    resources: dict[str, float] = next((node["Resources"] for node in ray.nodes() if node["NodeID"] == here), {})
    rooms = [] if terms.neighbours is None else [terms.neighbours]
    for name, share in (("CPU", terms.cpus), ("GPU", terms.gpus)):
        if share > 0 and name in resources:
            rooms.append(int(resources[name] / share))
    return max(1, min(rooms, default=usable_cpus()))
