"""The limits of a question."""

from __future__ import annotations

import pytest

from gasearch.errors import SpecError
from gasearch.query.asked import parse_limits


def test_what_is_no_limit_is_refused():
    with pytest.raises(SpecError, match="a limit reads like"):
        parse_limits(["latency_ms"])
