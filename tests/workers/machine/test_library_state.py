import decimal
import random

import numpy as np
import pytest
from gasearch_workers.machine.library_state import LIBRARY_PARTS, generator_states, seed_generators


def test_seeded_generators_draw_the_same_again():
    states = generator_states()
    seed_generators(2**40 + 7)
    drawn = random.random(), np.random.random()
    seed_generators(2**40 + 7)
    assert (random.random(), np.random.random()) == drawn
    for put_back, state in states:
        put_back(state)


@pytest.mark.parametrize(
    ("part", "change"),
    [("decimal", lambda: setattr(decimal.getcontext(), "prec", 3)), ("numpy", lambda: np.seterr(all="raise"))],
)
def test_what_was_changed_is_seen_and_put_back(part, change):
    [(read, write)] = [(read, write) for name, read, write in LIBRARY_PARTS if name == part]
    before = read()
    change()
    assert read() != before
    write(before)
    assert read() == before
