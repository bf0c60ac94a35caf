"""The whole life of an evaluation, in order: build, inherit, train, judge, count, quantize, measure.

The test split is read for a request that asks for the final form, once, when all else of it is done.

Training and timing are two steps that may happen in two processes: `Evaluator.prepare` does all but the latency and
hands over what is to be timed; `LatencyMeter.complete` adds the latency, on the one device that measures.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gasearch_workers.data.dataset import Dataset, Pretrained
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.evaluation.deployed import compiled_by, deployed_metrics
from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.export.forms import require_forms
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.packed import pack
from gasearch_workers.machine.memory_errors import BeyondLimit, OutOfMemory, is_out_of_memory, memory_named
from gasearch_workers.machine.node import free_memory
from gasearch_workers.measure.energy import energy_estimate
from gasearch_workers.measure.meter import LatencyMeter
from gasearch_workers.messages import (
    DEPLOYED,
    Blueprint,
    Calibration,
    EvaluationRequest,
    EvaluationResult,
    FailureKind,
    FinalForm,
    Measurement,
    Outcome,
    Prepared,
    network_from_json,
)
from gasearch_workers.modules.build import Network, build
from gasearch_workers.modules.inheritance import inherit
from gasearch_workers.modules.lower import lower
from gasearch_workers.modules.pretrained import begin_with, transform_of
from gasearch_workers.network.costs import costs
from gasearch_workers.network.integer import InputTransform, IntegerNetwork
from gasearch_workers.network.plan import PlanError, plan
from gasearch_workers.network.steps import Plan
from gasearch_workers.results import failure, make_result, stop
from gasearch_workers.training.batches import subset
from gasearch_workers.training.calibration import calibrate
from gasearch_workers.training.inference import EVALUATION_BATCH, evaluate, outputs_of
from gasearch_workers.training.memory import scoring_bytes, training_bytes
from gasearch_workers.training.resident import ResidentData, make_resident, use_one_thread
from gasearch_workers.training.stopping import Stopped
from gasearch_workers.training.train import Diverged, TimedOut, TrainingReport, train
from gasearch_workers.training.weights import find_parent, save_weights

GAP_SAMPLES = 5_000  #: Training samples at most that the generalization gap is taken on.
_FAILURES: Final = {
    Diverged: FailureKind.DIVERGED,
    TimedOut: FailureKind.TIMED_OUT,
    PlanError: FailureKind.INFEASIBLE,
    ArtifactError: FailureKind.INFEASIBLE,
    OutOfMemory: FailureKind.OUT_OF_MEMORY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained network and what is known of it without a clock."""

    network: IntegerNetwork
    measurement: Measurement
    final: FinalForm | None = None  #: Where the request asks for it.


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
        """The reference latency of this machine."""
        return self._meter.calibrate(known)

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Make an evaluation here, latency included."""
        result, prepared = self.prepare(request)
        if prepared is None:
            return result
        return self._meter.complete(result, prepared, request.calibration)

    def prepare(self, request: EvaluationRequest) -> tuple[EvaluationResult, Prepared | None]:
        """Make all of an evaluation but its latency; the second value is what remains to be timed, if anything does.

        Never raises: what goes wrong is the result's failure.
        """
        prepared: Prepared | None = None
        final: FinalForm | None = None

        def attempt(request: EvaluationRequest) -> Outcome:
            nonlocal prepared, final
            outcome, prepared, final = self._attempt(request)
            return outcome

        compiler = compiled_by(request.measures, request.toolchain)
        parts = ", ".join(filter(None, [versions(), compiler]))
        result = make_result(request, attempt, device=self.device, versions=parts)
        return replace(result, final=final), prepared

    def train(self, request: EvaluationRequest) -> Trained:
        """Train the request's network and measure all but its latency; problems are raised, not returned."""
        with memory_named("while building or scoring"):
            report, images_seen = self._train(request)
            network, deployed = report.network, plan(_blueprint(request))
            assert isinstance(network, Network)
            lowered, measurement = lower(network), self._measure(report, request, deployed, images_seen)
            final = self._final_form(network, lowered) if request.is_final else None
            return Trained(network=lowered, measurement=measurement, final=final)

    def training_outputs(self, request: EvaluationRequest) -> NDArray[np.float32]:
        """Train the request's network and take its raw outputs on the training split, as a teacher's."""
        with memory_named("while building or scoring"):
            return outputs_of(self._train(request)[0].network, self._resident.train)

    def validated(self, request: EvaluationRequest) -> tuple[float, NDArray[np.float32]]:
        """Train the request's network: its primary score on the validation split, and its raw outputs there."""
        with memory_named("while building or scoring"):
            outputs, split = self._train(request)[0].outputs, self._resident.validation
            assert outputs is not None
            return split.target.primary_score(outputs, split.truth), outputs

    def _train(self, request: EvaluationRequest) -> tuple[TrainingReport, int]:
        """Train the request's network; the second value is the number of samples shown to it and its parents.

        One that is stopped leaves no weights: it enters no population, so no child would begin with them.
        """
        recipe, blueprint = request.recipe, _blueprint(request)
        require_forms(_forms_of(request), plan(blueprint))
        start, deployed = plan(blueprint, is_pruned=False), plan(blueprint)
        scored = max(len(self._data.validation), len(self._data.test) if request.is_final else 0)
        _require_memory(start, recipe.batch_size, scored, request.memory_limit_bytes)
        is_fresh = not blueprint.trained  # else it answers in the target's unit already
        target = (self._data.target_mean, self._data.target_deviation) if is_fresh else (0.0, 1.0)
        network = build(
            start, self._transform(start), seed=request.seed, target=target, is_full_range=recipe.is_full_range
        )
        if blueprint.trained:
            started = time.monotonic()
            begin_with(network, self._pretrained(blueprint))
            calibrate(network, self._resident.train)
            if not request.fidelity.epochs:
                return self._untrained(network, time.monotonic() - started), 0
        images_before = _inherit(network, request)
        report = train(
            network,
            self._resident.train,
            recipe,
            fidelity=request.fidelity,
            seed=request.seed,
            deployed=None if deployed == start else deployed,
            validation=self._resident.validation,
            stopping=request.stopping,
            time_limit_s=request.time_limit_s,
        )
        images_seen = images_before + report.images_seen
        if recipe.is_inheriting and request.weights_folder is not None:
            save_weights(request.weights_folder, request.key, report.network, images_seen=images_seen)
        return report, images_seen

    def _pretrained(self, blueprint: Blueprint) -> Pretrained:
        """The trained network that a blueprint means."""
        found = self._data.pretrained
        known = None if found is None else network_from_json(found.network)
        if found is None or not isinstance(known, Blueprint) or known.trained != blueprint.trained:
            loaded = "none" if known is None else getattr(known, "trained", "none")
            raise PlanError(f"the network begins with the trained network {blueprint.trained}; loaded is {loaded}")
        return found

    def _untrained(self, network: Network, seconds: float) -> TrainingReport:
        """A network whose trained weights were quantized without any epoch."""
        return TrainingReport(
            network=network,
            train_seconds=seconds,
            curve=(),
            images_seen=0,
            best_epoch=0,
            outputs=outputs_of(network, self._resident.validation),
        )

    def _measure(
        self, report: TrainingReport, request: EvaluationRequest, deployed: Plan, images_seen: int
    ) -> Measurement:
        """All that is known of a trained network without a clock of the device that runs it."""
        split = self._resident.validation
        assert report.outputs is not None
        scores: dict[str, Any] = dict(split.target.score(report.outputs, split.truth))  # named as their fields
        _require_finite(scores, f"on the validation split became {{}} after epoch {report.best_epoch}")
        gap = _training_score(report.network, self._resident, request) - scores[split.target.primary]
        counted = costs(deployed)
        return Measurement(
            **scores,
            params=counted.params,
            macs=counted.macs,
            bops=counted.bops,
            model_bytes=counted.model_bytes,
            peak_memory_bytes=counted.peak_memory_bytes,
            train_seconds=report.train_seconds,
            energy_j=energy_estimate(deployed),
            energy_source="estimate",
            generalization_gap=-gap if split.target.is_number else gap,
            images_seen=images_seen,
            curve=report.curve,
        )

    def _final_form(self, network: Network, lowered: IntegerNetwork) -> FinalForm:
        """The network as a file, and its scores on the test split."""
        packed, split = pack(lowered), self._resident.test
        scores = split.target.score(outputs_of(network, split), split.truth)
        _require_finite(scores, "on the test split is {}")
        return FinalForm(test=tuple(scores.items()), packed=packed)

    def _transform(self, steps: Plan) -> InputTransform:
        if steps.input_bits not in self._transforms and self._data.pretrained is not None:
            known = self._data.pretrained
            self._transforms[steps.input_bits] = transform_of(known, steps, self._data.train.x)
        if steps.input_bits not in self._transforms:
            self._transforms[steps.input_bits] = fit_input(
                self._data.train.x,
                input_bits=steps.input_bits,
                input_kind=steps.input_kind,
                categories=len(steps.categories),
            )
        return self._transforms[steps.input_bits]

    def _attempt(self, request: EvaluationRequest) -> tuple[Outcome, Prepared | None, FinalForm | None]:
        """An evaluation's outcome, with every exception sorted into its kind of failure."""
        try:
            trained = self.train(request)
            deployed = deployed_metrics(trained.network, request.measures, request.cpu, request.toolchain)
            measurement = replace(trained.measurement, others=tuple(deployed.items()))
            return measurement, self._prepare(trained, request), trained.final
        except Stopped as error:
            return stop(error), None, None
        except Exception as error:
            kind = next((kind for known, kind in _FAILURES.items() if isinstance(error, known)), FailureKind.CRASHED)
            if kind is FailureKind.CRASHED and is_out_of_memory(error):
                kind = FailureKind.OUT_OF_MEMORY
            found = failure(kind, error, is_named=kind is FailureKind.CRASHED)
            return replace(found, is_certain=True) if isinstance(error, BeyondLimit) else found, None, None

    def _prepare(self, trained: Trained, request: EvaluationRequest) -> Prepared | None:
        """The network that remains to be measured on a device; None where nobody asked for it."""
        is_timed, command = "latency_ms" in request.measures, request.command
        if not is_timed and command is None:
            return None
        from gasearch_workers.evaluation.handover import artifact_files  # which trains by this module

        network = trained.network
        return Prepared(
            graph=to_onnx(network).SerializeToString() if is_timed else b"",
            input_shape=network.plan.input_shape,
            input_dtype=network.input.dtype,
            categories=network.plan.categories,
            is_timed=is_timed,
            is_energy_wanted="energy_j" in request.measures,
            command=command,
            files=() if command is None else artifact_files(request, trained, self._data, command.formats),
        )


