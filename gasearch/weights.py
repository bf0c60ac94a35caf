"""Where a search keeps the weights that it has trained, for the children of its networks."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gasearch.settings import cache_folder
from gasearch.storage.records import SearchRecord


def weights_folder(record: SearchRecord) -> Path:
    """A folder of the search's own, whether it is there or not.

    Other searches never read it, so what a search finds doesn't depend on what ran before it.
    """
    identity = f"{record.spec_hash}/{record.data_json}/{record.name}/{record.created_at.isoformat()}"
    return cache_folder() / "weights" / hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
