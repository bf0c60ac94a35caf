"""A shell that cleans up after a host that is killed: its evaluations' processes, and its temporary folder."""

from __future__ import annotations

import os
import subprocess
from typing import Final

#: Waits for the end of its input, which only the host holds; then ends what carries the mark, and removes the folder.
#: A shell, as a Python would take ten times the memory for as long as the host lives.
_SCRIPT: Final = """
exec 3<&0
(
    trap '' HUP INT TERM
    read -r word <&3
    tries=50
    while [ $tries -gt 0 ] && pids=$(grep -slF -e "$1" /proc/[0-9]*/environ | cut -d/ -f3) && [ -n "$pids" ]; do
        kill -STOP $pids
        kill -KILL $pids
        sleep 0.1
        tries=$((tries - 1))
    done
    rm -rf -- "$2"
) </dev/null >/dev/null 2>&1 &
"""


def start_reaper(mark: str, folder: str) -> int:
    """Start one; it works once the descriptor that this returns is closed, or this process ends.

    It is nobody's child, so that who ends this process's children doesn't end it.

    Raises:
        OSError: if the system has no room for it.
    """
    read_end, write_end = os.pipe()
    try:
        subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", _SCRIPT, "gasearch-reaper", mark, folder],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
            check=True,
        )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    return write_end
