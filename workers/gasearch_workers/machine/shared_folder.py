"""A look whether this machine shares a folder with the controller's: by a file that the controller has put there."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def why_not_shared(mark: str) -> str:
    """Why files can't be exchanged through the folder of the controller's file; "" where they can."""
    folder = Path(mark).parent
    if not Path(mark).is_file():
        return f"{socket.gethostname()} doesn't see what the controller has in {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{socket.gethostname()} can't write to {folder}"
    return ""
