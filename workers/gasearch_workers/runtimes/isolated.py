"""Running a form in a process of its own: a file that somebody damaged ends that process, not ours.

python -m gasearch_workers.runtimes.isolated RUNTIME DIR < samples.npy > outputs.npy
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LIMIT_S: Final = 600.0


def run_isolated(name: str, directory: Path, x: NDArray[Any], *, seconds: float = LIMIT_S) -> NDArray[Any]:
    """The outputs of raw samples (B, *input_shape), as the runtime gives them.

    Args:
        name: Of a runtime.
        directory: Of the artifact.
        x: The samples.
        seconds: After these the process is ended.

    Raises:
        RuntimeError: if it ends without outputs, with the last line of what it said, or takes too long.
    """
    command = [sys.executable, "-m", __name__, name, str(directory)]
    given = io.BytesIO()
    np.save(given, x, allow_pickle=False)
    found = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=given.getvalue(),
            capture_output=True,
            timeout=seconds,
            check=False,
            env=os.environ | {"PYTHONPATH": found},
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{name} took more than {seconds:g} s") from None
    if done.returncode < 0:
        raise RuntimeError(f"{name} was ended by {signal.Signals(-done.returncode).name}: the file is damaged")
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(said[-1] if said else f"{name} ended with status {done.returncode}")
    outputs: NDArray[Any] = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return outputs


def main() -> None:
    """Read samples, run what the arguments name, write its outputs; what libraries print goes to stderr."""
    from gasearch_workers.runtimes.runtime import RUNTIMES

    name, directory = sys.argv[1:]
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answer:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        x = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
        found = io.BytesIO()  # NumPy asks a file for its position, which a pipe has not
        np.save(found, np.asarray(RUNTIMES.get(name).run(Path(directory), x)), allow_pickle=False)
        answer.write(found.getvalue())


if __name__ == "__main__":
    main()
