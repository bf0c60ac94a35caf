"""A Ray to work on: one of our own, or a cluster that was named and is looked at first; its exceptions end here."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gasearch_workers.machine import environment
from gasearch_workers.machine.files import why_not_shared
from gasearch_workers.machine.node import usable_cpus

from gasearch.dispatch.ray_token import token_file
from gasearch.errors import WorkersUnavailable

#: Starting Ray fails now and then on a busy machine ("node timed out during startup"): one more try helps.
START_TRIES = 2
DEFAULT_GPU_SHARE = 0.25
CONNECT_S = 8.0  #: To reach each address of a named cluster.
ANSWER_S = 8.0  #: For its head to say who it is; it does so within milliseconds.
LOOK_S = 60.0  #: For a node to look whether it shares a folder.
_ADVICE = "use --workers 0 to evaluate without Ray"
LOG_BYTES, LOG_COUNT = 16 * 2**20, 2  #: Ray's own logs: the size of a file, and how many older ones are kept.


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSize:
    """How many workers, and what Ray reserves for each of them (it enforces nothing)."""

    count: int | None  #: None: as many as the cluster's CPUs (and GPUs, where a worker wants one) allow.
    cpus: float = 1.0
    gpus: float | None = None  #: Shares are allowed: 0.25 puts four workers on one GPU. None: that, where there is one.


def start_ray(size: PoolSize, address: str | None) -> Any:
    """Ray, initialized: a local one of our own ("local": never one that happens to run here), or the given cluster.

    Raises:
        WorkersUnavailable: if it doesn't start, can't be reached or refuses us.
    """
    if address is not None:
        require_listener(address)
    require_token(address)
    import logging

    import ray

    if address is not None:
        require_cluster(address)
    options: dict[str, Any] = {"address": address or "local", "log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        cpus = max(usable_cpus(), math.ceil((size.count or 1) * size.cpus))
        options |= {"num_cpus": cpus, "include_dashboard": False, "resources": {"latency_slot": 1}}
    for number in range(1, START_TRIES + 1):
        try:
            with _quiet_environment():
                ray.init(**options)
        except Exception as error:
            with contextlib.suppress(Exception):
                ray.shutdown()
            if number == START_TRIES:
                where = f"the Ray cluster at {address} can't be reached" if address else "Ray doesn't start"
                raise WorkersUnavailable(f"{where}: {first_line(error)}; {_ADVICE}") from error
        else:
            break
    return ray


def require_token(address: str | None) -> None:
    """Let this process's Ray ask for a token: our own for our own Ray, the user's for a cluster that was named.

    Ray reads these variables while it is imported.
    """
    if address is not None:
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # the cluster refuses us without
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.pop("RAY_AUTH_TOKEN", None)  # it would be preferred to the file
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file())


@contextlib.contextmanager
def _quiet_environment() -> Iterator[None]:
    """The environment that Ray's processes inherit: one thread each, and none of our secrets."""
    changes: dict[str, str | None] = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ROTATION_MAX_BYTES": str(LOG_BYTES),
        "RAY_ROTATION_BACKUP_COUNT": str(LOG_COUNT),
        **dict.fromkeys(filter(is_secret, os.environ)),
    }
    saved = {name: os.environ.get(name) for name in changes}
    _set_variables(changes)
    try:
        yield
    finally:
        _set_variables(saved)


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def is_secret(name: str) -> bool:
    """True for the name of a variable that is kept from Ray's processes: of what no evaluation sees, all but Ray's."""
    return environment.is_secret(name) and not name.upper().startswith("RAY_")


def gpu_share(ray: Any, size: PoolSize) -> float:
    """The share of a GPU that each worker reserves; small networks are launch-bound, so several share one."""
    if size.gpus is not None:
        return size.gpus
    return DEFAULT_GPU_SHARE if ray.cluster_resources().get("GPU", 0) else 0.0


def auto_count(ray: Any, cpus: float, gpus: float) -> int:
    """How many workers the cluster has room for; at least one.

    Args:
        ray: Initialized.
        cpus: That each reserves.
        gpus: The same, as a share of one.
    """
    resources = ray.cluster_resources()
    counts = []
    if cpus > 0:
        counts.append(int(resources.get("CPU", 1) / cpus))
    if gpus > 0:
        counts.append(int(resources.get("GPU", 0) / gpus))
    return max(1, min(counts, default=1))


