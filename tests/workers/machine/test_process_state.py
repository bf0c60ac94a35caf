"""What a process shares is put back; what an evaluation can leave, one by one, is in tests/faults/test_leftovers.py."""

import gc
import os
import random
import threading

from gasearch_workers.machine.process_state import ProcessState, gc_paused, unchanged_process


def test_what_was_changed_is_put_back_and_what_was_not_is_not_touched(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    state, mask = ProcessState(), os.umask(0o022)
    os.umask(mask)
    os.environ["ADDED"] = "1"
    del os.environ["KEPT"]
    os.umask(0o077)
    assert state.restore() == []
    assert ("ADDED" in os.environ, os.environ["KEPT"]) == (False, "1")
    assert os.umask(mask) == mask


def test_what_can_t_be_put_back_is_named():
    state, done = ProcessState(), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    assert state.restore() == ["threads"]
    done.set()
    thread.join()
    assert state.restore() == []


def test_the_caller_s_generators_go_on_as_if_nothing_had_been_drawn():
    state = random.getstate()
    with unchanged_process():
        random.seed(3)
        os.environ["ADDED"] = "1"
    assert random.getstate() == state
    assert "ADDED" not in os.environ


def test_collection_is_off_meanwhile_and_on_again_where_it_was():
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
