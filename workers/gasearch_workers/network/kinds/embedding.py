"""The table of vectors that a network on codes begins with: a family's `begin` makes its steps."""

from __future__ import annotations

from typing import Final

from gasearch_workers.messages import Layer
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError


def _add(_builder: PlanBuilder, name: str, _layer: Layer) -> None:
    raise PlanError(f"{name}: an embedding is the first layer of a network whose data has codes")


EMBEDDING: Final = LayerKind(name="embedding", add=_add)
