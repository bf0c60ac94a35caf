"""A Ray to work on: one of our own, or a cluster that was named; its exceptions end here."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gasearch_workers.machine.node import usable_cpus

from gasearch.dispatch.ray_probe import require_cluster, require_listener
from gasearch.dispatch.ray_token import token_file
from gasearch.errors import WorkersUnavailable

#: Starting Ray fails now and then on a busy machine ("node timed out during startup"): one more try helps.
START_TRIES = 2
DEFAULT_GPU_SHARE = 0.25
LOG_BYTES, LOG_COUNT = 16 * 2**20, 2  #: Ray's own logs: the size of a file, and how many older ones are kept.

#: What no process but the controller needs: our own settings, and ways to the database.
_SECRET = re.compile(r"GASEARCH_.*|PG.*|.*DATABASE_URL", re.IGNORECASE)


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
                raise WorkersUnavailable(
                    f"{where}: {first_line(error)}; use --workers 0 to evaluate without Ray"
                ) from error
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
    changes = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ROTATION_MAX_BYTES": str(LOG_BYTES),
        "RAY_ROTATION_BACKUP_COUNT": str(LOG_COUNT),
    }
    removed = [name for name in os.environ if is_secret(name)]
    saved = {name: os.environ.get(name) for name in (*changes, *removed)}
    os.environ.update(changes)
    for name in removed:
        del os.environ[name]
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def is_secret(name: str) -> bool:
    """True for the name of a variable that is kept from Ray's processes."""
    return _SECRET.fullmatch(name) is not None


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