def versions() -> str:
    """The versions on which an evaluation's numbers depend, beside its request."""
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"python {platform.python_version()}, torch {torch.__version__}, {capability}, {torch.get_num_threads()} thread"
    )


def has_gpu() -> bool:
    """Tell whether this process can train on a GPU."""
    return torch.cuda.is_available()


def _forms_of(request: EvaluationRequest) -> list[str]:
    """The forms that a network must have for all of it to be measured, besides those of every artifact."""
    asked = () if request.command is None else request.command.formats
    return list(dict.fromkeys([*asked, *(form for name, form in DEPLOYED.items() if name in request.measures)]))


def _require_finite(scores: Mapping[str, float], what: str) -> None:
    for name, value in scores.items():
        if not math.isfinite(value):
            raise Diverged(f"the {name} {what.format(value)}")


def _blueprint(request: EvaluationRequest) -> Blueprint:
    if not isinstance(request.network, Blueprint):
        raise TypeError(f"training needs a blueprint; got {type(request.network).__name__}")
    return request.network


def _inherit(network: Network, request: EvaluationRequest) -> int:
    """Begin with the weights of the first parent that left some; returns the samples that these were shown."""
    if not request.recipe.is_inheriting or request.weights_folder is None:
        return 0
    parent = find_parent(request.weights_folder, request.parents)
    if parent is None or inherit(network, parent.weights) == 0:
        return 0
    return parent.images_seen


def _training_score(network: nn.Module, data: ResidentData, request: EvaluationRequest) -> float:
    """Primary score on samples that were shown, taken evenly over a split that may be sorted: enough for the gap."""
    shown = subset(len(data.train), request.fidelity.data_share, request.seed)
    some = shown[:: max(1, len(shown) // min(len(data.validation), GAP_SAMPLES))]
    return evaluate(network, data.train.chosen(some))


def _require_memory(steps: Plan, batch_size: int, scored: int, limit: int | None) -> None:
    """Refuse a training, of this many samples at a time, that can't fit the free memory or the limit."""
    shown, free = min(scored, EVALUATION_BATCH), free_memory()
    for needed, what, how in (
        (training_bytes(steps, batch_size=batch_size), "training", f"at batch size {batch_size}"),
        (scoring_bytes(steps, samples=shown), "scoring", f"for {shown} samples at a time"),
    ):
        text = f"{what} needs at least {needed / 1e9:.1f} GB {how}"
        if needed > free:
            raise OutOfMemory(f"{text}; {free / 1e9:.1f} GB are free")
        if limit is not None and needed > limit:
            raise BeyondLimit(f"{text}; its limit is {limit / 1e9:.1f} GB (workers.memory_limit)")
