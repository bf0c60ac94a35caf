"""The cheapest and the dearest network of a layered space, by arithmetic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.genome import Genome, make_genome
from workers.measure.costs import Costs, costs
from workers.messages import FULL_PRECISION, Blueprint, Layer
from workers.plan import plan

CostMetric = Literal["params", "macs", "flops", "bops", "model_bytes"]
COST_METRICS: Final[tuple[CostMetric, ...]] = ("params", "macs", "flops", "bops", "model_bytes")
