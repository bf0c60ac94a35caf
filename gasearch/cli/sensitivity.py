"""The command that says what each layer of a trained network loses at fewer bits."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gasearch.cli.app import Form, Override, Spec, app, examples
from gasearch.cli.console import Format, cell, clean_stdout, print_rows, print_table, watching

if TYPE_CHECKING:
    from gasearch.jobs.sensitivity import Sensitivity


@app.command(
    epilog=examples(
        "gasearch sensitivity bits.yaml",
        "gasearch sensitivity bits.yaml --set space.weight_bits='[2, 4, 8]' --format json",
    )
)
def sensitivity(spec: Spec, overrides: Override = None, form: Form = Format.TABLE) -> None:
    """Say what a trained network (family bits) loses where one layer alone has fewer bits, without any training."""
    from gasearch.jobs.sensitivity import measure_sensitivity
    from gasearch.spec.loader import load_spec

    with watching() as observer, clean_stdout():
        found = measure_sensitivity(load_spec(spec, overrides or ()), observer=observer)
    print_sensitivity(found, form)


def print_sensitivity(found: Sensitivity, form: Format) -> None:
    """Print what each decision loses at each number of bits; JSON has the networks to begin a search with, too."""
    rows: list[dict[str, Any]] = [asdict(row) for row in found.rows]
    if form is Format.JSON:
        whole = {"metric": found.metric, "score": found.score, "model_bytes": found.model_bytes}
        print_rows({**whole, "rows": rows, "designs": found.designs()}, form)
        return
    if form is Format.CSV:
        print_rows(rows, form)
        return
    widths = sorted({row.bits for row in found.rows}, reverse=True)
    drops = {(row.decision, row.bits): row.drop for row in found.rows}
    names = dict.fromkeys(row.decision for row in found.rows)
    cells = [[name, *(_drop(drops.get((name, bits))) for bits in widths)] for name in names]
    print_table(["one decision alone", *(f"{bits} bits" for bits in widths)], cells)
    print(
        f"\nlost of {found.metric} {cell(found.metric, found.score)} "
        f"({cell('model_bytes', found.model_bytes)}), on the validation split, without any training"
    )


def _drop(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
