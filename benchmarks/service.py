"""How many questions a second the service answers per core, against a bare FastAPI route.

    python -m benchmarks.service [--requests 1500] [--rounds 3] [--evaluations 500] [--database sqlite|postgresql|both]

Each server is a process of its own, with uvicorn; one client asks it, a connection for each round, the servers
in turns after a round that isn't counted. Figures are requests per CPU second of the server, all its threads; the
median over the rounds. The peer is a FastAPI application with one route that answers a constant of the same size, no
token, no database. Target: `/status` 150 a second.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks.store import postgresql
from benchmarks.support.full_store import KINDS, fill_store
from benchmarks.support.timing import Targets, conditions

NAME, TOKEN = "asked", "a-token-for-the-benchmark"
LEAST = 150.0
PATHS = ("status", "front", "best", "best?where=cost%20%3C%3D%200.8")

_BARE = """
import socket, sys, uvicorn
from fastapi import FastAPI
app = FastAPI(openapi_url=None)
@app.get("/status")
def status() -> dict[str, str]:
    return {"text": "x" * 1000}
with socket.create_server(("127.0.0.1", 0)) as listening:
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"serving at http://127.0.0.1:{listening.getsockname()[1]}/", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])
"""


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], path: str) -> None:
        line = process.stderr.readline() if process.stderr else ""
        port = int(line.partition("http://127.0.0.1:")[2].partition("/")[0])
        self._pid, self._path, self._port = process.pid, path, port

    def rate(self, requests: int) -> float:
        """Requests per CPU second of the server."""
        before = self._cpu_s()
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            for _ in range(requests):
                connection.request("GET", self._path, headers={"Authorization": f"Bearer {TOKEN}"})
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
        return requests / (self._cpu_s() - before)

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    options = parser.parse_args()
    print(conditions("fastapi", "uvicorn", "sqlalchemy"), flush=True)
    targets = Targets()
    if options.database != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            report("SQLite", f"sqlite:///{folder}/asked.db", options, targets)
    if options.database != "sqlite":
        with postgresql(None) as url:
            report("PostgreSQL", url, options, targets)
    targets.check()


def report(database: str, url: str, options: argparse.Namespace, targets: Targets) -> None:
    """Print the rates over one database."""
    fill_store(KINDS["custom"], url, NAME, evaluations=options.evaluations)
    serve = [sys.executable, "-m", "gasearch", "serve", "--port", "0", "--db", url]
    with ExitStack() as stack:
        bare = Server(stack.enter_context(running([sys.executable, "-c", _BARE])), "/status")
        ours = {path: Server(stack.enter_context(running(serve)), f"/api/v1/searches/{NAME}/{path}") for path in PATHS}
        rates: dict[str, list[float]] = {name: [] for name in ("bare", *ours)}
        for turn in range(options.rounds + 1):
            for name, server in {"bare": bare, **ours}.items():
                rate = server.rate(options.requests if name in ("bare", "status") else options.requests // 10)
                rates[name] += [rate] if turn else []
    peer = statistics.median(rates.pop("bare"))
    print(f"{database}: a bare FastAPI route {peer:.0f} requests per CPU second")
    for path, found in rates.items():
        rate = statistics.median(found)
        print(f"{database}, {options.evaluations} evaluations: /{path} {rate:.0f}, {rate / peer:.2f} of the bare route")
    targets.at_least(f"{database}: /status per CPU second", statistics.median(rates["status"]), LEAST)


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended afterwards."""
    environment = {**os.environ, "GASEARCH_TOKEN": TOKEN}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
