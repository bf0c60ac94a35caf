"""A look whether a Ray cluster that was named is one, and lets us in: seconds, where Ray tries for a minute."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading

from gasearch.errors import WorkersUnavailable

CONNECT_S = 8.0  #: For each address of a name.
ANSWER_S = 8.0  #: For the head to say who it is; it does so within milliseconds.
_ADVICE = "use --workers 0 to evaluate without Ray"


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
