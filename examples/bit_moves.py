"""Operators of one's own for a search: a mutation, and a crossover of DEAP's."""

from __future__ import annotations

import random
from typing import Any

from deap import tools


def configure(toolbox: Any, space: Any) -> None:
    """Let half of the mutants have one option more or less of everything that is counted in bits."""
    bits = [index for index, decision in enumerate(space.decisions) if decision.name.endswith("bits")]
    change_other = toolbox.mutate

    def move_bits(individual: Any) -> Any:
        if random.random() < 0.5:
            return change_other(individual)
        step = random.choice((-1, 1))
        for index in bits:
            individual[index] = min(max(individual[index] + step, 0), space.sizes[index] - 1)
        return (individual,)

    toolbox.register("mutate", move_bits)
    toolbox.register("mate", tools.cxUniform, indpb=0.5)
