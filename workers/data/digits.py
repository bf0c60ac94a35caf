"""The embedded default: 1,797 handwritten digits of 8 x 8 pixels that scikit-learn carries; nothing to download."""

from __future__ import annotations

import numpy as np

from workers.data.arrays import Source, make_source


def read_digits() -> Source:
    """Images (1797, 1, 8, 8) uint8 with values 0..16, ten classes, no test part of their own."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return make_source("digits", "digits", train=(bunch.images.astype(np.uint8), bunch.target), test=None)
