"""A blueprint laid out as primitive steps with shapes and precisions: the one reading that all consumers share.

The torch module, the closed-form costs, the packed file and the ONNX graph are each a walk over the same `Plan`, so
they can't disagree on what a network is. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.network.families import FAMILIES
from gasearch_workers.network.inputs import INPUT_BITS
from gasearch_workers.network.layer_kinds import KINDS
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError
from gasearch_workers.network.steps import INPUT, Plan

__all__ = ["PlanError", "plan"]

POOL_BITS = 8  #: Averages over low-bit activations keep 8 bits: no operation gets dearer for it.


def plan(blueprint: Blueprint, *, is_pruned: bool = True) -> Plan:
    """Lay a blueprint out as primitive steps.

    Args:
        blueprint: The network.
        is_pruned: Whether without what pruning removes: the network that is deployed, counted and measured. Else the
            one in which a training begins; its steps are the same, some of them wider.

    Raises:
        PlanError: if a layer doesn't fit its input.
        UnknownName: if neither we nor an installed package has its family, or the kind of a layer.
    """
    family = FAMILIES.get(blueprint.family)
    *hidden, head = blueprint.layers
    if head.kind != "linear":
        raise PlanError(f"the last layer must be linear; got {head.kind!r}")
    is_float = all(layer.weight_bits == layer.activation_bits == FULL_PRECISION for layer in blueprint.layers)
    builder = PlanBuilder(is_float=is_float, is_pruned=is_pruned)
    embedding, body = _parted(hidden, has_codes=bool(blueprint.categories))
    family.begin(builder, blueprint, embedding)
    for number, layer in enumerate(body):
        _add_layer(builder, f"layer{number}", layer)
    _add_head(builder, head, is_per_token=family.is_per_token)
    has_numbers = any(INPUT in step.inputs for step in builder.steps)
    return Plan(
        input_shape=blueprint.input_shape,
        input_bits=INPUT_BITS if has_numbers and not is_float else FULL_PRECISION,
        steps=tuple(builder.steps),
        input_kind=family.input_kind(blueprint.input_shape),
        categories=blueprint.categories,
        is_regression=blueprint.is_regression,
    )


def _parted(hidden: Sequence[Layer], *, has_codes: bool) -> tuple[Layer | None, Sequence[Layer]]:
    """The embedding, where the data have codes, and the layers that follow."""
    if not has_codes:
        return None, hidden
    if not hidden or hidden[0].kind != "embedding":
        found = hidden[0].kind if hidden else "no layer"
        raise PlanError(f"the first layer must be an embedding where the data has codes; got {found}")
    return hidden[0], hidden[1:]


def _add_layer(builder: PlanBuilder, name: str, layer: Layer) -> None:
    kind = KINDS.get(layer.kind)
    if kind.dimensions is not None and len(builder.shape) != kind.dimensions:
        wanted = "(channels, height, width)" if kind.dimensions == 3 else "(tokens, features)"
        raise PlanError(f"{name}: {layer.kind} needs an input of {wanted}; got {builder.shape}")
    kind.add(builder, name, layer)


def _add_head(builder: PlanBuilder, head: Layer, *, is_per_token: bool) -> None:
    if len(builder.shape) == 3 and builder.steps:
        bits = FULL_PRECISION if builder.tensor.bits == FULL_PRECISION else POOL_BITS
        builder.add("pool", "global_pool", bits=bits)
    if not is_per_token:
        builder.pool_tokens()
        builder.flatten()
    builder.add_matrix("head", head, op="linear", width=head.width, bits=FULL_PRECISION)
