"""The codes among raw samples in a TFLite file, categories, users and items, and the vectors that stand for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.tflite_builder import Quantization
from gasearch_workers.export.tflite_graph import OFFSET, TfliteGraph
from gasearch_workers.network.integer import Grid, IntegerStep
from gasearch_workers.network.steps import CODES


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
    """Columns of raw samples: (B, columns) -> (B, end - first), or (B,) of one alone.

    Args:
        graph: The file.
        source: The samples.
        places: The first column, and the first that is left out.
        output: The tensor that it fills.
        is_one: Whether the axis of the columns goes.
    """
    ends = [
        graph.builder.constant(f"row, column {values}", np.array(values, np.int32))
        for values in ([0, places[0]], [0, places[1]], [1, 1])
    ]
    rows = {"beginMask": 1, "endMask": 1}  # all rows, whatever the ends say
    options = {**rows, "shrinkAxisMask": 2 if is_one else 0}
    return graph.builder.operator("STRIDED_SLICE", [source, *ends], output, ("StridedSlice", options))


def _gather(
    graph: TfliteGraph, item: IntegerStep, table: NDArray[Any], declared: Quantization | None, name: str
) -> int:
    rows = graph.builder.constant(f"{name}.table", table, declared)
    output = graph.builder.tensor(name, item.step.output_shape, table.dtype.type, declared)
    return graph.builder.operator("GATHER", [rows, _codes(graph, item.step.column)], output, ("Gather", {"axis": 0}))


def _codes(graph: TfliteGraph, column: int) -> int:
    """One column of the codes: (B,) int32."""
    name, plan = f"{CODES}.{max(column, 0)}", graph.plan
    if name in graph.integers:
        return graph.integers[name]
    place = plan.numbers + max(column, 0)
    is_table = plan.input_kind == "table"
    raw = graph.builder.tensor(f"{name}.raw" if is_table else name, (), np.float32 if is_table else np.int32)
    codes = columns(graph, graph.raw, (place, place + 1), raw, is_one=True)
    if is_table:
        codes = graph.builder.operator("CAST", [codes], graph.builder.tensor(name, (), np.int32), ("Cast", {}))
    graph.integers[name] = codes
    return codes