def first_line(error: BaseException) -> str:
    """The sentence of an exception of Ray's, without the remote traceback below it."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def has_raised(error: BaseException) -> bool:
    """True where an actor's own constructor failed, which another try won't mend; not so where it was killed."""
    return "creation task" in str(error)


# --- a cluster that was named: looked at within seconds, where Ray tries for a minute ----------------------------


def require_listener(address: str, timeout_s: float = CONNECT_S) -> None:
    """Check that somebody listens there. To be called before Ray is loaded.

    Raises:
        WorkersUnavailable: if nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s):
            pass
    except (OSError, ValueError) as error:
        raise WorkersUnavailable(
            f"the Ray cluster at {address} can't be reached: {str(error) or type(error).__name__}; "
            f"name its head as HOST:PORT, or {_ADVICE}"
        ) from error


def require_cluster(address: str) -> None:
    """Check that who listens there is the head of a Ray cluster that takes our token. Loads Ray.

    Raises:
        WorkersUnavailable: if it isn't, or there is no token.
    """
    if address.startswith("ray://"):  # Ray's client, which speaks otherwise
        return
    from ray.exceptions import AuthenticationError, RayError

    _require_token(address)
    match error := _answer(address):
        case AuthenticationError():
            raise WorkersUnavailable(
                f"the Ray cluster at {address} refuses our token: put the head's (there: `ray get-auth-token`) into "
                f"~/.ray/auth_token or RAY_AUTH_TOKEN, with RAY_AUTH_MODE=token, or {_ADVICE}"
            ) from error
        case TimeoutError() | RayError():
            raise WorkersUnavailable(
                f"what listens at {address} doesn't answer as the head of a Ray cluster within {ANSWER_S:g} s; name "
                "the port that `ray start --head --port` was given (not the dashboard's, nor another service's), or "
                f"{_ADVICE}"
            ) from error


def _require_token(address: str) -> None:
    """Check that there is a token, where one is wanted: Ray would end the process from C++."""
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
    from ray.exceptions import AuthenticationError

    try:
        ensure_token_if_auth_enabled(create_token_if_missing=False)
    except AuthenticationError as error:
        raise WorkersUnavailable(
            f"there is no token for the Ray cluster at {address}: put the head's (there: `ray get-auth-token`) into "
            "~/.ray/auth_token or RAY_AUTH_TOKEN; where its Ray was started without one, set RAY_AUTH_MODE=disabled"
        ) from error


def _answer(address: str) -> BaseException | None:
    """How the head answers to a question: None for an answer, an error of Ray's, a `TimeoutError` for none in time.

    Asked in a thread, for Ray waits 40 s for an answer and can't be made to wait less.
    """
    answers: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def ask() -> None:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]

        try:
            GcsClient(address=address, cluster_id=None).check_alive([], timeout=ANSWER_S)
        except BaseException as error:
            answers.put(error)
        else:
            answers.put(None)

    threading.Thread(target=ask, name="ask the head", daemon=True).start()
    with contextlib.suppress(queue.Empty):
        return answers.get(timeout=ANSWER_S)
    return TimeoutError()


def require_shared_by_all(ray: Any, mark: str) -> None:
    """Ask every node that has room for workers, before any of them trains.

    Args:
        ray: Initialized.
        mark: A file of the controller's in that folder.

    Raises:
        WorkersUnavailable: if one doesn't see it, with that node's name.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    look = ray.remote(why_not_shared)
    answers = [
        look.options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(mark)
        for node in nodes
    ]
    try:
        found = ray.get(answers, timeout=LOOK_S)
    except Exception as error:
        raise WorkersUnavailable(f"a node of the cluster doesn't answer: {first_line(error)}") from error
    for why in found:
        require_shared(why)


def require_shared(why_not: str) -> None:
    """Refuse a node by what `why_not_shared` said there.

    Raises:
        WorkersUnavailable: unless that is "".
    """
    if why_not:
        raise WorkersUnavailable(
            f"with recipe.inherit a network begins with weights that any node has left, and {why_not}; name a folder "
            "that all machines share by GASEARCH_CACHE (a network drive), or leave recipe.inherit out"
        )
