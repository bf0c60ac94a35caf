"""The embedded datasets, which scikit-learn carries; nothing to download.

The default is 1,797 handwritten digits of 8 x 8 pixels.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from gasearch_workers.data.arrays import make_source
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.source import Source


def read_digits() -> Source:
    """Images (1797, 1, 8, 8) uint8 with values 0..16, ten classes, no test part of their own."""
    bunch = _sklearn_datasets().load_digits()
    return make_source("digits", "digits", Parts((bunch.images.astype(np.uint8), bunch.target)))


def read_diabetes() -> Source:
    """A table (442, 10) as it was measured and how far the disease had come a year later, 25 .. 346, for regression."""
    bunch = _sklearn_datasets().load_diabetes(scaled=False)
    columns = tuple(str(name) for name in bunch.feature_names)
    return make_source("diabetes", "diabetes", Parts((bunch.data, bunch.target)), columns=columns)


def _sklearn_datasets() -> Any:
    """The library, whose loading draws from the global random generator: a program that has seeded that goes on so."""
    state = random.getstate()
    try:
        import sklearn.datasets
    finally:
        random.setstate(state)
    return sklearn.datasets
