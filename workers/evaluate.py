"""The whole life of an evaluation, in order: build, train, quantize, count, judge, measure.

Training and timing are two steps that may happen in two processes: `Evaluator.prepare` does all but the latency and
hands over what is to be timed; `LatencyMeter.complete` adds the latency, on the one device that measures.
"""

from __future__ import annotations

import dataclasses
import platform
from dataclasses import dataclass

import torch

from workers.build import Network, build
from workers.data.dataset import Dataset
from workers.data.normalize import fit_input
from workers.integer import InputTransform, IntegerNetwork
from workers.lower import lower
from workers.measure.costs import costs
from workers.measure.meter import LatencyMeter, Prepared
from workers.memory import free_bytes, training_bytes
from workers.messages import (
    Blueprint,
    Calibration,
    EvaluationRequest,
    EvaluationResult,
    FailureKind,
    Measurement,
    Outcome,
)
from workers.onnx_graph import to_onnx
from workers.plan import PlanError, plan
from workers.result import failure, make_result
from workers.steps import Plan
from workers.train import Diverged, ResidentData, TimedOut, evaluate, make_resident, train, use_one_thread

GAP_SAMPLES = 5_000  #: Training samples at most that the generalization gap is taken on.


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained network and what is known of it without a clock."""

    network: IntegerNetwork
    measurement: Measurement


class Evaluator:
    """Makes one evaluation after another on one device, with the data resident there."""

    def __init__(self, data: Dataset, *, device: str = "cpu") -> None:
        """Copy the data onto the device."""
        use_one_thread()
        self.device = device
        self._data, self._resident = data, make_resident(data, device)
        self._transforms: dict[int, InputTransform] = {}  #: By input bits: fitting reads the whole training split.
        self._meter = LatencyMeter()

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The yardstick of this machine."""
        return self._meter.calibrate(known)

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Make an evaluation here, latency included."""
        result, prepared = self.prepare(request)
        if prepared is None or request.calibration is None:
            return result
        return self._meter.complete(result, prepared, request.calibration)

    def prepare(self, request: EvaluationRequest) -> tuple[EvaluationResult, Prepared | None]:
        """Make all of an evaluation but its latency; the second value is what remains to be timed, if anything does.

        Never raises: what goes wrong is the result's failure.
        """
        prepared: Prepared | None = None

        def attempt(request: EvaluationRequest) -> Outcome:
            nonlocal prepared
            outcome, prepared = self._attempt(request)
            return outcome

        return make_result(request, attempt, device=self.device, versions=versions()), prepared

    def train(self, request: EvaluationRequest) -> Trained:
        """Train the request's network and measure all but its latency; problems are raised, not returned."""
        if not isinstance(request.network, Blueprint):
            raise TypeError(f"training needs a blueprint; got {type(request.network).__name__}")
        steps = plan(request.network)
        _require_memory(steps, request.recipe.batch_size)
        transform = self._transform(steps.input_bits)
        network = build(steps, transform, seed=request.seed)
        report = train(
            network,
            self._resident.train,
            request.recipe,
            fidelity=request.fidelity,
            seed=request.seed,
            time_limit_s=request.time_limit_s,
        )
        counted = costs(steps)
        accuracy = evaluate(network, self._resident.validation)
        measurement = Measurement(
            accuracy=accuracy,
            params=counted.params,
            macs=counted.macs,
            bops=counted.bops,
            model_bytes=counted.model_bytes,
            train_seconds=report.train_seconds,
            generalization_gap=_training_accuracy(network, self._resident) - accuracy,
            curve=report.curve,
        )
        return Trained(network=lower(network), measurement=measurement)

    def _transform(self, input_bits: int) -> InputTransform:
        if input_bits not in self._transforms:
            self._transforms[input_bits] = fit_input(self._data.train.x, input_bits=input_bits)
        return self._transforms[input_bits]

    def _attempt(self, request: EvaluationRequest) -> tuple[Outcome, Prepared | None]:
        """An evaluation's outcome, with every exception sorted into its kind of failure."""
        try:
            trained = self.train(request)
            return trained.measurement, _prepare(trained.network) if "latency_ms" in request.measures else None
        except Diverged as error:
            return failure(FailureKind.DIVERGED, error), None
        except TimedOut as error:
            return failure(FailureKind.TIMED_OUT, error), None
        except PlanError as error:
            return failure(FailureKind.INFEASIBLE, error), None
        except (MemoryError, torch.OutOfMemoryError) as error:
            return failure(FailureKind.OUT_OF_MEMORY, error), None
        except Exception as error:
            is_memory = isinstance(error, RuntimeError) and "not enough memory" in str(error)  # torch's CPU allocator
            kind = FailureKind.OUT_OF_MEMORY if is_memory else FailureKind.CRASHED
            return failure(kind, error, is_named=not is_memory), None


def versions() -> str:
    """What the numbers of an evaluation depend on, beside its request."""
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"python {platform.python_version()}, torch {torch.__version__}, {capability}, {torch.get_num_threads()} thread"
    )


def has_gpu() -> bool:
    """Whether this process can train on a GPU."""
    return torch.cuda.is_available()


def _prepare(network: IntegerNetwork) -> Prepared:
    return Prepared(
        graph=to_onnx(network).SerializeToString(),
        input_shape=network.plan.input_shape,
        input_dtype=network.input.dtype,
    )


def _training_accuracy(network: Network, data: ResidentData) -> float:
    """Accuracy on training samples taken evenly over the split, which may be sorted: enough to see the gap."""
    step = max(1, len(data.train) // min(len(data.validation), GAP_SAMPLES))
    return evaluate(network, dataclasses.replace(data.train, x=data.train.x[::step], y=data.train.y[::step]))


def _require_memory(steps: Plan, batch_size: int) -> None:
    needed, free = training_bytes(steps, batch_size=batch_size), free_bytes()
    if needed > free:
        raise MemoryError(
            f"training needs at least {needed / 1e9:.1f} GB at batch size {batch_size}; {free / 1e9:.1f} GB are free"
        )
