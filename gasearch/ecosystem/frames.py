"""A front as a table of pandas, or as a Parquet file. pandas is no part of gasearch: whoever asks has it installed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gasearch.errors import GasearchError
from gasearch.query.answers import FrontPoint
from gasearch.query.whole_file import write_whole


def front_frame(points: Sequence[FrontPoint]) -> Any:
    """A `pandas.DataFrame`: a network a row by its key, a metric a column in native units, the blueprint as JSON.

    A metric that a network lacks is NaN, as pandas has it.

    Raises:
        GasearchError: where pandas isn't installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise _missing("a table of pandas", error) from error
    rows = [point.row() | {"blueprint": json.dumps(point.blueprint)} for point in points]
    metrics = sorted({metric for point in points for metric in point.metrics})
    verified = ["verified"] if any("verified" in row for row in rows) else []
    return pandas.DataFrame(rows, columns=["key", *metrics, *verified, "blueprint"]).set_index("key")


def write_parquet(points: Sequence[FrontPoint], path: Path) -> None:
    """Write the same table as a Parquet file, replacing an earlier one.

    Raises:
        GasearchError: where pandas or pyarrow isn't installed.
        BadInput: if the file can't be written.
    """
    frame = front_frame(points)
    try:
        import pyarrow  # noqa: F401 - what pandas writes it with
    except ModuleNotFoundError as error:
        raise _missing("a Parquet file", error) from error
    write_whole(path, lambda beside: frame.to_parquet(beside, engine="pyarrow"))


def _missing(thing: str, error: ModuleNotFoundError) -> GasearchError:
    return GasearchError(f"{thing} needs {error.name}, which isn't installed: pip install 'gasearch[pandas]'")
