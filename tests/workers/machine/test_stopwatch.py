import time

from gasearch_workers.machine.stopwatch import Stopwatch


def test_a_clock_that_is_set_changes_no_duration(monkeypatch):
    watch = Stopwatch()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert 0.0 <= watch.seconds < 60.0
    assert abs(watch.started_at - now) < 60.0
    assert abs(Stopwatch.date() - now) < 60.0
