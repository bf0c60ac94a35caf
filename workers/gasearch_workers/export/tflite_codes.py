"""The codes among raw samples in a TFLite file, categories, users and items, and the vectors that stand for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.tflite_builder import Quantization
from gasearch_workers.export.tflite_graph import OFFSET, TfliteGraph
from gasearch_workers.network.integer import Grid, IntegerStep
from gasearch_workers.network.steps import CODES, UNKNOWN


def embed(graph: TfliteGraph, item: IntegerStep, name: str) -> int:
    """The vector of each code in integers, on the embedding's own grid: (B, features).

    Args:
        graph: The file.
        item: The embedding.
        name: Of the output.
    """
    return embed_on(graph, item, graph.grid(item.step.name), graph.quantization(item.step.name), name)


def embed_on(graph: TfliteGraph, item: IntegerStep, grid: Grid, declared: Quantization, name: str) -> int:
    """The same on another grid. There are few vectors: each of their numbers is rounded once, here.

    Args:
        graph: The file.
        item: The embedding.
        grid: That of the output.
        declared: What the file says of it.
        name: Of the output.
    """
    table = np.clip(np.rint(item.real_weight() / grid.scale) + grid.zero_point, 0, 2**grid.bits - 1) - OFFSET
    return _gather(graph, item, table.astype(np.int8), declared, name)


def embed_real(graph: TfliteGraph, item: IntegerStep, name: str) -> int:
    """The vector of each code in floats: (B, features).

    Args:
        graph: The file.
        item: The embedding.
        name: Of the output.
    """
    return _gather(graph, item, item.real_weight().astype(np.float32), None, name)


def columns(graph: TfliteGraph, source: int, places: tuple[int, int], output: int, *, is_one: bool = False) -> int:
    """Columns of raw samples: (B, ..., columns) -> (B, ..., end - first), or (B, ...) of one column alone.

    Args:
        graph: The file.
        source: The samples.
        places: The first column, and the first that is left out.
        output: The tensor that it fills.
        is_one: Whether the axis of the columns goes.
    """
    axis = len(graph.plan.input_shape)
    ends = [
        graph.builder.constant(f"columns {values}", np.array(values, np.int32))
        for values in ([0] * axis + [places[0]], [0] * axis + [places[1]], [1] * axis + [1])
    ]
    others = (1 << axis) - 1  # of them all, whatever the ends say
    options = {"beginMask": others, "endMask": others, "shrinkAxisMask": 1 << axis if is_one else 0}
    return graph.builder.operator("STRIDED_SLICE", [source, *ends], output, ("StridedSlice", options))


def codes_of(graph: TfliteGraph, column: int) -> int:
    """One column of the codes, int32: (B, T) of tokens, else (B,); column -1 where there is one only."""
    plan, column = graph.plan, max(column, 0)
    name, shape, is_table = f"{CODES}.{column}", plan.codes_shape[:-1], plan.input_kind == "table"
    if plan.input_kind == "tokens" and len(plan.codes_shape) == 1:
        return graph.raw
    if name in graph.integers:
        return graph.integers[name]
    place = plan.numbers + column
    raw = graph.builder.tensor(f"{name}.raw" if is_table else name, shape, np.float32 if is_table else np.int32)
    codes = columns(graph, graph.raw, (place, place + 1), raw, is_one=True)
    if is_table:
        codes = graph.builder.operator("CAST", [codes], graph.builder.tensor(name, shape, np.int32), ("Cast", {}))
    graph.integers[name] = codes
    return codes


def _gather(
    graph: TfliteGraph, item: IntegerStep, table: NDArray[Any], declared: Quantization | None, name: str
) -> int:
    """Rows of a table. Tokens that have none take one behind the last, the row of the unknown once more."""
    builder, step = graph.builder, item.step
    codes = codes_of(graph, step.column)
    if graph.plan.input_kind == "tokens":
        behind = builder.constant(f"{step.name}.unknown", np.array([step.rows], np.int32))
        known = builder.tensor(f"{name}.codes", graph.plan.input_shape[:1], np.int32)
        codes = builder.operator("MINIMUM", [codes, behind], known, ("MaximumMinimum", {}), version=1)
        table = np.concatenate([table, table[min(UNKNOWN, step.rows - 1)][None]])
    rows = builder.constant(f"{name}.table", table, declared)
    output = builder.tensor(name, step.output_shape, table.dtype.type, declared)
    return builder.operator("GATHER", [rows, codes], output, ("Gather", {"axis": 0}))
