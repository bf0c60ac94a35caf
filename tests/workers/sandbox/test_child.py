import os

from gasearch_workers.sandbox.child import has_children


def test_a_process_has_children_until_it_has_waited_for_them():
    """In a process of its own: this one may have others."""
    answer, write = os.pipe()
    tester = os.fork()
    if tester == 0:
        before = has_children()
        child = os.fork()
        if child == 0:
            os._exit(0)
        running = has_children()
        os.waitpid(child, 0)
        os.write(write, repr([before, running, has_children()]).encode())
        os._exit(0)
    os.waitpid(tester, 0)
    assert os.read(answer, 100) == b"[False, True, False]"
    os.close(answer)
    os.close(write)
