"""Processes that host no Ray but talk as if they did, each with a fault of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from multiprocessing.connection import Connection

from gasearch_workers.messages import EvaluationResult, Measurement

from gasearch.dispatch.ray_process import Answer, Call, LogOfController, Notice, RayGone
from gasearch.errors import WorkersUnavailable


def serves(descriptor):
    """Answers every request at once, but keeps those that are called "queued"."""
    link, queued, results = opened(descriptor), [], []
    while True:
        value = None
        match link.recv():
            case Call(method="submit", arguments=(request,)):
                if request.key.startswith("dies"):
                    os._exit(3)
                if request.key.startswith("gone"):
                    link.send(RayGone("its raylet died"))
                    time.sleep(60)
                if request.key.startswith("hangs"):
                    time.sleep(60)
                if request.key.startswith("queued"):
                    queued.append(request)
                else:
                    results.append(result_of(request))
            case Call(method="collect"):
                value, results = results, []
            case Call(method="take_queued"):
                value, queued = tuple(queued), []
            case Call(method="close"):
                return
        link.send(Answer(value=value, slots=2, free=0 if queued else 2))


def opened(descriptor):
    link = Connection(descriptor)
    assert link.recv().options is not None
    link.send(Answer(value=None, slots=2, free=2))
    return link


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
    link.send(WorkersUnavailable("Ray has no room for a worker"))


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
        with open("tries", "a") as file:
            file.write("again ")
        ends(descriptor)


def never_answers_a_request(descriptor):
    """Works on each, and never ends."""
    link = opened(descriptor)
    while True:
        match link.recv():
            case Call(method="close"):
                return
            case Call(method="collect", arguments=(seconds,)):
                time.sleep(seconds)
                link.send(Notice())
                link.send(Answer(value=[], slots=2, free=1))
            case _:
                link.send(Answer(value=None, slots=2, free=1))


def logs_at_the_level_asked(descriptor):
    """Logs a line as a pool does, with where an error came from, then says that it is there."""
    link, log = Connection(descriptor), logging.getLogger("gasearch.dispatch")
    log.setLevel(link.recv().log_level)
    log.addHandler(LogOfController(link.send))
    try:
        raise OSError("no room")
    except OSError:
        log.info("worker started on %s", "edge-3", extra={"node": "edge-3"}, exc_info=True)
    link.send(Answer(value=None, slots=2, free=2))


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
