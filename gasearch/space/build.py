"""From a spec to its space."""

from __future__ import annotations

from gasearch.space.custom import custom_space
from gasearch.space.data_shape import DataShape
from gasearch.space.decisions import Space
from gasearch.space.layered import layered_space
from gasearch.spec.model import SearchSpec
from gasearch.spec.spaces import CustomSpace


def build_space(spec: SearchSpec, data: DataShape | None = None) -> Space:
    """All that the spec lets evolution decide.

    Args:
        spec: What is asked for.
        data: What the networks must fit; a custom space needs none.

    Raises:
        ValueError: for a family made of layers without data.
    """
    if isinstance(spec.space, CustomSpace):
        return custom_space(spec.space)
    if data is None:
        raise ValueError(f"the space of family {spec.space.family} needs the shape of the data; got none")
    return layered_space(spec.space, data)
