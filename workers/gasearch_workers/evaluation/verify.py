"""Running an artifact: each of its forms in each runtime that is installed, and what comes out against what it claims.

The code that trained the network has no part in it, but for the fake-quantized network of the packed file, whose
answers the other forms must give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import Split
from gasearch_workers.evaluation.artifact_runs import LIMIT_S, ArtifactRuns
from gasearch_workers.evaluation.claims import (
    Claim,
    RunCheck,
    agreement,
    agreement_claim,
    latency_claim,
    score_claim,
    size_claim,
)
from gasearch_workers.evaluation.held_out import HeldOut
from gasearch_workers.export.artifact import PACKED_NAME, ArtifactError, read_packed
from gasearch_workers.export.exporters import EXPORTERS, GAP, ONNX
from gasearch_workers.machine.isolated import Faulty, NotThere
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.latency import sample_input
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.runtimes.runtime import (
    C99_RUNTIME,
    ONNX_RUNTIME,
    ONNX_RUNTIME_QDQ,
    PACKED,
    RUNTIMES,
    TFLITE_MICRO,
    Runtime,
)
from gasearch_workers.training.score import IGNORED, Target

LATENCY_TRIES: Final = 3
FIRMWARE: Final = ("flash_bytes", "ram_bytes", "instructions")  #: Of the C form, that are held against claims.


def chosen_runtimes(content: Mapping[str, Any], names: Sequence[str] = ()) -> list[Runtime]:
    """The runtimes of an artifact's forms, or those of these names.

    Args:
        content: Of `model.json`.
        names: Of runtimes, which must be installed; () for all that there are.

    Raises:
        ArtifactError: if one isn't installed, or runs a form that the artifact doesn't hold.
        UnknownName: if there is no such runtime.
    """
    held = _forms(content)
    if not names:
        return [runtime for name in RUNTIMES.names() if (runtime := RUNTIMES.get(name)).form in held]
    chosen = [RUNTIMES.get(name) for name in dict.fromkeys(names)]
    for runtime in chosen:
        if runtime.form not in held:
            raise ArtifactError(
                f"{runtime.name} runs the form {runtime.form}, and the artifact holds {', '.join(held)}: write it with "
                f"gasearch export ... --formats {runtime.form}"
            )
        if runtime.version() is None:
            raise ArtifactError(f"{runtime.name} isn't installed: {runtime.needs}")
    return chosen


def unrun_forms(content: Mapping[str, Any]) -> list[str]:
    """The artifact's forms that no runtime is known for."""
    known = {RUNTIMES.get(name).form for name in RUNTIMES.names()}
    return [form for form in _forms(content) if form not in known]


def _forms(content: Mapping[str, Any]) -> list[str]:
    """The forms that the artifact holds; of those that write the same files the first."""
    held: dict[tuple[str, ...], str] = {}
    for name in EXPORTERS.names():
        files = EXPORTERS.get(name).files
        if content["files"].keys() >= set(files):
            held.setdefault(files, name)
    return list(held.values())


def verify(
    directory: Path,
    content: Mapping[str, Any],
    test: HeldOut,
    runtimes: Sequence[Runtime],
    *,
    is_timed: bool = True,
    seconds: float = LIMIT_S,
    memory_bytes: int | None = None,
) -> list[RunCheck]:
    """Run forms of an artifact on a test split, in a process of their own: see `artifact_runs`.

    Args:
        directory: Of the artifact.
        content: Of its `model.json`, as `read_artifact` gives it.
        test: The samples.
        runtimes: What to run; one that isn't installed is noted.
        is_timed: Whether to measure latencies.
        seconds: That a run of a form may take.
        memory_bytes: That the process of the runs may take; None: the usual part of the node's.

    Raises:
        ArtifactError: if the packed file can't be read, or the samples are none of the network's.
    """
    if not len(test.split):
        raise ArtifactError(f"there are no test samples in {test.source}; name a file of some with --data")
    network = read_packed(directory)
    if test.split.x.shape[1:] != network.plan.input_shape:
        raise ArtifactError(
            f"the network takes samples of the shape {network.plan.input_shape}; {test.source} has "
            f"{test.split.x.shape[1:]}"
        )
    with ArtifactRuns(directory, seconds=seconds, memory_bytes=memory_bytes) as runs:
        bench = _Bench(directory, content, test, network, runs, is_timed=is_timed)
        return [bench.check(runtime) for runtime in runtimes]


