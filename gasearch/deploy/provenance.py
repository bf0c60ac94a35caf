"""Where an exported network comes from: its search, how its data are read, and the code that trained it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from gasearch_workers.data import is_named
from gasearch_workers.data.options import FILES

import gasearch
from gasearch.jobs.sources import data_options
from gasearch.spec.model import SearchSpec
from gasearch.storage.records import NewSearch

GIT_LIMIT_S: Final = 10.0


def provenance(record: NewSearch, spec: SearchSpec) -> dict[str, Any]:
    """What only the controller knows of a network's origin, as JSON values.

    Args:
        record: Of the search.
        spec: Of it.
    """
    source = data_source(spec)
    options = source["options"] | {name: shown(source["options"][name]) for name in FILES}
    return {
        "search": {"name": record.name, "digest": record.spec_hash, "version": record.version},
        "source": {**source, "dataset": shown(source["dataset"]), "options": options},
        "seeds": {"search": spec.seed},
        "versions": {"gasearch": gasearch.__version__},
        "commit": commit(),
    }


def data_source(spec: SearchSpec) -> dict[str, Any]:
    """Where a search's data lie on its machine, and how they are read, as JSON values."""
    return {"dataset": spec.task.dataset, "options": asdict(data_options(spec))}


def shown(source: str | None) -> str | None:
    """A source as others may know it: of a path, which is a machine's own matter, the last name alone."""
    return source if source is None or is_named(source) else source.replace("\\", "/").rstrip("/").rpartition("/")[2]


def commit(folder: Path | None = None) -> str | None:
    """The commit of gasearch's own code, with "-dirty" where it was changed since; None where that isn't known.

    Args:
        folder: Where its packages lie; None: where this one does.
    """
    folder = folder or Path(gasearch.__file__).parents[1]
    git = shutil.which("git")
    if (folder / ".git").exists() and git is not None:
        command = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_LIMIT_S, check=True)  # noqa: S603
            return done.stdout.strip() or None
        return None
    return _installed_commit()


def _installed_commit() -> str | None:
    """The commit that pip installed from a repository, as it notes it (PEP 610)."""
    try:
        noted = distribution("gasearch").read_text("direct_url.json")
        found = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    except (PackageNotFoundError, OSError, ValueError):
        return None
    return found if isinstance(found, str) else None
