"""From a spec to its space."""

from __future__ import annotations

from gasearch.space.custom import custom_space
from gasearch.space.decisions import Space
from gasearch.space.layered import layered_space
from gasearch.spec.model import SearchSpec
from gasearch.spec.spaces import CustomSpace


def build_space(spec: SearchSpec) -> Space:
    """All that the spec lets evolution decide."""
    if isinstance(spec.space, CustomSpace):
        return custom_space(spec.space)
    return layered_space(spec.space)