class _Bench:
    """What is the same for every runtime."""

    def __init__(
        self,
        directory: Path,
        content: Mapping[str, Any],
        test: HeldOut,
        network: IntegerNetwork,
        runs: ArtifactRuns,
        *,
        is_timed: bool,
    ) -> None:
        self._directory, self._content, self._test, self._network = directory, content, test, network
        self._runs = runs
        self._is_timed, self._story = is_timed, content["description"]
        self._target = target_of(content)
        self._shape = (len(test.split), *network.plan.steps[-1].output_shape)
        self._expected: NDArray[Any] | None = None
        self._fault = ""  #: Why the fake-quantized network gives no outputs.
        try:
            self._expected = self._outputs(PACKED)
        except NotThere as error:
            raise ArtifactError(f"{PACKED_NAME} can't be run here: {error}; {PACKED.needs}") from error
        except (Faulty, ValueError) as error:
            self._fault = str(error)

    def check(self, runtime: Runtime) -> RunCheck:
        """Run one."""
        files = EXPORTERS.get(runtime.form).files
        size = sum(self._content["files"][name]["bytes"] for name in files)
        version = runtime.version()
        claims: Sequence[Claim] = ()
        fault = note = ""
        if version is None:
            note = f"{runtime.name} isn't installed: {runtime.needs}"
        else:
            try:
                claims, note = self._run(runtime)
            except ImportError as error:  # what is installed is broken, which is no fault of the artifact's
                version, note = None, f"{runtime.name} can't be imported ({error}): {runtime.needs}"
            except Faulty as error:
                fault = str(error)
            except Exception as error:  # Whatever a runtime raises is what came of running the form.
                fault = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return RunCheck(
            form=runtime.form,
            files=files,
            file_bytes=size,
            runtime=runtime.name,
            version=version,
            claims=tuple(claims),
            fault=fault,
            note=note,
        )

    def _run(self, runtime: Runtime) -> tuple[Sequence[Claim], str]:
        split = self._test.split
        if self._expected is None:
            of_others = "" if runtime is PACKED else f"{PACKED_NAME} gives nothing to agree with: "
            raise Faulty(of_others + self._fault)
        outputs = self._expected if runtime is PACKED else self._outputs(runtime)
        claims = [*self._scores(outputs, split, is_exact=runtime.form == ONNX.name)]
        if runtime.form == GAP.name:
            claims += self._size()
        else:
            judged = int((split.y != IGNORED).sum()) if self._target.kind == "tagging" else len(split)
            claims.append(agreement_claim(self._agreement(outputs, self._expected, split), samples=max(judged, 1)))
        if runtime is TFLITE_MICRO:
            claims += self._arena(runtime)
        if runtime is C99_RUNTIME:
            claims += self._firmware()
        timed, note = self._latency(runtime) if self._is_timed else ((), "")
        return (*claims, *timed), note

    def _outputs(self, runtime: Runtime) -> NDArray[Any]:
        """What a form answers to the samples.

        Raises:
            ValueError: if that is no output of the network's.
        """
        outputs = self._runs.outputs(runtime, self._test.split.x)
        if outputs.shape != self._shape or not np.isfinite(outputs).all():
            what = "numbers that are not finite" if outputs.shape == self._shape else f"shape {outputs.shape}"
            raise ValueError(f"expected outputs of the shape {self._shape}; got {what}")
        return outputs

    def _scores(self, outputs: NDArray[Any], split: Split, *, is_exact: bool) -> list[Claim]:
        """The scores; of forms other than the one that the claims were measured on the primary one alone is judged."""
        claimed, data = self._story.get("measured", {}), self._story.get("data", {})
        found = self._target.score(outputs, split.truth)
        claims = [
            score_claim(
                name,
                claimed.get(f"test_{name}"),
                value,
                samples=len(split),
                claimed_samples=data.get("test"),
                is_same=self._test.is_same,
            )
            for name, value in found.items()
        ]
        primary = f"test_{self._target.primary}"
        return sorted((claim for claim in claims if is_exact or claim.name == primary), key=lambda c: c.name != primary)

    def _agreement(self, outputs: NDArray[Any], expected: NDArray[Any], split: Split) -> float:
        deviation = self._story.get("data", {}).get("target_deviation") or float(expected.std()) or 1.0
        return agreement(outputs, expected, split.y, target=self._target, deviation=deviation)

    def _size(self) -> list[Claim]:
        claimed = self._story.get("claimed", {}).get("model_bytes")
        return [] if claimed is None else [size_claim(claimed, (self._directory / PACKED_NAME).stat().st_size)]

    def _arena(self, runtime: Runtime) -> list[Claim]:
        """The memory that TFLite Micro takes beside the file, which another version of it may do otherwise."""
        found = self._runs.arena_bytes(EXPORTERS.get(runtime.form).files[0])
        claimed = self._story.get("measured", {}).get("arena_bytes")
        note = "it depends on the version of TFLite Micro"
        return [] if found is None else [Claim(name="arena_bytes", claimed=claimed, measured=found, note=note)]

    def _firmware(self) -> list[Claim]:
        """What the C form takes on each CPU that is claimed for; by the same compiler it is the same."""
        claims = []
        for one in self._story.get("firmware", ()):
            compiler = str(one.get("toolchain", ""))
            found = self._runs.footprint(one["cpu"], compiler.partition(" ")[0])
            is_same = found["toolchain"] == compiler
            claims += [
                Claim(
                    name=f"{one['cpu']} {name}",
                    claimed=claimed if isinstance(claimed := one.get(name), int) else None,
                    measured=found[name],
                    tolerance=0.0 if is_same else None,
                    note="" if is_same else f"by {found['toolchain']}; claimed of {compiler}",
                )
                for name in FIRMWARE
                if found[name] is not None
            ]
        return claims

    def _latency(self, runtime: Runtime) -> tuple[tuple[Claim, ...], str]:
        """The latency: in turns with the reference where that can be, else by itself; one call on one sample."""
        steps = self._network.plan
        sample = sample_input(steps.input_shape, self._network.input.dtype, steps.categories)
        if runtime in (ONNX_RUNTIME, ONNX_RUNTIME_QDQ):
            return self._paired_latency(runtime, sample), ""
        if runtime.open is None:
            return (), "no latency: it opens the form anew at each call"
        median, spread_ms = self._runs.plain_latency(runtime, sample)
        plain = (("plain_latency_ms", median), ("plain_latency_spread_ms", spread_ms))
        return tuple(Claim(name=name, claimed=None, measured=value) for name, value in plain), ""

    def _paired_latency(self, runtime: Runtime, sample: NDArray[Any]) -> tuple[Claim, ...]:
        """The latency of a graph; neighbours only ever add to it, so one that is too long is measured again."""
        file = EXPORTERS.get(runtime.form).files[0]
        claimed = self._story.get("measured", {}) if runtime is ONNX_RUNTIME else {}  # that of `model.onnx`
        found = []
        for _ in range(LATENCY_TRIES):
            latency_ms, spread_ms = self._runs.paired_latency(file, sample)
            claim = latency_claim(claimed, latency_ms, spread_ms, device_name())
            spread = Claim(name="latency_spread_ms", claimed=claimed.get("latency_spread_ms"), measured=spread_ms)
            found.append((claim, spread))
            if claim.holds is not False:
                break
        return min(found, key=lambda pair: pair[0].measured)


def target_of(content: Mapping[str, Any]) -> Target:
    """What an artifact's outputs stand for.

    Args:
        content: Of `model.json`.
    """
    data, output = content["description"].get("data", {}), content["output"]
    return Target(
        kind=data.get("kind", "classification"),
        outputs=output["shape"][-1],
        labels=tuple(output["labels"]),
        tags=data.get("tags"),
    )
