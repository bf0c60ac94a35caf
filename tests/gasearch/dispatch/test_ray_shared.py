import pytest

from gasearch.dispatch.ray_shared import require_shared
from gasearch.errors import WorkersUnavailable


def test_a_node_that_shares_the_folder_passes_and_another_one_is_named_with_a_way_out():
    require_shared("")
    with pytest.raises(WorkersUnavailable, match=r"edge-3 doesn't see .*; name a folder .* by GASEARCH_CACHE"):
        require_shared("edge-3 doesn't see what the controller has in /cache")
