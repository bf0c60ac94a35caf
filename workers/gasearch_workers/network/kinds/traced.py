"""An operation of a network that was traced: it says itself what it computes, and of which tensors."""

from __future__ import annotations

from typing import Final, Literal

from gasearch_workers.messages import FULL_PRECISION, Layer, Scalar
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import BRANCH_BITS, PlanBuilder, PlanError

TracedOp = Literal["conv", "linear", "add", "max_pool", "global_pool", "flatten"]


def traced_layer(
    name: str,
    op: TracedOp,
    inputs: tuple[str, ...],
    *,
    width: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    has_relu: bool = False,
    is_branch: bool = False,
) -> Layer:
    """A layer at full precision that is one operation.

    Args:
        name: Of its output.
        op: An operation of `network.steps`.
        inputs: Names of the tensors that it reads: "input", or earlier layers.
        width: Channels or features of the output.
        kernel: Of a convolution.
        stride: Of a convolution.
        groups: Of a convolution.
        has_relu: A ReLU follows.
        is_branch: Whether additions alone read what it gives: its precision is then not decided.
    """
    extras: dict[str, Scalar] = {
        "name": name,
        "op": op,
        "inputs": " ".join(inputs),
        "groups": groups,
        "has_relu": has_relu,
        "is_branch": is_branch,
    }
    return Layer(kind=TRACED.name, width=width, kernel=kernel, stride=stride, extras=tuple(sorted(extras.items())))


def name_of(layer: Layer) -> str:
    """The name of a traced layer's output."""
    return str(layer.option("name"))


def has_weights(layer: Layer) -> bool:
    """Whether a traced layer has weights, whose bits are decided."""
    return layer.option("op") in ("conv", "linear")


def has_own_precision(layer: Layer) -> bool:
    """Whether the bits of a traced layer's output are decided: no input's and no branch's."""
    return layer.option("op") in ("conv", "linear", "add") and not layer.option("is_branch")


def _add_traced(builder: PlanBuilder, _number: str, layer: Layer) -> None:
    name, op, has_relu = name_of(layer), str(layer.option("op")), bool(layer.option("has_relu"))
    first, *others = (builder.tensor_of(source) for source in str(layer.option("inputs")).split(" "))
    builder.tensor = first
    match op:
        case "conv" | "linear":
            builder.add(
                name,
                op,
                width=layer.width,
                bits=layer.activation_bits,
                is_signed=not has_relu,
                units=(layer.width, layer.width),
                weight_bits=layer.weight_bits,
                kernel=layer.kernel,
                stride=layer.stride,
                groups=int(layer.option("groups")),
                has_relu=has_relu,
            )
        case "add":
            builder.add_sum(name, others[0], bits=layer.activation_bits, has_relu=has_relu)
        case "max_pool":
            builder.add(name, op, kernel=2, stride=2)
        case "global_pool":
            builder.add(name, op, bits=FULL_PRECISION if first.bits == FULL_PRECISION else BRANCH_BITS)
        case "flatten":
            builder.add(name, op, units=(layer.width, layer.width))
        case _:
            raise PlanError(f"{name}: there is no traced operation {op!r}")


TRACED: Final = LayerKind(name="traced", add=_add_traced, is_monotone=True)
