"""A set of sentences, and the words of a row of codes."""

from __future__ import annotations

import numpy as np
from gasearch_workers.data.dataset import Dataset

GOOD, BAD = "A good film , number {}", "a BAD film , really bad"
LINES = "".join(f"{(GOOD if n % 2 else BAD).format(n)}\t{n % 2}\n" for n in range(40))


def words(data: Dataset, row: np.ndarray) -> list[str]:
    """What the codes of a row stand for, without padding."""
    return [data.vocabularies[0][code] for code in row if code]
