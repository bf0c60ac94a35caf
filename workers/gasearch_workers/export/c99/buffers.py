"""Where tensors lie in the C file's one static array: those that are never there at once share its bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gasearch_workers.network.steps import CODES, INPUT, Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A tensor, or what a step needs besides: it is there from one step to another, both included."""

    name: str
    size: int  #: Bytes.
    first: int  #: Number of the step that makes it; -1: before the first one.
    last: int  #: Number of the last step that reads it.


def place(blocks: Sequence[Block]) -> tuple[dict[str, int], int]:
    """The offset of each block, and the bytes of all: the largest first, each at the lowest place that is free."""
    offsets: dict[str, int] = {}
    placed: list[Block] = []
    for block in sorted(blocks, key=lambda block: (-block.size, block.first, block.name)):
        offset = 0
        for other in sorted(placed, key=lambda other: offsets[other.name]):
            is_there_too = block.first <= other.last and other.first <= block.last
            if is_there_too and offset + block.size > offsets[other.name]:
                offset = max(offset, offsets[other.name] + other.size)
        offsets[block.name] = offset
        placed.append(block)
    return offsets, max((offsets[block.name] + block.size for block in blocks), default=0)


def blocks_of(plan: Plan, scratch: Mapping[str, int]) -> list[Block]:
    """What lies in the array: a byte for each value of each tensor, and what steps need besides.

    Neither the raw sample nor the network's outputs: they are the caller's.

    Args:
        plan: Of the network.
        scratch: Bytes that a step needs besides, by its name; its block is named by `scratch_of`.
    """
    owners = owners_of(plan)
    last_use = {owners[name]: number for number, step in enumerate(plan.steps) for name in step.inputs}
    blocks = []
    if plan.input_kind == "table" and plan.numbers:
        blocks.append(Block(name=INPUT, size=plan.numbers, first=-1, last=last_use.get(INPUT, -1)))
    for number, step in enumerate(plan.steps):
        if owners[step.name] == step.name and step is not plan.steps[-1]:
            size = math.prod(step.output_shape)
            blocks.append(Block(name=step.name, size=size, first=number, last=last_use.get(step.name, number)))
        if size := scratch.get(step.name, 0):
            blocks.append(Block(name=scratch_of(step), size=size, first=number, last=number))
    return blocks


def scratch_of(step: Step) -> str:
    """Name of the block that a step needs besides its tensors."""
    return f"{step.name} scratch"


def owners_of(plan: Plan) -> dict[str, str]:
    """For each tensor the one in whose bytes it lies: itself, save for those that only have another shape."""
    owners = {INPUT: INPUT, CODES: CODES}
    for step in plan.steps:
        owners[step.name] = owners[step.inputs[0]] if step.op == "flatten" else step.name
    return owners
