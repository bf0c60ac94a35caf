"""Specs to begin with."""

import pytest

from gasearch.errors import BadInput
from gasearch.spec.starter import STARTERS, starter_spec


def test_a_family_without_a_starter_is_refused_with_those_that_have_one():
    assert starter_spec("mlp") == STARTERS["mlp"]
    with pytest.raises(BadInput, match=r"there is a starter for cnn, mlp, .*custom; got 'rnn'"):
        starter_spec("rnn")
