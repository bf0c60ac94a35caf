"""What an artifact claims, what running it gives, and by which tolerances one is held to the other.

| claim | holds if the measured value is |
| --- | --- |
| a score, on the samples that it was measured on | within 0.2 points, or what two of the samples make |
| `rmse`, on these samples | within 0.5 % |
| accuracy on other samples (other scores are not judged) | within 0.2 points and three standard errors |
| `agreement` with the fake-quantized network | at least 0.99, less what two of the samples make |
| `model_bytes` | equal |
| `flash_bytes`, `ram_bytes`, `instructions` on a CPU, by the same compiler | equal |
| `latency_ms`, on the device of the claim alone | at most three times both spreads above it, in the best of three |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.training.score import IGNORED, Target

POINTS: Final = 0.002  #: By which a score between 0 and 1 may differ.
FLIPS: Final = 2  #: Samples whose answer may differ, however few there are; of agreement, so many more.
RMSE_SHARE: Final = 0.005
LEAST_AGREEMENT: Final = 0.99
NEAR: Final = 0.01  #: Numbers that differ by this share of the targets' deviation agree.
STANDARD_ERRORS: Final = 3.0
ROUNDING: Final = 1e-9  #: Of differences that are as large as their tolerance.
SPREADS: Final = 3.0  #: By which a latency may exceed its claim.


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One number of an artifact, and what came of it."""

    name: str  #: E.g. "test_accuracy", "agreement", "latency_ms".
    claimed: float | None  #: None: nobody claimed it.
    measured: float
    tolerance: float | None = None  #: By which it may be missed; None: it isn't judged.
    is_least: bool = False  #: The claim is a lower bound.
    is_most: bool = False  #: The claim is an upper bound.
    note: str = ""  #: Why it isn't judged.

    @property
    def difference(self) -> float | None:
        """Measured minus claimed."""
        return None if self.claimed is None else self.measured - self.claimed

    @property
    def bound(self) -> str:
        """How the measured value must lie to the claimed one."""
        by = _with_unit(self.name, self.tolerance or 0.0, digits=3)
        if self.is_least:
            return f"at most {by} below" if self.tolerance else "at least"
        return f"at most {by} above" if self.is_most else f"within {by} of"

    @property
    def holds(self) -> bool | None:
        """Whether the claim holds; None where it isn't judged."""
        if self.tolerance is None or self.difference is None:
            return None
        miss = -self.difference if self.is_least else self.difference if self.is_most else abs(self.difference)
        return miss <= self.tolerance + ROUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """One form of an artifact in one runtime."""

    form: str
    files: tuple[str, ...]
    file_bytes: int  #: Of all its files.
    runtime: str
    version: str | None  #: None: it isn't installed here, and nothing was run.
    claims: tuple[Claim, ...] = ()
    fault: str = ""  #: Why it didn't run, or what it gave that is no output.
    note: str = ""  #: What was left out, and what to do about it.

    @property
    def has_passed(self) -> bool | None:
        """Whether every claim that is judged holds; None where nothing was run."""
        if self.version is None:
            return None
        return not self.fault and all(claim.holds is not False for claim in self.claims)

    @property
    def failure(self) -> str:
        """What doesn't hold, in a sentence; "" where all does."""
        missed = [
            f"{claim.name} must be {claim.bound} {_with_unit(claim.name, claim.claimed)}; "
            f"got {_with_unit(claim.name, claim.measured)}"
            for claim in self.claims
            if claim.holds is False and claim.claimed is not None
        ]
        return self.fault or "; ".join(missed)


def _with_unit(name: str, value: float, *, digits: int = 6) -> str:
    """A number as sentences say it: "0.0106 ms", "1204 B"."""
    unit = next((f" {unit}" for ending, unit in (("_ms", "ms"), ("_bytes", "B")) if name.endswith(ending)), "")
    number = f"{value:.0f}" if unit == " B" else f"{value:.{digits}g}"
    return number + unit


def score_claim(
    name: str, claimed: float | None, measured: float, *, samples: int, claimed_samples: int | None, is_same: bool
) -> Claim:
    """A score on the test split.

    Args:
        name: Of the score.
        claimed: What the artifact says.
        measured: What came out.
        samples: On how many samples.
        claimed_samples: On how many samples the claim was measured; None: as many.
        is_same: Whether they are the very samples of the claim.
    """
    full = f"test_{name}"
    if claimed is None:
        return Claim(name=full, claimed=None, measured=measured, note="nothing is claimed")
    if is_same and name == "rmse":
        return Claim(name=full, claimed=claimed, measured=measured, tolerance=RMSE_SHARE * abs(claimed))
    if is_same:
        return Claim(name=full, claimed=claimed, measured=measured, tolerance=max(POINTS, FLIPS / samples))
    if name != "accuracy":
        note = "these are other samples than those of the claim"
        return Claim(name=full, claimed=claimed, measured=measured, note=note)
    variance = claimed * (1 - claimed) * (1 / samples + 1 / (claimed_samples or samples))
    return Claim(
        name=full, claimed=claimed, measured=measured, tolerance=POINTS + STANDARD_ERRORS * math.sqrt(variance)
    )


def agreement_claim(measured: float, *, samples: int) -> Claim:
    """The share of samples on which a form answers as the fake-quantized network does.

    Args:
        measured: What came out.
        samples: On how many samples; of a tagger, tokens.
    """
    return Claim(name="agreement", claimed=LEAST_AGREEMENT, measured=measured, tolerance=FLIPS / samples, is_least=True)


def size_claim(claimed: float, measured: int) -> Claim:
    """The bytes of the packed file."""
    return Claim(name="model_bytes", claimed=claimed, measured=float(measured), tolerance=0.0)


def latency_claim(claims: Mapping[str, Any], measured_ms: float, spread_ms: float, device: str) -> Claim:
    """The latency of `model.onnx`.

    Args:
        claims: With `latency_ms`, `latency_spread_ms` and `latency_device`, where they are known.
        measured_ms: What came out here.
        spread_ms: Its spread.
        device: This one.
    """
    claimed, where = claims.get("latency_ms"), claims.get("latency_device")
    if claimed is None:
        return Claim(name="latency_ms", claimed=None, measured=measured_ms, note="nothing is claimed")
    if where != device:
        note = f"it was claimed on {where}, and this is {device}"
        return Claim(name="latency_ms", claimed=claimed, measured=measured_ms, note=note)
    tolerance = SPREADS * (claims.get("latency_spread_ms", 0.0) + spread_ms)
    return Claim(name="latency_ms", claimed=claimed, measured=measured_ms, tolerance=tolerance, is_most=True)


def agreement(
    found: NDArray[Any], expected: NDArray[Any], y: NDArray[Any], *, target: Target, deviation: float
) -> float:
    """Share of the samples (of a tagger, tokens) on which two sets of outputs say the same.

    Args:
        found: Outputs of a form.
        expected: Outputs of the fake-quantized network, of the same shape.
        y: The truth, whose padding doesn't count.
        target: What the outputs stand for.
        deviation: Of the targets, where these are numbers.
    """
    if target.is_number:
        return float(np.mean(np.abs(found.astype(np.float64) - expected)[:, 0] <= NEAR * deviation))
    is_equal = found.argmax(axis=-1) == expected.argmax(axis=-1)
    return float(is_equal[y != IGNORED].mean() if target.kind == "tagging" else is_equal.mean())
