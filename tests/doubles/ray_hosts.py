"""Processes that host no Ray but talk as if they did, each with a fault of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection

from gasearch_workers.messages import EvaluationResult, Measurement

from gasearch.dispatch.ray_link import Beat, Cancelled, CancelQueued, Close, Failed, Gone, News, Open, Submit, Up


def serves(descriptor):
    """Answers every request at once, but keeps those that are called "queued"."""
    link, count, queued = opened(descriptor)
    while True:
        match link.recv():
            case Submit(request=request):
                count += 1
                if request.key.startswith("dies"):
                    os._exit(3)
                if request.key.startswith("gone"):
                    link.send(Gone(reason="its raylet died"))
                    time.sleep(60)
                if request.key.startswith("queued"):
                    queued.append(request)
                    link.send(News(results=(), free=0, seen=count))
                elif request.key.startswith("hangs"):
                    time.sleep(60)
                else:
                    link.send(News(results=(result_of(request),), free=2, seen=count))
            case CancelQueued():
                link.send(Cancelled(identities=frozenset((one.key, one.attempt) for one in queued)))
            case Close():
                return


def opened(descriptor):
    link = Connection(descriptor)
    assert isinstance(link.recv(), Open)
    link.send(Up(slots=2, free=2, session_folder=None))
    return link, 0, []


def leaves_children(descriptor):
    """Serves, having started a process in its session and one in another; prints nothing, tells their numbers."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    pids = [subprocess.Popen(sleep, start_new_session=new).pid for new in (False, True)]
    with open("children", "w") as file:
        file.write(" ".join(map(str, pids)))
    serves(descriptor)


def refuses(descriptor):
    """Ray doesn't start."""
    link = Connection(descriptor)
    link.recv()
    link.send(Failed(message="Ray has no room for a worker"))


def ends(descriptor):
    """Ends before Ray has started."""
    Connection(descriptor).recv()
    os._exit(7)


def serves_once(descriptor):
    """The first process serves, those after it end as they begin."""
    try:
        with open("started", "x"):
            serves(descriptor)
    except FileExistsError:
        ends(descriptor)


def beats_only(descriptor):
    """Lives, and says no more."""
    link, _, _ = opened(descriptor)
    threading.Thread(target=obey_close, args=[link], daemon=True).start()
    while True:
        link.send(Beat())
        time.sleep(0.1)


def obey_close(link):
    while link.recv() != Close():
        pass
    os._exit(0)


def result_of(request):
    return EvaluationResult(
        key=request.key,
        attempt=request.attempt,
        worker="double",
        device="none",
        started_at=1.0,
        finished_at=2.0,
        outcome=Measurement(accuracy=0.5),
    )
