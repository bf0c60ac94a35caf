"""A small problem of a known front, and a made-up table in the form of a published one."""

import csv
import gzip
import itertools
from pathlib import Path

from benchmarks.support.tables import TableProblem

OPTIONS = {"kind": ("thin", "wide"), "depth": (1, 2, 3), "width": (8, 16, 32)}


def small_problem(*, is_pool: bool = False) -> TableProblem:
    """18 networks; a deeper and wider one errs less and costs more, and a wide kind only costs more."""
    networks = tuple(itertools.product(*OPTIONS.values()))
    metrics = tuple(
        {"error": 40.0 / (depth * width**0.5), "latency_ms": depth * width * (1.0 + (kind == "wide")), "params": width}
        for kind, depth, width in networks
    )
    kept = slice(0, None, 2) if is_pool else slice(None)
    return TableProblem(
        name="small",
        decisions=OPTIONS,
        objectives=("error", "latency_ms"),
        error_cap=12.0,
        networks=networks[kept],
        metrics=metrics[kept],
        is_pool=is_pool,
    )


def write_macro_table(folder: Path) -> None:
    """All 6,561 networks of NAS-Bench-Macro with made-up numbers, where the loader looks for them."""
    target = folder / "nasbench_macro/table.csv.gz"
    target.parent.mkdir(parents=True)
    layers = [f"l{number}" for number in range(8)]
    with gzip.open(target, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*layers, "mean_acc", "params", "flops"])
        for network in itertools.product(range(3), repeat=8):
            gain = sum(block * (number + 1) for number, block in enumerate(network))
            size = sum(block**2 * (9 - number) for number, block in enumerate(network))
            writer.writerow([*network, 80.0 + gain / 6.0, 1000 + size, 5000 + 7 * size])
