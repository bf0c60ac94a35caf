"""A look whether the nodes of a Ray cluster share the folder of inherited weights with the controller."""

from __future__ import annotations

from typing import Any

from gasearch_workers.machine.files import why_not_shared

from gasearch.dispatch.ray_cluster import first_line
from gasearch.errors import WorkersUnavailable

ANSWER_S = 60.0  #: For a node to look.


def require_shared_by_all(ray: Any, mark: str) -> None:
    """Ask every node that has room for workers, before any of them trains.

    Args:
        ray: Initialized.
        mark: A file of the controller's in that folder.

    Raises:
        WorkersUnavailable: if one doesn't see it, with that node's name.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    look = ray.remote(why_not_shared)
    answers = [
        look.options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(mark)
        for node in nodes
    ]
    try:
        found = ray.get(answers, timeout=ANSWER_S)
    except Exception as error:
        raise WorkersUnavailable(f"a node of the cluster doesn't answer: {first_line(error)}") from error
    for why in found:
        require_shared(why)


def require_shared(why_not: str) -> None:
    """Refuse a node by what `why_not_shared` said there.

    Raises:
        WorkersUnavailable: unless that is "".
    """
    if why_not:
        raise WorkersUnavailable(
            f"with recipe.inherit a network begins with weights that any node has left, and {why_not}; name a folder "
            "that all machines share by GASEARCH_CACHE (a network drive), or leave recipe.inherit out"
        )
