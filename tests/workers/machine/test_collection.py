import gc

from gasearch_workers.machine.collection import gc_paused


def test_collection_is_off_meanwhile_and_on_again_where_it_was():
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
