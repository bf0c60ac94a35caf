"""The token of our own Ray: a secret file that only this user can read, made once.

Whoever has it runs code here. Ray would write one under HOME that everybody can read; ours is passed by the path of its
file, never by its value: neither a command line nor an environment nor a log shows it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import tempfile
from pathlib import Path

from gasearch.errors import BadInput, WorkersUnavailable
from gasearch.settings import state_folder

TOKEN_BYTES = 32
_OTHERS = 0o077  #: The bits of a mode that let others in.


def token_file() -> Path:
    """The file with the token of this user's own Ray clusters, made where there is none.

    It lies in the state folder or, where that can't be written, in a folder of this user's in the temporary one.

    Raises:
        WorkersUnavailable: if neither takes it, or what is there isn't ours alone.
    """
    try:
        return _token_in(state_folder())
    except (OSError, BadInput):  # not writable, or no HOME at all
        folder = Path(tempfile.gettempdir()) / f"gasearch-{os.getuid()}"
    try:
        return _token_in(folder)
    except OSError as error:
        raise WorkersUnavailable(
            f"Ray's token can't be kept in {folder}: {error.strerror or error}; name another folder by GASEARCH_STATE"
        ) from error


def _token_in(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it is somebody else's")
    if found.st_mode & _OTHERS:
        folder.chmod(0o700)
    path = folder / "ray_token"
    with contextlib.suppress(FileNotFoundError):
        if not _is_ours_alone(path.lstat()):
            path.unlink()  # others could read it, or have put it there
    if not os.path.lexists(path):
        _create(path)
    return path


def _is_ours_alone(found: os.stat_result) -> bool:
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_uid == os.getuid()
        and not found.st_mode & _OTHERS
        and found.st_size == 2 * TOKEN_BYTES
    )


def _create(path: Path) -> None:
    """Write a new token beside its place and link it there: nobody sees half of one, and the first one stays."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w") as file:
            file.write(secrets.token_hex(TOKEN_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()
