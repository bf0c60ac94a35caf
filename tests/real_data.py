"""Real data from outside the project, for the tests that are marked `data`."""

import os
from pathlib import Path

import pytest

VARIABLE = "GASEARCH_TEST_DATA"  #: Names the folder that holds them.
FOLDER = Path(os.environ[VARIABLE]).resolve() if os.environ.get(VARIABLE) else None

MARK = pytest.mark.data


def real(name: str) -> Path:
    """The file or folder of that name among the real data; without it the test fails, since it was asked for."""
    assert FOLDER is not None, f"a test that needs real data lacks the mark `data`: it asks for {name}"
    path = FOLDER / name
    if not path.exists():
        pytest.fail(f"{VARIABLE} must name a folder that holds {name}; there is none in {FOLDER}", pytrace=False)
    return path
