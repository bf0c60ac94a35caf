from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def save(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Writes a file of a name, else of the one that the module calls `FILE`, and gives its path."""
    usual = getattr(request.module, "FILE", "set.csv")

    def write(content: str | bytes, name: str = usual) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def save_arrays(tmp_path: Path) -> Callable[..., str]:
    """Writes arrays by their names to an archive, and gives its path."""

    def write(**arrays: np.ndarray) -> str:
        np.savez(tmp_path / "set.npz", **arrays)
        return str(tmp_path / "set.npz")

    return write


@pytest.fixture
def save_columns(tmp_path: Path) -> Callable[..., str]:
    """Writes cells by the names of their columns to a file of text, and gives its path."""

    def write(columns: dict[str, list], name: str = "set.csv", delimiter: str = ",") -> str:
        path = tmp_path / name
        rows = [columns, *zip(*columns.values(), strict=True)]
        quoted = (delimiter.join(f'"{cell}"' if delimiter in str(cell) else str(cell) for cell in row) for row in rows)
        path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
        return str(path)

    return write
