import decimal
import random

import numpy as np
from gasearch_workers.machine import library_state


def test_seeded_generators_draw_the_same_again():
    states = library_state.generator_states()
    library_state.seed_generators(2**40 + 7)
    drawn = random.random(), np.random.random()
    library_state.seed_generators(2**40 + 7)
    assert (random.random(), np.random.random()) == drawn
    for put_back, state in states:
        put_back(state)


def test_the_decimal_context_and_numpy_s_errors_are_put_back():
    context, errors = library_state.decimal_context(), library_state.numpy_errors()
    decimal.getcontext().prec = 3
    np.seterr(all="raise")
    assert library_state.decimal_context() != context
    assert library_state.numpy_errors() != errors
    library_state.set_decimal_context(context)
    library_state.set_numpy_errors(errors)
    assert library_state.decimal_context() == context
    assert library_state.numpy_errors() == errors
