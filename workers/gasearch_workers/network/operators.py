"""The operators that a network needs of the device it is deployed on: its operations, depthwise convolutions apart.

Normalization and ReLU are part of the operator before them, as in every form that is exported. Standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from gasearch_workers.network.steps import OPERATIONS, Plan, Step

DEPTHWISE: Final = "depthwise_conv"  #: A `conv` in groups: accelerators that convolve may lack it.
OPERATORS: Final = ("conv", DEPTHWISE, *(op for op in OPERATIONS if op != "conv"))

#: What runtimes and papers call them, in lower case without _ and digits, beside names that are nearly ours.
SYNONYMS: Final[Mapping[str, str]] = {
    "gemm": "linear",
    "matmul": "linear",
    "dense": "linear",
    "fullyconnected": "linear",
    "depthwise": DEPTHWISE,
    "depthwiseconvd": DEPTHWISE,
    "convd": "conv",
    "averagepool": "global_pool",
    "averagepoold": "global_pool",
    "globalaveragepool": "global_pool",
    "mean": "global_pool",
    "maxpool": "max_pool",
    "maxpoold": "max_pool",
    "mul": "product",
    "gather": "embedding",
    "concatenation": "concat",
    "reshape": "flatten",
    "layernormalization": "layer_norm",
    "multiheadattention": "attention",
}
#: What is no operator of its own.
FUSED: Final = frozenset({"relu", "batchnorm", "batchnormalization", "norm", "bias", "quantizelinear"})


def operator_of(step: Step) -> str:
    """The operator that a step needs."""
    return DEPTHWISE if step.op == "conv" and step.groups > 1 else step.op


def operators_of(plan: Plan) -> Mapping[str, int]:
    """The operators that a network needs, and how many steps of each."""
    return Counter(map(operator_of, plan.steps))
