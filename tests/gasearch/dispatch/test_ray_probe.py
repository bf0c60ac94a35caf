import socket

import pytest

from gasearch.dispatch.ray_probe import require_listener
from gasearch.errors import WorkersUnavailable


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nobody.invalid:6379", "no address"])
def test_an_unreachable_cluster_is_named_with_a_way_out(address):
    with pytest.raises(WorkersUnavailable, match=rf"the Ray cluster at {address} can't be reached: .*--workers 0"):
        require_listener(address)


def test_whoever_listens_is_enough_before_ray_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as server:
        require_listener(f"127.0.0.1:{server.getsockname()[1]}")
        require_listener(f"ray://127.0.0.1:{server.getsockname()[1]}")
