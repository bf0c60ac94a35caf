"""A search of 100,000 evaluations goes on within 10 s of CPU time, in 600 MB."""

import pytest

from benchmarks.resume import CASES, MOST_MB, MOST_S, in_fresh_process, make_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

EVALUATIONS = 100_000


@pytest.mark.parametrize("name", ["flat", "layered-stopping", "layered-again", "generations"])
def test_a_long_search_goes_on_soon(tmp_path, name):
    path = tmp_path / "long.db"
    make_store(CASES[name], path, EVALUATIONS)
    figures = in_fresh_process("resume", path, EVALUATIONS)
    print(name, figures)
    assert figures["peak_mb"] < MOST_MB
    assert figures["cpu_s"] < 2 * MOST_S  # twice: the machine may be busy; `benchmarks.resume` has the bar itself
